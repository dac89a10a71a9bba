// SPDX-License-Identifier: BSL-1.0
#pragma once
// local_options.hpp: a child on this machine, by executing this program again.

#include <mitogen/base/config.hpp>
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

/// A new process on this machine that executes this program from the file it was started from,
/// although that may have been replaced since.
struct local {
    std::string name{};                                ///< of the context; empty: "local.<id>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello
    /// another program to run, by path; it must call mitogen::init as well
    std::string executable{};
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()

    static constexpr std::string_view method_name = "local";
    static constexpr bool starts_directly = true;
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.name, self.connect_timeout, self.executable, self.executor,
                        self.limits, self.may_detach);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::local().
using local_options = local;

} // namespace mitogen::inline MITOGEN_ABI
