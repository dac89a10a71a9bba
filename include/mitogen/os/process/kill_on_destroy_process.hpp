// SPDX-License-Identifier: BSL-1.0
#pragma once
// kill_on_destroy_process.hpp: a child process as a value: watched without a signal handler, always
// reaped.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fault.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/kqueue.hpp>
#include <mitogen/os/process/detached_children.hpp>

#include <cerrno>
#include <optional>
#include <type_traits>
#include <utility>

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {
// A descriptor that becomes readable when `pid`, a child of ours, has ended; negative if the system
// has none.
inline long open_exit_watch(::pid_t pid) {
#if defined(__linux__) && defined(SYS_pidfd_open)
    // close-on-exec by itself
    unique_fd fd(static_cast<int>(
        checked("pidfd_open", -1, [=] { return ::syscall(SYS_pidfd_open, pid, 0); })));
    static_cast<void>(move_above_stdio(fd));
    return fd ? fd.release() : -ENOSYS;
#elif !defined(__linux__) && MITOGEN_HAS_KQUEUE
    unique_fd queue(static_cast<int>(kqueue_create())); // a kqueue can itself be polled
    const long rc =
        queue ? kqueue_change(queue.get(), pid, EVFILT_PROC, EV_ADD, NOTE_EXIT, 0) : -ENOSYS;
    return rc < 0 ? rc : queue.release();
#else
    static_cast<void>(pid);
    return -ENOSYS;
#endif
}
} // namespace detail

/// Owns one child process. While it is owned and not reaped its process id can't be reused, so that
/// signal() never hits a stranger.
///
/// The destructor kills (SIGKILL) and reaps a child that still runs: no zombie and no orphan is
/// left behind by any path. No SIGCHLD handler is installed. If the program ignores SIGCHLD (init()
/// undoes it if it was started so), or reaps children that are not its own, the status is lost: the
/// code is then -1. Threads: distinct objects: safe; shared objects: unsafe.
class kill_on_destroy_process {
    ::pid_t pid_ = -1;
    unique_fd watch_;
    std::optional<exit_status> status_;

    std::optional<exit_status> reap(int options) {
        if (status_ || pid_ < 0) return status_;
        int raw = 0;
        const long rc = checked("waitpid", -1, [&] { return ::waitpid(pid_, &raw, options); });
        if (rc == 0) return std::nullopt;
        if (rc > 0 && WIFEXITED(raw)) {
            status_ = exit_status{.code = WEXITSTATUS(raw), .signal = 0};
        } else if (rc > 0 && WIFSIGNALED(raw)) {
            status_ = exit_status{.code = 0, .signal = WTERMSIG(raw)};
        } else {
            status_ = exit_status{.code = -1, .signal = 0}; // ECHILD: somebody else has reaped it
        }
        watch_.reset();
        return status_;
    }

public:
    kill_on_destroy_process() = default;
    /// Takes ownership of a child of this process that nobody has waited for (fork). Never fails:
    /// poll_fd() may be -1.
    explicit kill_on_destroy_process(::pid_t pid) : pid_(pid) {
        if (pid_ >= 0) watch_.reset(static_cast<int>(detail::open_exit_watch(pid_)));
    }
    kill_on_destroy_process(kill_on_destroy_process&& other) noexcept
        : pid_(std::exchange(other.pid_, -1)), watch_(std::move(other.watch_)),
          status_(std::exchange(other.status_, std::nullopt)) {}
    kill_on_destroy_process& operator=(kill_on_destroy_process&& other) noexcept {
        if (this != &other) {
            stop();
            pid_ = std::exchange(other.pid_, -1);
            watch_ = std::move(other.watch_);
            status_ = std::exchange(other.status_, std::nullopt);
        }
        return *this;
    }
    ~kill_on_destroy_process() { stop(); }

    /// The process id, also after the end; -1 for an empty object.
    ::pid_t pid() const noexcept { return pid_; }

    /// A descriptor, owned by this object, that is readable once the process has ended: a pidfd on
    /// Linux, a kqueue on BSD and macOS. -1 if the system has neither or is out of descriptors, and
    /// after the process has been reaped: remove it from pollers before.
    int poll_fd() const noexcept { return watch_.get(); }

    /// True from the start until try_wait() or wait() has returned a status.
    bool running() const noexcept { return pid_ >= 0 && !status_; }

    /// How it ended, or nothing while it runs. Remembers: may be called again. Blocks: never.
    std::optional<exit_status> try_wait() { return reap(WNOHANG); }

    /// The same of the leader of a process group (spawn_options::new_process_group) that failed:
    /// when it has ended, what is left of its group is killed. Once the leader is reaped the
    /// number may be another group's.
    std::optional<exit_status> try_wait_group() {
        if (running()) {
            ::siginfo_t ended{};
            const long rc = checked("waitid", -1, [&] {
                return ::waitid(P_PID, static_cast<::id_t>(pid_), &ended,
                                WEXITED | WNOHANG | WNOWAIT);
            });
            if (rc == 0 && ended.si_pid == pid_) static_cast<void>(signal_group(SIGKILL));
        }
        return try_wait();
    }

    /// Waits for the end. Blocks: until then. An empty object has the code -1.
    exit_status wait() { return reap(0).value_or(exit_status{.code = -1, .signal = 0}); }

    /// Sends a signal. 0, also if the process is already reaped; else -errno.
    long signal(int number) {
        if (!running()) return 0;
        return checked("kill", -1, [&] {
#if defined(__linux__) && defined(SYS_pidfd_send_signal)
            // Exact even if somebody else has reaped it and its number is in use again.
            if (watch_)
                return static_cast<long>(
                    ::syscall(SYS_pidfd_send_signal, watch_.get(), number, nullptr, 0));
#endif
            return static_cast<long>(::kill(pid_, number));
        });
    }

    /// Sends a signal to its process group, of which it must be the leader
    /// (spawn_options::new_process_group).
    long signal_group(int number) {
        if (!running()) return 0;
        return checked("kill", -1, [&] { return ::kill(-pid_, number); });
    }

    /// Gives up ownership: the process is neither killed nor waited for. The object is empty
    /// afterwards.
    void forget() noexcept {
        pid_ = -1;
        watch_.reset();
        status_.reset();
    }

    /// Gives up ownership of a child that goes on alone: see detach_child. The object is empty
    /// afterwards.
    void leave() noexcept {
        if (running()) detach_child(pid_);
        forget();
    }

    /// Kills and reaps it if it still runs, which waits for the kernel to end it (microseconds).
    void stop() noexcept {
        if (!running()) return;
        static_cast<void>(signal(SIGKILL));
        static_cast<void>(wait());
    }
};

static_assert(!std::is_copy_constructible_v<kill_on_destroy_process> &&
              std::is_nothrow_move_assignable_v<kill_on_destroy_process>);

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
