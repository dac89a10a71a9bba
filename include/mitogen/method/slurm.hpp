// SPDX-License-Identifier: BSL-1.0
#pragma once
// slurm.hpp: a child on a node of a Slurm cluster.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/exec_style.hpp>
#include <mitogen/method/slurm_options.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_slurm : slurm {
    explicit planned_slurm(const slurm& options) : slurm(options) {}

    /// What is to be executed.
    result<boot_plan> plan() const {
        detail::exec_style tool(method_name, srun_path, "srun_path");
        auto p = tool.add({"--unbuffered", "--ntasks=1"})
                     .add(args)
                     .add_stage(connect_timeout)
                     .plan(*this, {});
        if (p) p->clears_up = true; // a job that waits in the queue stays there when srun is killed
        return p;
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> slurm::plan() const { return detail::planned_slurm(*this).plan(); }

} // namespace mitogen::inline MITOGEN_ABI
