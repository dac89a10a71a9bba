// SPDX-License-Identifier: BSL-1.0
#pragma once
// su_options.hpp: a child on this machine that runs as another user, through su.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/codec/secret.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// A process of another user of this machine, by su, through that user's login shell. Fits
/// implementations that read the password from stdin if that is no terminal, byte by byte, as those
/// with PAM do.
struct su {
    std::string username = "root";
    secret password{};          ///< of that user; empty: su must not ask for one
    std::string su_path = "su"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "su.<username>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello
    /// the program to run there, by path here; empty: this one
    std::string executable{};
    /// of functions there that have no run_on of their own
    on executor = on::main;
    /// for it and all below it; empty: this context's own
    std::optional<mitogen::limits> limits{};
    bool may_detach = false; ///< it may leave the tree and go on alone: router::detach()
    /// in a cache of that user: the next connection sends none
    bool keep_program = true;

    static constexpr std::string_view method_name = "su";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.username, self.password, self.su_path, self.name, self.connect_timeout,
                        self.executable, self.executor, self.limits, self.may_detach,
                        self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
    /// The command that is executed, first stage included.
    std::vector<std::string> arguments() const;
};

/// The options of router::su().
using su_options = su;

} // namespace mitogen::inline MITOGEN_ABI
