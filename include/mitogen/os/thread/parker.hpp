// SPDX-License-Identifier: BSL-1.0
#pragma once
// parker.hpp: how one thread sleeps until another has something for it, without a descriptor.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/thread/futex.hpp>

#include <cerrno>
#include <type_traits>

#if defined(__linux__)
#include <atomic>
#include <cstdint>
#else
#include <pthread.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace io {

#if defined(__linux__)

/// One token, given by unpark() and taken by park().
///
/// A system call is made only to sleep, and by unpark() only if somebody sleeps. What unpark()
/// published before is visible to the thread that takes the token. The object may be destroyed as
/// soon as the token has been taken. Threads: unpark() any; park(), park_until() one at a time.
class posix_parker {
    static constexpr std::uint32_t empty = 0;
    static constexpr std::uint32_t token = 1;
    static constexpr std::uint32_t asleep = 2;

    std::atomic<std::uint32_t> state_{empty};

public:
    template <class Io>
    explicit posix_parker(Io&) noexcept {}
    posix_parker(posix_parker&&) = delete;

    /// Takes the token; sleeps until it is there.
    void park() { static_cast<void>(park_until(never)); }

    /// As park(), until `deadline` at the latest: true if the token was taken. A deadline in the
    /// past takes a token that is there.
    bool park_until(instant deadline) {
        std::uint32_t seen = token;
        if (state_.compare_exchange_strong(seen, empty, std::memory_order_acquire)) return true;
        seen = empty;
        state_.compare_exchange_strong(seen, asleep, std::memory_order_relaxed);
        for (;;) {
            const long rc = os::futex_wait(state_, asleep, deadline);
            seen = token;
            if (state_.compare_exchange_strong(seen, empty, std::memory_order_acquire)) return true;
            // may have come in this instant
            if (rc == -ETIMEDOUT) return state_.exchange(empty, std::memory_order_acquire) == token;
        }
    }

    /// Puts the token there; wakes the thread that sleeps for it.
    void unpark() noexcept {
        // After the exchange the parker may already be gone: the wake-up needs its address only,
        // and a stranger at that address would wake for no reason, which every user of a futex
        // expects.
        if (state_.exchange(token, std::memory_order_release) == asleep)
            static_cast<void>(os::futex_wake(state_, 1));
    }
};

#else

/// One token, given by unpark() and taken by park(): the same as on Linux, with a condition
/// variable in the place of the futex.
class posix_parker {
    ::pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;
    ::pthread_cond_t changed_;
    bool token_ = false;

public:
    template <class Io>
    explicit posix_parker(Io&) noexcept {
#if defined(__APPLE__)
        static_cast<void>(::pthread_cond_init(&changed_, nullptr));
#else
        ::pthread_condattr_t monotonic;
        ::pthread_condattr_init(&monotonic);
        ::pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
        static_cast<void>(::pthread_cond_init(&changed_, &monotonic));
        ::pthread_condattr_destroy(&monotonic);
#endif
    }
    posix_parker(posix_parker&&) = delete;
    ~posix_parker() {
        ::pthread_mutex_lock(&mutex_); // unpark() may still be inside
        ::pthread_mutex_unlock(&mutex_);
        ::pthread_cond_destroy(&changed_);
        ::pthread_mutex_destroy(&mutex_);
    }

    /// Takes the token; sleeps until it is there.
    void park() { static_cast<void>(park_until(never)); }

    /// As park(), until `deadline` at the latest: true if the token was taken.
    bool park_until(instant deadline) {
        ::pthread_mutex_lock(&mutex_);
        int rc = 0;
        while (!token_ && rc != ETIMEDOUT) {
            if (deadline == never) {
                rc = ::pthread_cond_wait(&changed_, &mutex_);
            } else {
#if defined(__APPLE__) && defined(__MACH__) && __has_include(<mach/mach.h>)
                // macOS can't choose the clock
                const ::timespec span = os::to_timespec(deadline - os::monotonic_now());
                rc = ::pthread_cond_timedwait_relative_np(&changed_, &mutex_, &span);
#else
                const ::timespec until = os::to_timespec(deadline);
                rc = ::pthread_cond_timedwait(&changed_, &mutex_, &until);
#endif
            }
        }
        const bool taken = token_;
        token_ = false;
        ::pthread_mutex_unlock(&mutex_);
        return taken;
    }

    /// Puts the token there; wakes the thread that sleeps for it.
    void unpark() noexcept {
        ::pthread_mutex_lock(&mutex_);
        token_ = true;
        // under the mutex: the sleeper may destroy this object as soon as it has the token
        ::pthread_cond_signal(&changed_);
        ::pthread_mutex_unlock(&mutex_);
    }
};

#endif

static_assert(!std::is_move_constructible_v<posix_parker>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
