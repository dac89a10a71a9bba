// SPDX-License-Identifier: BSL-1.0
#pragma once
// init_proxy.hpp: a process that stays in another one's place: passes on its signals, ends as it
// does, and takes it along.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fault.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/process/signal.hpp>

#include <cerrno>
#include <optional>

#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

#if defined(__linux__)

namespace detail {

// What somebody may send to a process that is meant for what it stands for.
inline ::sigset_t passed_signals() noexcept {
    ::sigset_t set;
    ::sigemptyset(&set);
    for (const int s :
         {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH, SIGCHLD})
        ::sigaddset(&set, s);
    return set;
}

// Ends as that one did; without a core file, which it may have left itself.
[[noreturn]] inline void end_like(int status) {
    if (WIFSIGNALED(status)) {
        const int number = WTERMSIG(status);
        static_cast<void>(::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
        raise_default(number);
        ::_exit(128 + number);
    }
    ::_exit(WEXITSTATUS(status));
}

[[noreturn]] inline void stand_in_for(::pid_t pid, const ::sigset_t& passed) {
    // whoever waits for their end waits for that one's
    for (int fd = 0; fd < 3; ++fd) static_cast<void>(::close(fd));
    for (;;) {
        int status = 0;
        const ::pid_t ended = ::waitpid(pid, &status, WNOHANG);
        if (ended == pid) end_like(status);
        if (ended < 0 && errno != EINTR) ::_exit(1);
        const int number = ::sigwaitinfo(&passed, nullptr);
        if (number > 0 && number != SIGCHLD) static_cast<void>(::kill(pid, number));
    }
}

} // namespace detail

/// If the rest of this program runs in a process of its own: keeps it from outliving the one that
/// stays.
class init_proxy {
    unique_fd other_side_; // closed when the one that stays is gone

public:
    /// Forks; returns 0 in the child alone, or -errno in the only process. The other one, which
    /// must have no other threads, stays: signals to it go to the child, it ends with the child's
    /// exit status or by the same signal, and when it is killed, the child is too. It closes its
    /// descriptors 0, 1 and 2.
    long step_behind() {
        unique_fd theirs;
        long rc = pipe(other_side_, theirs);
        if (rc < 0) return rc;
        const ::sigset_t passed = detail::passed_signals();
        ::sigset_t before;
        static_cast<void>(::sigprocmask(SIG_BLOCK, &passed, &before));
        rc = checked("fork", -1, [] { return ::fork(); });
        if (rc > 0) {
            other_side_.reset();
            detail::stand_in_for(static_cast<::pid_t>(rc), passed);
        }
        static_cast<void>(::sigprocmask(SIG_SETMASK, &before, nullptr));
        return rc;
    }

    /// In the child, last before it executes something: the system forgets it when the user
    /// changes. False if the other one is gone already.
    bool tie() {
        if (!other_side_) return true; // nobody stays
        if (checked("prctl", -1, [] { return ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0); }) < 0)
            return false;
        ::pollfd gone{other_side_.get(), 0, 0};
        return ::poll(&gone, 1, 0) == 0;
    }
};

#endif

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
