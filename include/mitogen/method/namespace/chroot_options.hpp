// SPDX-License-Identifier: BSL-1.0
#pragma once
// chroot_options.hpp: a child on this machine with another root directory.

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

/// A process on this machine for which another directory is the root. There must be a POSIX sh in
/// it, and what the first stage uses: uname, mkdir, chmod, head, wc, rm. Takes root, or what else
/// chroot(8) asks for. (Not called chroot, which is a function of POSIX.)
struct chroot_options {
    std::string root{}; ///< the directory
    /// "user" or "user:group" as known in there; empty: this one. Not every chroot has it
    std::string username{};
    std::string chroot_path = "chroot"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "chroot.<root>"
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

    static constexpr std::string_view method_name = "chroot";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.root, self.username, self.chroot_path, self.name, self.connect_timeout,
                        self.executable, self.executor, self.limits, self.may_detach,
                        self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

} // namespace mitogen::inline MITOGEN_ABI
