// SPDX-License-Identifier: BSL-1.0
#pragma once
// nsenter_plan.hpp: the boot plan of a child in the namespaces of another process, and what its
// failures mean.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/boot/staged_boot.hpp>
#include <mitogen/method/error_patterns.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/method/namespace/nsenter_child.hpp>
#include <mitogen/method/tool_error_patterns.hpp>
#include <mitogen/os/program/executable.hpp>

#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What is printed by what enters, before anything is executed there.
inline constexpr error_pattern error_patterns_of_nsenter[] = {
    {no_leader_text, reason::connection_refused, not_running_text},
    {no_process_text, reason::resolve,
     "there is no process of that number, or this user may not see it"},
    {not_permitted_text, reason::auth_required,
     "this user may not enter its namespaces: that takes root, or a user namespace of his own; "
     "connect from a context that may, "
     "for instance by sudo"},
    {no_user_there_text, reason::resolve, no_user_text},
    {not_executed_text, reason::payload, no_shell_text},
    {cannot_enter_text, reason::connect, "its namespaces cannot be entered"},
};

/// The error that it means.
MITOGEN_COLD inline error explain_nsenter(const boot_plan& plan, const boot_failure& f) {
    if (f.what == boot_failure::how::timed_out) {
        const std::string ms = std::to_string(plan.timeout / 1'000'000) + " ms (connect_timeout): ";
        return because(plan, f, reason::connect_timeout,
                       "no hello within " + ms +
                           (f.stage_seen ? "our shell runs there; sending the program, or its "
                                           "start, takes longer than that"
                                         : "our shell did not speak; does a tool hang that tells "
                                           "the container's process?"));
    }
    if (f.what == boot_failure::how::confused) return explain_boot(plan, f);
    if (f.stage_seen) return explain_stage(plan, f);
    if (const error_pattern* s = known_error_pattern(error_patterns_of_nsenter, f))
        return because(plan, f, s->why, s->meaning);
    if (const error_pattern* s = known_error_pattern(error_patterns_of_tools, f))
        return because(plan, f, s->why, s->meaning);
    if (f.status && not_executed(*f.status))
        return because(
            plan, f, reason::connect,
            "the tool that tells the container's process cannot be executed; tool_path says "
            "where to look for it");
    return because(plan, f, reason::end_of_file, "it ended before our shell ran there");
}

/// "the namespaces mount, net and the root directory of process 7, as its user mia"
MITOGEN_COLD inline std::string text_of(const nsenter_child& what) {
    std::string kinds;
    bool root = what.namespaces.empty();
    for (const std::string& n : what.namespaces) {
        kinds += (kinds.empty() ? "" : ", ") + n;
        root = root || n == "mount";
    }
    std::string text = kinds.empty() ? "all namespaces" : "the namespaces " + kinds;
    text += (root ? " and the root directory of " : " of ");
    if (what.ask.empty())
        text += "process " + std::to_string(what.pid);
    else
        text +=
            "the first process of container " + what.container + ", as " + what.tool + " tells it";
    return text + (what.username.empty() ? "" : ", as its user " + what.username);
}

/// This program, started once more, enters and then executes a shell there. `target`: of messages
/// and of the context's name.
template <class Method>
MITOGEN_COLD result<boot_plan> nsenter_plan(const Method& method, nsenter_child what,
                                            const std::string& target) {
    const std::pair<std::string_view, const std::string*> names[] = {
        {"container", &what.container}, {"tool_path", &what.tool}, {"username", &what.username}};
    for (const auto& [option, value] : names) {
        const std::string begin = std::string(Method::method_name) + ": " + std::string(option);
        if (value->starts_with('-'))
            return error(reason::misuse,
                         begin + " is \"" + *value +
                             "\", which begins with a dash: a tool would take it for an option");
        if (value->find('\0') != std::string::npos)
            return error(reason::misuse, begin + " contains a zero byte, where it would end");
    }
    boot_plan p;
    p.what = std::string(Method::method_name) + " " + target;
    p.name = std::string(Method::method_name) + "." + target;
    apply_common(method, p);
    auto program = open_program(method.executable);
    if (!program) return program.error();
    p.program = std::move(*program);
    p.staged = &by_a_shell;
    p.enters = text_of(what);
    p.command_at = nsenter_child::command_at;
    what.command = {"sh", "-c", first_stage_script(patience_for(p.timeout))};
    p.start.executable_fd = os::self_executable().get();
    p.start.argv = what.arguments("mitogen:" + p.name);
    p.explain = &explain_nsenter;
    return p;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
