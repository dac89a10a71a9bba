// SPDX-License-Identifier: BSL-1.0
#pragma once
// explain_plan.hpp: what a connection method would run, as text for people.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/os/file.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// An argument as a POSIX shell reads it: as it is if that is safe, else in single quotes.
inline std::string quoted_for_shell(std::string_view argument) {
    constexpr std::string_view plain =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./-_";
    if (!argument.empty() && argument.find_first_not_of(plain) == std::string_view::npos)
        return std::string(argument);
    std::string out = "'";
    for (const char c : argument) c == '\'' ? out += "'\\''" : out += c;
    return out + "'";
}

inline std::string quoted_for_shell(const std::vector<std::string>& arguments) {
    std::string line;
    for (const std::string& a : arguments) line += (line.empty() ? "" : " ") + quoted_for_shell(a);
    return line;
}

/// Four lines. The first can be pasted into a shell; there it waits for the program as the first
/// stage does. Before it comes one that says what is entered, if it is this program that does so.
MITOGEN_COLD inline std::string explain_plan(const boot_plan& plan) {
    const std::string program = plan.program_path.empty() ? "this one" : plan.program_path;
    const std::string size =
        plan.program ? ", " + std::to_string(os::file_size(plan.program->get())) + " bytes" : "";
    const std::vector<std::string> command(plan.start.argv.begin() +
                                               static_cast<std::ptrdiff_t>(plan.command_at),
                                           plan.start.argv.end());
    return (plan.enters.empty() ? "" : "enter: " + plan.enters + "\n") +
           "run: " + quoted_for_shell(command) + "\nname: " + plan.name + "\nprogram: " + program +
           size + (plan.staged ? ", sent when the shell there has spoken" : ", executed here") +
           "\ntimeout: " + std::to_string(plan.timeout / 1'000'000) + " ms\n";
}

/// Of several methods, each in the context that the one before it makes: a line for each that says
/// where, and its four.
MITOGEN_COLD MITOGEN_INLINE result<std::string>
explain_methods(const std::vector<any_method>& path) {
    std::string text;
    std::string in = "this context";
    for (const any_method& method : path) {
        const result<boot_plan> plan = method.operations().plan(method.get(), limits{});
        if (!plan) return plan.error();
        if (path.size() > 1) text += in + ":\n";
        text += explain_plan(*plan);
        in = "in " + plan->name;
    }
    return text;
}

MITOGEN_COLD MITOGEN_INLINE std::string planned_name(const any_method& method) {
    const result<boot_plan> plan = method.operations().plan(method.get(), limits{});
    return plan ? plan->name : std::string();
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
