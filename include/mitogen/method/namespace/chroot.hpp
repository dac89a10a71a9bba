// SPDX-License-Identifier: BSL-1.0
#pragma once
// chroot.hpp: a child on this machine with another root directory.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/exec_style.hpp>
#include <mitogen/method/namespace/chroot_options.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_chroot : chroot_options {
    explicit planned_chroot(const chroot_options& options) : chroot_options(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, chroot_path, "chroot_path");
        tool.add_optional("username", username, "--userspec=").add_required("root", root);
        return tool.add_stage(connect_timeout).plan(*this, root);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> chroot_options::plan() const {
    return detail::planned_chroot(*this).plan();
}

} // namespace mitogen::inline MITOGEN_ABI
