// SPDX-License-Identifier: BSL-1.0
#pragma once
// docker.hpp: a child in a Docker container.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/container/docker_options.hpp>
#include <mitogen/method/exec_style.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_docker : docker {
    explicit planned_docker(const docker& options) : docker(options) {}

    /// What is to be executed.
    MITOGEN_COLD result<boot_plan> plan() const {
        if (container.empty() == image.empty())
            return error(reason::misuse,
                         "docker: give either .container, which runs, or .image, for a new one");
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

} // namespace detail

MITOGEN_INLINE result<boot_plan> docker::plan() const {
    return detail::planned_docker(*this).plan();
}

} // namespace mitogen::inline MITOGEN_ABI
