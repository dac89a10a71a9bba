// SPDX-License-Identifier: BSL-1.0
#pragma once
// fork.hpp: fork(2), and what its child has to put right before anything else.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fault.hpp>
#include <mitogen/os/process/detached_children.hpp>
#include <mitogen/os/process/signal_watch.hpp>

#include <signal.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Forks. 0 in the child, which has its own process group, all signals unblocked, SIGPIPE at its
/// default and nobody who watches for SIGINT; the child's id in the parent.
inline result<int> fork_process() {
    reap_detached_children();
    const long rc = checked("fork", -1, [] { return ::fork(); });
    if (rc < 0) return failure("fork", rc);
    if (rc == 0) {
        static_cast<void>(::setpgid(0, 0));
        ::sigset_t none;
        ::sigemptyset(&none);
        static_cast<void>(::pthread_sigmask(SIG_SETMASK, &none, nullptr));
        static_cast<void>(::signal(SIGPIPE, SIG_DFL));
        all_watched_signals.forget();
    }
    return static_cast<int>(rc);
}

/// Ends this process at once: no destructors, no exit handlers.
[[noreturn]] inline void exit_now(int code) noexcept { ::_exit(code); }

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
