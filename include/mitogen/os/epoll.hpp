// SPDX-License-Identifier: BSL-1.0
#pragma once
// epoll.hpp: the epoll system calls; empty if there is no epoll.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fault.hpp>

#if defined(__linux__)
#include <atomic>
#include <cerrno>
#include <cstdint>

#include <sys/epoll.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// epoll_create1(2), close-on-exec.
inline long epoll_create() {
    return checked("epoll_create", -1, [] { return ::epoll_create1(EPOLL_CLOEXEC); });
}

/// epoll_ctl(2): `operation` is EPOLL_CTL_ADD, MOD or DEL.
inline long epoll_ctl(int epoll, int operation, int fd, std::uint32_t events, std::uint64_t token) {
    return checked("epoll_ctl", fd, [=] {
        ::epoll_event e{};
        e.events = events;
        e.data.u64 = token;
        return ::epoll_ctl(epoll, operation, fd, &e);
    });
}

/// timerfd_create(2) on the monotonic clock, close-on-exec, non-blocking.
inline long timerfd() {
    return checked("timerfd_create", -1,
                   [] { return ::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK); });
}

/// timerfd_settime(2): readable from that moment on until it is set again; `never`: not at all.
inline long timerfd_set(int fd, instant at) {
    return checked("timerfd_settime", fd, [=] {
        ::itimerspec when{};
        if (at != never) when.it_value = to_timespec(at > 0 ? at : 1); // 0 would stop it
        return ::timerfd_settime(fd, TFD_TIMER_ABSTIME, &when, nullptr);
    });
}

namespace detail {
// False once the kernel has said that it has no epoll_pwait2: asked once per process, and only if
// somebody needs it. EPERM is how container runtimes older than the call refuse it.
inline constinit std::atomic<bool> epoll_pwait2_exists{true};

#if defined(SYS_epoll_pwait2)
inline long epoll_pwait2(int epoll, ::epoll_event* out, int capacity, duration_ns timeout) {
    return checked_once("epoll_pwait2", epoll, [=] {
        const ::timespec t = to_timespec(timeout);
        struct {
            // what the kernel reads on every architecture, whatever time_t is
            std::int64_t seconds, nanoseconds;
        } const span{t.tv_sec, t.tv_nsec};
        return ::syscall(SYS_epoll_pwait2, epoll, out, capacity, &span, nullptr, std::size_t{0});
    });
}
#else
inline long epoll_pwait2(int, ::epoll_event*, int, duration_ns) { return -ENOSYS; }
#endif
} // namespace detail

/// Waits for events: their number, 0 on timeout, -errno. `timeout` < 0: no limit. One system call.
/// Timeouts below 10 ms are exact if the kernel has epoll_pwait2 (5.11); others are rounded up to
/// milliseconds, because the finer call costs 0.1 µs more even if it does not sleep. A signal ends
/// a wait that has a limit early, with 0: the caller knows its deadline.
inline long epoll_wait(int epoll, ::epoll_event* out, int capacity, duration_ns timeout) {
    const bool fine = timeout > 0 && timeout < 10'000'000 && timeout % 1'000'000 != 0;
    for (;;) {
        long rc = -ENOSYS;
        if (fine && detail::epoll_pwait2_exists.load(std::memory_order_relaxed)) {
            rc = detail::epoll_pwait2(epoll, out, capacity, timeout);
            if (rc == -ENOSYS || rc == -EPERM) {
                detail::epoll_pwait2_exists.store(false, std::memory_order_relaxed);
                rc = -ENOSYS;
            }
        }
        if (rc == -ENOSYS) {
            rc = checked_once("epoll_wait", epoll, [=] {
                return ::epoll_wait(epoll, out, capacity, to_poll_ms(timeout));
            });
        }
        if (rc != -EINTR) return rc;
        if (timeout > 0) return 0;
    }
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
#endif
