// SPDX-License-Identifier: BSL-1.0
#pragma once
// sudo_options.hpp: a child on this machine that runs as another user, through sudo.

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

/// A process of another user of this machine, by sudo. It has a terminal of its own, so that
/// `requiretty` is no obstacle.
struct sudo {
    std::string username = "root";
    /// of the user who calls; empty: sudo must not ask for one
    secret password{};
    std::string sudo_path = "sudo";       ///< the tool to run
    bool preserve_env = false;            ///< -E
    bool set_home = false;                ///< -H
    bool login = false;                   ///< -i: through that user's login shell
    std::string selinux_role{};           ///< -r
    std::string selinux_type{};           ///< -t
    std::vector<std::string> sudo_args{}; ///< further options

    std::string name{};                                ///< of the context; empty: "sudo.<username>"
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

    static constexpr std::string_view method_name = "sudo";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.username, self.password, self.sudo_path, self.preserve_env,
                        self.set_home, self.login, self.selinux_role, self.selinux_type,
                        self.sudo_args, self.name, self.connect_timeout, self.executable,
                        self.executor, self.limits, self.may_detach, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
    /// The command that is executed, first stage included.
    std::vector<std::string> arguments() const;
};

/// The options of router::sudo().
using sudo_options = sudo;

} // namespace mitogen::inline MITOGEN_ABI
