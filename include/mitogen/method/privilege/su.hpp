// SPDX-License-Identifier: BSL-1.0
#pragma once
// su.hpp: a child on this machine that runs as another user, through su.

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
#include <mitogen/method/privilege/su_options.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_su : su {
    explicit planned_su(const su& options) : su(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        auto p = detail::privileged_plan(*this, su_path, &detail::ask_for_password,
                                         prompt_matcher::reads::input);
        if (!p) return p;
        p->start.argv = arguments();
        p->explain = &explain;
        return p;
    }

    /// The command that is executed, first stage included. The order is that of the BSDs, which the
    /// others take as well.
    std::vector<std::string> arguments() const {
        return {su_path, username, "-c",
                "exec sh -c '" + detail::first_stage_in_own_language(connect_timeout) + "'"};
    }

private:
    /// Of util-linux, shadow and busybox, and what PAM says.
    static constexpr detail::error_pattern error_patterns_of_su[] = {
        {"does not exist", reason::resolve, "there is no such user"},
        {"nknown user", reason::resolve, "there is no such user"},
        {"No passwd entry", reason::resolve, "there is no such user"},
        {"not available", reason::end_of_file, "that user's login shell lets nobody in"},
        {"must be run from a terminal", reason::connect, "this su wants a terminal on its stdin"},
        {"uthentication fail", reason::auth_incorrect, detail::incorrect_text},
        {"incorrect password", reason::auth_incorrect, detail::incorrect_text},
        {"Sorry", reason::auth_incorrect, detail::incorrect_text},
        {"ermission denied", reason::auth_required, "this user may not become that one"},
    };

    static error explain(const boot_plan& plan, const boot_failure& f) {
        return detail::explain_privilege(error_patterns_of_su, plan, f);
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> su::plan() const { return detail::planned_su(*this).plan(); }
MITOGEN_INLINE std::vector<std::string> su::arguments() const {
    return detail::planned_su(*this).arguments();
}

} // namespace mitogen::inline MITOGEN_ABI
