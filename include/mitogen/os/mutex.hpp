// SPDX-License-Identifier: BSL-1.0
#pragma once
// mutex.hpp: the mutex of the native policies, and of all that has no policy in its type.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/thread/futex.hpp>

#if defined(__linux__) && !MITOGEN_TSAN
#include <atomic>
#include <cstdint>
#else
#include <pthread.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace io {

#if defined(__linux__) && !MITOGEN_TSAN

/// A mutex; not recursive. No system call while nobody competes for it, and a few instructions in
/// the place of a call: the lock that nobody competes for was a fifth of what a remote call
/// executes.
///
/// Source: U. Drepper, "Futexes Are Tricky" (2011), mutex 3. Threads: any.
class posix_mutex {
    static constexpr std::uint32_t unlocked = 0;
    static constexpr std::uint32_t locked = 1;
    static constexpr std::uint32_t awaited = 2; // locked, and somebody may sleep

    std::atomic<std::uint32_t> state_{unlocked};

    MITOGEN_COLD void sleep() noexcept {
        while (state_.exchange(awaited, std::memory_order_acquire) != unlocked)
            static_cast<void>(os::futex_wait(state_, awaited, never));
    }
    // Static: another thread may have destroyed the mutex by now, and the kernel needs its address
    // only.
    MITOGEN_COLD static void wake(const std::atomic<std::uint32_t>& state) noexcept {
        static_cast<void>(os::futex_wake(state, 1));
    }

public:
    posix_mutex() noexcept = default;
    template <class Io>
    explicit posix_mutex(Io&) noexcept {}
    posix_mutex(posix_mutex&&) = delete;

    /// Acquires it; sleeps while another thread holds it.
    void lock() noexcept {
        if (!try_lock()) [[unlikely]]
            sleep();
    }
    /// Releases it.
    void unlock() noexcept {
        if (state_.exchange(unlocked, std::memory_order_release) == awaited) [[unlikely]]
            wake(state_);
    }
    /// In a copy of the process made by fork(), where a thread that is not there may hold it:
    /// nobody does.
    void renew() noexcept { state_.store(unlocked); }
    /// Acquires it if that needs no waiting.
    bool try_lock() noexcept {
        std::uint32_t seen = unlocked;
        return state_.compare_exchange_strong(seen, locked, std::memory_order_acquire,
                                              std::memory_order_relaxed);
    }
};

#else

/// A mutex; not recursive. No system call while nobody competes for it. Also under ThreadSanitizer,
/// which knows what this one is. Threads: any.
class posix_mutex {
    ::pthread_mutex_t mutex_ = PTHREAD_MUTEX_INITIALIZER;

public:
    posix_mutex() noexcept = default;
    template <class Io>
    explicit posix_mutex(Io&) noexcept {}
    posix_mutex(posix_mutex&&) = delete;
    ~posix_mutex() { static_cast<void>(::pthread_mutex_destroy(&mutex_)); }

    /// Acquires it; sleeps while another thread holds it.
    void lock() noexcept { static_cast<void>(::pthread_mutex_lock(&mutex_)); }
    /// Releases it.
    void unlock() noexcept { static_cast<void>(::pthread_mutex_unlock(&mutex_)); }
    /// In a copy of the process made by fork(), where a thread that is not there may hold it:
    /// nobody does.
    void renew() noexcept { mutex_ = PTHREAD_MUTEX_INITIALIZER; }
    /// Acquires it if that needs no waiting.
    bool try_lock() noexcept { return ::pthread_mutex_trylock(&mutex_) == 0; }
};

#endif

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
