// SPDX-License-Identifier: BSL-1.0
#pragma once
// podman.hpp: a child in a Podman container.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/container/podman_options.hpp>
#include <mitogen/method/exec_style.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_podman : podman {
    explicit planned_podman(const podman& options) : podman(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, podman_path, "podman_path");
        tool.add({"exec"})
            .add_optional("username", username, "--user=")
            .add({"--interactive", "--"});
        return tool.add_required("container", container)
            .add_stage(connect_timeout)
            .plan(*this, container);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> podman::plan() const {
    return detail::planned_podman(*this).plan();
}

} // namespace mitogen::inline MITOGEN_ABI
