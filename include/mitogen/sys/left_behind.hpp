// SPDX-License-Identifier: BSL-1.0
#pragma once
// left_behind.hpp: children that outlive whoever would wait for them, and are no zombies for longer than need be.

#include <mitogen/base/config.hpp>
#include <mitogen/sys/fault.hpp>

#include <atomic>
#include <new>

#include <sys/types.h>
#include <sys/wait.h>

namespace mitogen::inline MITOGEN_ABI {
namespace sys {

namespace detail {

struct left_behind {
    ::pid_t pid;
    left_behind* next;
};

// Of this program. A stack without a lock: fork() may copy it at any moment.
inline constinit std::atomic<left_behind*> all_left_behind{nullptr};

inline void push_left_behind(left_behind* one) noexcept {
    one->next = all_left_behind.load(std::memory_order_relaxed);
    while (!all_left_behind.compare_exchange_weak(one->next, one, std::memory_order_release, std::memory_order_relaxed)) {}
}

} // namespace detail

/// From now on nobody waits for `pid`, a child of this process; reap_left_behind() does once it has ended. Threads: any.
inline void leave_behind(::pid_t pid) noexcept {
    if (auto* one = new (std::nothrow) detail::left_behind{pid, nullptr}) detail::push_left_behind(one);
}

/// Reaps those that have ended. Called by whatever starts a process. Threads: any.   Blocks: never.
inline void reap_left_behind() noexcept {
    detail::left_behind* one = detail::all_left_behind.exchange(nullptr, std::memory_order_acquire);
    while (one) {
        detail::left_behind* next = one->next;
        int status = 0;
        if (checked("waitpid", -1, [&] { return ::waitpid(one->pid, &status, WNOHANG); }) == 0) {
            detail::push_left_behind(one);
        } else {
            delete one; // reaped; or no child of this process, which is somebody else's copy
        }
        one = next;
    }
}

} // namespace sys
} // namespace mitogen::inline MITOGEN_ABI
