// SPDX-License-Identifier: BSL-1.0
#pragma once
// futex.hpp: sleeping on a word of memory, if the kernel offers it; empty elsewhere.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fault.hpp>

#if defined(__linux__)
#include <atomic>
#include <cerrno>
#include <cstdint>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {
#if defined(SYS_futex)
inline constexpr long futex_number = SYS_futex;
using futex_field = long; // two longs; monotonic seconds fit 32 bits for 68 years of uptime
#else
// the only one on 32-bit architectures younger than 2020
inline constexpr long futex_number = SYS_futex_time64;
using futex_field = std::int64_t;
#endif

inline long futex_wait_once(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                            instant deadline) {
    return checked_once("futex_wait", -1, [&] {
        using field = futex_field;
        struct {
            field seconds, nanoseconds;
        } t{};
        const bool limited = deadline != never;
        if (limited && deadline > 0) {
            t = {static_cast<field>(deadline / 1'000'000'000),
                 static_cast<field>(deadline % 1'000'000'000)};
        }
        return ::syscall(futex_number, &word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                         limited ? &t : nullptr, nullptr, FUTEX_BITSET_MATCH_ANY);
    });
}

} // namespace detail

/// Sleeps while `word` is `expected`, until futex_wake() or `deadline` (CLOCK_MONOTONIC; `never`:
/// no limit). 0 when woken, -EAGAIN when the word differs, -ETIMEDOUT, -EINTR; may also wake for no
/// reason. futex(2), private to the process.
inline long futex_wait(const std::atomic<std::uint32_t>& word, std::uint32_t expected,
                       instant deadline) {
    if constexpr (MITOGEN_TSAN == 0) {
        return detail::futex_wait_once(word, expected, deadline);
    } else {
        // ThreadSanitizer runs a signal's handler when the thread calls a function that it knows,
        // and syscall(2) is none: it is asked now and then.
        constexpr duration_ns patience = 50'000'000;
        const instant moment = monotonic_now() + patience;
        const long rc =
            detail::futex_wait_once(word, expected, deadline < moment ? deadline : moment);
        ::usleep(0);
        return rc == -ETIMEDOUT && moment < deadline ? -EINTR : rc;
    }
}

/// Wakes up to `count` threads that sleep on `word`; the number of those woken. Safe on memory that
/// has been freed meanwhile.
inline long futex_wake(const std::atomic<std::uint32_t>& word, int count) {
    return checked("futex_wake", -1, [&] {
        return ::syscall(detail::futex_number, &word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, count,
                         nullptr, nullptr, 0);
    });
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
#endif
