// SPDX-License-Identifier: BSL-1.0
#pragma once
// slurm_options.hpp: a child on a node of a Slurm cluster.

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

/// A process on a node of a Slurm cluster, as a job step of one task. Ends when its allocation
/// does.
struct slurm {
    /// further arguments of srun: {"--partition=debug", "--time=10"}
    std::vector<std::string> args{};
    std::string srun_path = "srun"; ///< the tool to run

    std::string name{};                                ///< of the context; empty: "slurm"
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

    static constexpr std::string_view method_name = "slurm";
    template <class Self>
    static constexpr auto fields(Self& self) {
        return std::tie(self.args, self.srun_path, self.name, self.connect_timeout, self.executable,
                        self.executor, self.limits, self.may_detach, self.keep_program);
    }

    /// What is to be executed.
    result<boot_plan> plan() const;
};

/// The options of router::slurm().
using slurm_options = slurm;

} // namespace mitogen::inline MITOGEN_ABI
