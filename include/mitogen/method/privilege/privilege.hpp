// SPDX-License-Identifier: BSL-1.0
#pragma once
// privilege.hpp: what sudo, su and doas have in common: a tool that asks for a password and then
// becomes another user here.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/first_stage.hpp>
#include <mitogen/boot/prompts/prompt_matcher.hpp>
#include <mitogen/boot/staged_boot.hpp>
#include <mitogen/method/error_patterns.hpp>
#include <mitogen/method/method.hpp>

#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

inline constexpr std::string_view incorrect_text = "the password is incorrect";

/// The first stage behind a tool that was made to speak English: in the language that was there
/// before.
MITOGEN_COLD
inline std::string first_stage_in_own_language(std::chrono::milliseconds connect_timeout) {
    const std::string script = first_stage_script(patience_for(to_ns(connect_timeout)));
    const char* const was = std::getenv("LC_ALL");
    const std::string_view language = was ? was : "";
    for (const char c : language)
        if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
              c == '_' || c == '.' || c == '-' || c == '@'))
            return "unset LC_ALL;" + script;
    if (language.empty()) return "unset LC_ALL;" + script;
    return "LC_ALL=" + std::string(language) + ";export LC_ALL;" + script;
}

/// The same script without a dollar sign, which `sudo -i` leaves open to the shell that it starts
/// first.
MITOGEN_COLD inline std::string without_dollars(std::string_view script) {
    // backquotes and printf undo each one layer of backslashes: octal for everything special
    return "eval \"`printf '" + in_octal(script) + "'`\"";
}

/// What the plans of all three have. `program`: the tool's path; arguments and `explain` come
/// later.
template <class Method>
MITOGEN_COLD result<boot_plan> privileged_plan(const Method& method, const std::string& program,
                                               prompt_matcher::recogniser recognise,
                                               prompt_matcher::reads where) {
    const std::string tool(Method::method_name);
    if (method.username.empty()) return error(reason::misuse, tool + ": username is empty");
    if (method.username[0] == '-')
        return error(reason::misuse, tool + ": the username \"" + method.username +
                                         "\" begins with a dash, which " + tool +
                                         " would take for an option");
    if (auto why = untypable(method.password, tool)) return std::move(*why);
    boot_plan p;
    p.what = tool + " " + method.username;
    p.name = tool + "." + method.username;
    apply_common(method, p);
    auto file = open_program(method.executable);
    if (!file) return file.error();
    p.program = std::move(*file);
    p.staged = &by_a_shell;
    p.prompts = std::make_shared<prompt_matcher>(recognise, method.password, where);
    p.start.path = program;
    p.start.environment = {"LC_ALL=C"}; // the questions and complaints that are known are English
    return p;
}

/// What a tool and the first stage said, as one of the errors that a caller can act on.
template <std::size_t N>
MITOGEN_COLD error explain_privilege(const error_pattern (&error_patterns)[N],
                                     const boot_plan& plan, const boot_failure& f) {
    using how = boot_failure::how;
    if (f.what == how::timed_out) {
        const std::string ms = std::to_string(plan.timeout / 1'000'000) + " ms (connect_timeout): ";
        const std::string waits = plan.prompts ? plan.prompts->waiting_text() : std::string();
        return because(
            plan, f, reason::connect_timeout,
            "no hello within " + ms +
                (!waits.empty() ? waits
                 : f.stage_seen
                     ? "sending the program, or its start, takes longer than that"
                     : "it asks something that nobody answers, or takes longer than that"));
    }
    if (f.what == how::confused) return explain_boot(plan, f);
    if (f.stage_seen) return explain_stage(plan, f);
    const bool answered = plan.prompts && plan.prompts->answered();
    if (const error_pattern* s = known_error_pattern(error_patterns, f)) {
        if (s->why != reason::auth_incorrect || answered || s->meaning != incorrect_text)
            return because(plan, f, s->why, s->meaning);
        return because(plan, f, reason::auth_required,
                       "authentication failed, and no password was asked for");
    }
    return because(plan, f, reason::end_of_file, no_hello_text);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
