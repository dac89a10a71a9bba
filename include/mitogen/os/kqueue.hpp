// SPDX-License-Identifier: BSL-1.0
#pragma once
// kqueue.hpp: the kqueue system calls; empty if there is no kqueue. MITOGEN_USE_LIBKQUEUE takes
// them from libkqueue on Linux.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fault.hpp>

#if (!defined(__linux__) || defined(MITOGEN_USE_LIBKQUEUE)) && __has_include(<sys/event.h>)
#define MITOGEN_HAS_KQUEUE 1
#include <sys/event.h>
#elif defined(MITOGEN_USE_LIBKQUEUE)
#define MITOGEN_HAS_KQUEUE 1
#include <kqueue/sys/event.h>
#else
#define MITOGEN_HAS_KQUEUE 0
#endif

#if MITOGEN_HAS_KQUEUE
#include <cerrno>
#include <cstdint>

#include <sys/types.h>
#include <time.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// kqueue(2), close-on-exec. It is not inherited by fork(), except from libkqueue.
inline long kqueue_create() {
    const long fd = checked("kqueue_create", -1, [] { return ::kqueue(); });
    if (fd >= 0) static_cast<void>(set_cloexec(static_cast<int>(fd), true));
    return fd;
}

/// One change to a kqueue: `ident` is a descriptor or a process, by `filter` (EVFILT_…); `flags` is
/// EV_ADD or EV_DELETE. 0 or -errno.
inline long kqueue_change(int queue, std::intptr_t ident, int filter, unsigned flags,
                          unsigned details, std::intptr_t user_data) {
    return checked("kqueue_change", queue, [=] {
        struct ::kevent change {};
        change.ident = static_cast<decltype(change.ident)>(ident);
        change.filter = static_cast<decltype(change.filter)>(filter);
        change.flags = static_cast<decltype(change.flags)>(flags);
        change.fflags = static_cast<decltype(change.fflags)>(details);
        change.udata = reinterpret_cast<decltype(change.udata)>(user_data);
        return ::kevent(queue, &change, 1, nullptr, 0, nullptr);
    });
}

/// Waits for events: their number, 0 on timeout, -errno. `timeout` in ns, < 0: no limit.
/// A signal ends a wait that has a limit early, with 0: the caller knows its deadline.
inline long kqueue_wait(int queue, struct ::kevent* out, int capacity, duration_ns timeout) {
    // macOS refuses spans above some years: wake up every 11 days
    constexpr duration_ns longest = 1'000'000 * duration_ns{1'000'000'000};
#if defined(LIBKQUEUE)
    // it cuts to milliseconds: too early, and again and again
    if (timeout > 0) timeout = duration_ns{to_poll_ms(timeout)} * 1'000'000;
#endif
    for (;;) {
        const ::timespec span = to_timespec(timeout < longest ? timeout : longest);
        const long rc = checked_once("kqueue_wait", queue, [&] {
            return ::kevent(queue, nullptr, 0, out, capacity, timeout < 0 ? nullptr : &span);
        });
        if (rc != -EINTR) return rc;
        if (timeout > 0) return 0;
    }
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
#endif
