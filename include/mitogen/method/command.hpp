// SPDX-License-Identifier: BSL-1.0
#pragma once
// command.hpp: a child by any program that runs a command elsewhere.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/command_options.hpp>
#include <mitogen/method/exec_style.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_command : command {
    explicit planned_command(const command& options) : command(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        if (argv.empty()) return error(reason::misuse, "command: argv is empty");
        detail::exec_style tool(method_name, argv[0], "argv[0]");
        tool.add({argv.begin() + 1, argv.end()});
        return tool.add_stage(connect_timeout).plan(*this, argv[0].substr(argv[0].rfind('/') + 1));
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> command::plan() const {
    return detail::planned_command(*this).plan();
}

} // namespace mitogen::inline MITOGEN_ABI
