// SPDX-License-Identifier: BSL-1.0
#pragma once
// jail.hpp: a child in a FreeBSD jail.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/methods/any_method.hpp>
#include <mitogen/rpc/function_entry.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

/// A process in a FreeBSD jail that runs.
struct jail {
    std::string container{};                    ///< name or number of the jail
    std::string username{};                     ///< as the jail knows it; empty: root
    std::string jexec_path = "/usr/sbin/jexec"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "jail.<container>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< from start to hello, transfer included
    std::string executable{};                          ///< the program to run there, by path here; empty: this one
    on executor = on::main;                            ///< of functions there that do not say where they run: see run_on
    std::optional<mitogen::limits> limits{};           ///< for it and all below it; empty: this context's own
    bool keep_program = true;                          ///< in a cache there: the next connection sends none

    static constexpr std::string_view method_name = "jail";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.container, self.username, self.jexec_path, self.name, self.connect_timeout,
                        self.executable, self.executor, self.limits, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::jail().
using jail_options = jail;

} // namespace mitogen::inline MITOGEN_ABI
