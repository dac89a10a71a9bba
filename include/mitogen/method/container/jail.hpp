// SPDX-License-Identifier: BSL-1.0
#pragma once
// jail.hpp: a child in a FreeBSD jail.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/container/jail_options.hpp>
#include <mitogen/method/exec_style.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_jail : jail {
    explicit planned_jail(const jail& options) : jail(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, jexec_path, "jexec_path");
        tool.add_optional("username", username, "-U ").add_required("container", container);
        return tool.add_stage(connect_timeout).plan(*this, container);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> jail::plan() const { return detail::planned_jail(*this).plan(); }

} // namespace mitogen::inline MITOGEN_ABI
