// SPDX-License-Identifier: BSL-1.0
#pragma once
// lxd.hpp: a child in an instance of LXD.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/container/lxd_options.hpp>
#include <mitogen/method/exec_style.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_lxd : lxd {
    explicit planned_lxd(const lxd& options) : lxd(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, lxc_path, "lxc_path");
        tool.add({"exec", "--mode=non-interactive"})
            .add_required("container", container)
            .add({"--"});
        return tool.add_stage(connect_timeout).plan(*this, container);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> lxd::plan() const { return detail::planned_lxd(*this).plan(); }

} // namespace mitogen::inline MITOGEN_ABI
