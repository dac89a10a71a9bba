// SPDX-License-Identifier: BSL-1.0
#pragma once
// docker.hpp: a child in a Docker container.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/methods/exec_style.hpp>
#include <mitogen/rpc/function_entry.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

/// A process in a Docker container: one that runs (`docker exec`), or a new one of an image (`docker run --rm`), which goes when
/// the child does. Exactly one of the two. An image with an entrypoint of its own must execute what it is given.
struct docker {
    std::string container{};            ///< name or id of a container that runs
    std::string image{};                ///< name of an image, to run in a new container
    std::string username{};             ///< or "user:group"; empty: as the container says
    std::string docker_path = "docker"; ///< the client to run

    std::string name{};                                ///< of the context; empty: "docker.<container or image>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    on executor = on::main;                            ///< of functions there that do not say where they run: see run_on
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own
    bool keep_program = true;                          ///< in a cache there: the next connection sends none

    static constexpr std::string_view method_name = "docker";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.image, self.username, self.docker_path, self.name,
                        self.connect_timeout, self.executable, self.executor, self.limits, self.keep_program);
    }

    /// What is to be executed.
    MITOGEN_COLD result<boot_plan> plan() const {
        if (container.empty() == image.empty())
            return error(reason::misuse, "docker: give either .container, which runs, or .image, for a new one");
        detail::exec_style tool(method_name, docker_path, "docker_path");
        if (image.empty()) {
            tool.add({"exec", "--interactive"})
                .add_optional("username", username, "--user=")
                .add_required("container", container);
        } else {
            tool.add({"run", "--interactive"})
                .add_optional("username", username, "--user=")
                .add({"--rm"})
                .add_required("image", image);
        }
        return tool.add_stage(connect_timeout).plan(*this, container + image);
    }
};

/// The options of basic_router::docker().
using docker_options = docker;

} // namespace mitogen::inline MITOGEN_ABI
