// SPDX-License-Identifier: BSL-1.0
#pragma once
// command_options.hpp: a child by any program that runs a command elsewhere.

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
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// A process by whatever runs a command given as arguments, with stdin and stdout that pass all
/// bytes unchanged: {"env", "-i"}, {"docker", "--context", "prod", "exec", "-i", "web"}. `sh -c`
/// and the first stage are appended.
struct command {
    std::vector<std::string> argv{}; ///< the program, searched for in PATH, and its arguments

    /// of the context; empty: "command.<program>"
    std::string name{};
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    /// the program to run there, by path here; empty: this one
    std::string executable{};
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()
    /// in a cache there: the next connection sends none
    bool keep_program = true;

    static constexpr std::string_view method_name = "command";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.argv, self.name, self.connect_timeout, self.executable, self.executor,
                        self.limits, self.may_detach, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::command().
using command_options = command;

} // namespace mitogen::inline MITOGEN_ABI
