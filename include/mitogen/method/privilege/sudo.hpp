// SPDX-License-Identifier: BSL-1.0
#pragma once
// sudo.hpp: a child on this machine that runs as another user, through sudo.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/prompts/prompt_matcher.hpp>
#include <mitogen/codec/secret.hpp>
#include <mitogen/method/error_patterns.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/method/privilege/privilege.hpp>
#include <mitogen/method/privilege/sudo_options.hpp>
#include <mitogen/os/random.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_sudo : sudo {
    explicit planned_sudo(const sudo& options) : sudo(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        auto p =
            detail::privileged_plan(*this, sudo_path, &recognise, prompt_matcher::reads::terminal);
        if (!p) return p;
        p->start.argv = arguments();
        p->explain = &explain;
        return p;
    }

    /// The command that is executed, first stage included.
    MITOGEN_COLD std::vector<std::string> arguments() const {
        std::vector<std::string> a{sudo_path, "-p", prompt(), "-u", username};
        if (preserve_env) a.push_back("-E");
        if (set_home) a.push_back("-H");
        if (login) a.push_back("-i");
        if (!selinux_role.empty()) a.insert(a.end(), {"-r", selinux_role});
        if (!selinux_type.empty()) a.insert(a.end(), {"-t", selinux_type});
        a.insert(a.end(), sudo_args.begin(), sudo_args.end());
        const std::string script = detail::first_stage_in_own_language(connect_timeout);
        a.insert(a.end(), {"--", "sh", "-c", login ? detail::without_dollars(script) : script});
        return a;
    }

private:
    /// What sudo asks with, whatever the language, and nobody else: whoever else prints something
    /// there, as a profile does, cannot know the number, which is another one for each process.
    /// sudo-rs puts it in brackets: "[sudo: …] Password: ".
    MITOGEN_COLD static const std::string& prompt() {
        static const std::string text =
            "mitogen asks for the password (" + std::to_string(os::random_number()) + "):";
        return text;
    }

    static prompt_kind recognise(std::string_view line) {
        const std::string_view question(prompt());
        return line.find(question.substr(0, question.size() - 1)) == std::string_view::npos ||
                       !detail::ends_as_question(line)
                   ? prompt_kind::none
                   : prompt_kind::password;
    }

    /// What sudo says, and sudo-rs, which is younger and has other words.
    static constexpr detail::error_pattern error_patterns_of_sudo[] = {
        {"unknown user", reason::resolve, "there is no such user"},
        {"sudo-rs: user '", reason::resolve, "there is no such user"}, // not found
        {"in the sudoers file", reason::auth_required, "this user may not use sudo"},
        {"may not run sudo", reason::auth_required, "this user may not use sudo"},
        {"is not allowed to", reason::auth_required,
         "this user may not become that one, or not run sh"},
        {"I'm sorry", reason::auth_required, "this user may not use sudo"},
        {"incorrect password attempt", reason::auth_incorrect, detail::incorrect_text},
        {"Sorry, try again", reason::auth_incorrect, detail::incorrect_text},
        {"Authentication fail", reason::auth_incorrect, detail::incorrect_text},
        {"authentication fail", reason::auth_incorrect, detail::incorrect_text},
        {"password is required", reason::auth_required, "a password is required; set .password"},
        {"terminal is required", reason::auth_required,
         "a password is required, and there is no terminal to type it"},
        {"must have a tty", reason::connect, "it wants a terminal, and there is none"},
        {"command not found", reason::payload, "there is no sh"},
    };

    static error explain(const boot_plan& plan, const boot_failure& f) {
        return detail::explain_privilege(error_patterns_of_sudo, plan, f);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> sudo::plan() const { return detail::planned_sudo(*this).plan(); }
MITOGEN_INLINE std::vector<std::string> sudo::arguments() const {
    return detail::planned_sudo(*this).arguments();
}

} // namespace mitogen::inline MITOGEN_ABI
