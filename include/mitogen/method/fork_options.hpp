// SPDX-License-Identifier: BSL-1.0
#pragma once
// fork_options.hpp: a child that is a copy of this process.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/function_entry.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

/// A copy of this process: its memory as it is now, one thread, the program's own descriptors, none
/// of the library's.
struct fork_options {
    std::string name{};                                ///< of the context; empty: "fork"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()
    /// called first in the child: re-seed generators, drop caches; not if another context forks
    void (*on_start)() = nullptr;

    static constexpr std::string_view method_name = "fork";
    static constexpr bool starts_directly = true;
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.name, self.connect_timeout, self.executor, self.limits,
                        self.may_detach);
    }
    result<void> why_not_sent() const {
        if (!on_start) return {};
        return error(
            reason::misuse,
            "fork: on_start is a function of this process; another context cannot be sent it");
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

} // namespace mitogen::inline MITOGEN_ABI
