// SPDX-License-Identifier: BSL-1.0
#pragma once
// lxd_options.hpp: a child in an instance of LXD.

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

/// A process in an instance of LXD that runs: a container, or a virtual machine with its agent.
struct lxd {
    std::string container{};      ///< its name, or "remote:name"
    std::string lxc_path = "lxc"; ///< LXD's client; it is called lxc

    std::string name{};                                ///< of the context; empty: "lxd.<container>"
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

    static constexpr std::string_view method_name = "lxd";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.lxc_path, self.name, self.connect_timeout,
                        self.executable, self.executor, self.limits, self.may_detach,
                        self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::lxd().
using lxd_options = lxd;

} // namespace mitogen::inline MITOGEN_ABI
