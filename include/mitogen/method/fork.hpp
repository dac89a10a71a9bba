// SPDX-License-Identifier: BSL-1.0
#pragma once
// fork.hpp: a child that is a copy of this process.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/child/child_pipes.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/method/fork_options.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/os/process/fork.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Plans what the options say.
struct planned_fork : fork_options {
    explicit planned_fork(const fork_options& options) : fork_options(options) {}

    /// What is to be done.
    result<boot_plan> plan() const {
        boot_plan p;
        p.what = "fork child";
        p.name = "fork";
        p.name_takes_id = true;
        p.forks = true;
        p.on_start = on_start;
        detail::apply_common(*this, p);
        return p;
    }
};

} // namespace detail

MITOGEN_INLINE result<boot_plan> fork_options::plan() const {
    return detail::planned_fork(*this).plan();
}

namespace detail {

/// Runs a child whose link is ready; defined with the rest of what a child does.
template <class Io>
int serve_as_child(Io io, child_ends<Io> ends, typename Io::descriptor stdout_end = {});
template <class Io>
    requires io::can_fork<Io>
[[noreturn]] void enter_fork_child(Io io, child_pipes<Io>& pipes, void (*on_start)());

/// Forks. Returns the child's process id in the parent; never returns in the child. `abandon`
/// closes what the child must not have. Nothing waits here for another thread, and no stream's
/// lock: the loop stands still meanwhile.
template <class Io, class Abandon>
    requires io::can_fork<Io> result<int> fork_child(Io& io, child_pipes<Io>& pipes,
                                                     void (*on_start)(), Abandon&& abandon) {
        const result<int> pid = os::fork_process();
        if (!pid || *pid != 0) return pid;
        abandon();
        enter_fork_child<Io>(io, pipes, on_start);
    }

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
