// SPDX-License-Identifier: BSL-1.0
#pragma once
// method.hpp: what every connection method has in common.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/methods/any_method.hpp>
#include <mitogen/rpc/function_entry.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/failure.hpp>
#include <mitogen/sys/fd.hpp>
#include <mitogen/sys/file.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The program that a child shall run: this one's own file as it was at the start, which stays open anyway, or another.
MITOGEN_COLD
inline result<std::shared_ptr<sys::unique_fd>> open_program(const std::string& executable) {
    if (executable.empty()) {
        sys::unique_fd& own = sys::self_executable();
        if (!own) return error(reason::payload, "cannot open this program's own executable");
        return std::shared_ptr<sys::unique_fd>(std::shared_ptr<void>(), &own);
    }
    const long rc = sys::open_to_read(executable.c_str());
    if (rc < 0) {
        const error why = sys::failure("cannot open the executable " + executable, rc);
        return error(why.kind() == kind::overloaded ? reason::overloaded : reason::payload, std::string(why.message()));
    }
    return std::make_shared<sys::unique_fd>(static_cast<int>(rc));
}

/// What is to be executed, by what `method` says. `inherited`: the limits, where it says nothing of them.
template <class Method>
result<boot_plan> plan_of(const Method& method, const limits& inherited) {
    result<boot_plan> plan = method.plan();
    if (plan && !method.limits) plan->bounds = inherited;
    return plan;
}

/// What the members that all methods have say about a plan.
template <class Method>
void apply_common(const Method& method, boot_plan& plan) {
    if (!method.name.empty()) plan.name = method.name;
    plan.timeout = to_ns(method.connect_timeout);
    if constexpr (requires { method.executable; }) plan.program_path = method.executable;
    if (method.limits) plan.bounds = *method.limits;
    if constexpr (requires { method.executor; }) plan.executor = method.executor;
    if constexpr (requires { method.keep_program; }) plan.keep_program = method.keep_program;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
