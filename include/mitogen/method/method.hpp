// SPDX-License-Identifier: BSL-1.0
#pragma once
// method.hpp: what every connection method has in common.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/program/executable.hpp>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The program that a child shall run: this one's own file as it was at the start, which stays open
/// anyway, or another.
MITOGEN_COLD
inline result<std::shared_ptr<os::unique_fd>> open_program(const std::string& executable) {
    if (executable.empty()) {
        os::unique_fd& own = os::self_executable();
        if (!own) return error(reason::payload, "cannot open this program's own executable");
        return std::shared_ptr<os::unique_fd>(std::shared_ptr<void>(), &own);
    }
    const long rc = os::open_to_read(executable.c_str());
    if (rc < 0) {
        const error why = os::failure("cannot open the executable " + executable, rc);
        return error(why.kind() == kind::overloaded ? reason::overloaded : reason::payload,
                     std::string(why.message()));
    }
    return std::make_shared<os::unique_fd>(static_cast<int>(rc));
}

/// A system call takes a zero byte for the end of a name: it would go to another host, or be
/// another user.
MITOGEN_COLD inline result<boot_plan> without_zero_bytes(result<boot_plan> plan) {
    if (!plan) return plan;
    const auto has_one = [](const std::string& text) { return text.find('\0') != text.npos; };
    const os::spawn_options& start = plan->start;
    if (has_one(start.path) || std::any_of(start.argv.begin(), start.argv.end(), has_one) ||
        std::any_of(start.environment.begin(), start.environment.end(), has_one)) {
        const std::string what = plan->what.substr(0, plan->what.find('\0'));
        return error(reason::misuse, what + ": a zero byte in one of its options");
    }
    return plan;
}

/// What is to be executed, by what `method` says. `inherited`: the limits, if it says nothing of
/// them.
template <class Method>
result<boot_plan> plan_of(const Method& method, const limits& inherited) {
    result<boot_plan> plan = without_zero_bytes(method.plan());
    if (plan && !method.limits) plan->bounds = inherited;
    return plan;
}

/// What the members that all methods have say about a plan.
template <class Method>
void apply_common(const Method& method, boot_plan& plan) {
    if (!method.name.empty()) {
        plan.name = method.name;
        plan.name_takes_id = false;
    }
    plan.timeout = to_ns(method.connect_timeout);
    if constexpr (requires { method.executable; }) plan.program_path = method.executable;
    if (method.limits) plan.bounds = *method.limits;
    if constexpr (requires { method.executor; }) plan.executor = method.executor;
    if constexpr (requires { method.may_detach; }) plan.may_detach = method.may_detach;
    if constexpr (requires { method.keep_program; }) plan.keep_program = method.keep_program;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
