// SPDX-License-Identifier: BSL-1.0
#pragma once
// docker_options.hpp: a child in a Docker container.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/function_entry.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

/// A process in a Docker container: one that runs (`docker exec`), or a new one of an image
/// (`docker run --rm`), which goes when the child does. Exactly one of the two. An image with an
/// entrypoint of its own must execute what it is given.
struct docker {
    std::string container{};            ///< name or id of a container that runs
    std::string image{};                ///< name of an image, to run in a new container
    std::string username{};             ///< or "user:group"; empty: as the container says
    std::string docker_path = "docker"; ///< the client to run

    /// of the context; empty: "docker.<container or image>"
    std::string name{};
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    /// the program to run there, by path here; empty: this one
    std::string executable{};
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()
    /// in a cache there: the next connection sends none
    bool keep_program = true;

    static constexpr std::string_view method_name = "docker";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.image, self.username, self.docker_path, self.name,
                        self.connect_timeout, self.executable, self.executor, self.limits,
                        self.may_detach, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::docker().
using docker_options = docker;

} // namespace mitogen::inline MITOGEN_ABI
