// SPDX-License-Identifier: BSL-1.0
#pragma once
// doas.hpp: a child on this machine that runs as another user, through doas.

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
#include <mitogen/method/privilege/doas_options.hpp>
#include <mitogen/method/privilege/privilege.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_doas : doas {
    explicit planned_doas(const doas& options) : doas(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        auto p = detail::privileged_plan(*this, doas_path, &detail::ask_for_password,
                                         prompt_matcher::reads::terminal);
        if (!p) return p;
        p->start.argv = arguments();
        p->explain = &explain;
        return p;
    }

    /// The command that is executed, first stage included.
    std::vector<std::string> arguments() const {
        return {doas_path,
                "-u",
                username,
                "--",
                "sh",
                "-c",
                detail::first_stage_in_own_language(connect_timeout)};
    }

private:
    static constexpr detail::error_pattern error_patterns_of_doas[] = {
        {"nknown user", reason::resolve, "there is no such user"},
        {"uthentication fail", reason::auth_incorrect, detail::incorrect_text},
        {"uthorization fail", reason::auth_incorrect, detail::incorrect_text},
        {"uthentication required", reason::auth_required, "a password is required; set .password"},
        {"a tty is required", reason::auth_required,
         "a password is required, and there is no terminal to type it"},
        {"not enabled", reason::auth_required,
         "doas has no configuration there, and lets nobody in"},
        {"not permitted", reason::auth_required,
         "this user may not become that one, or not run sh"},
        {"command not found", reason::payload, "there is no sh"},
    };

    static error explain(const boot_plan& plan, const boot_failure& f) {
        return detail::explain_privilege(error_patterns_of_doas, plan, f);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> doas::plan() const { return detail::planned_doas(*this).plan(); }
MITOGEN_INLINE std::vector<std::string> doas::arguments() const {
    return detail::planned_doas(*this).arguments();
}

} // namespace mitogen::inline MITOGEN_ABI
