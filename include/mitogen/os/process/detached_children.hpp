// SPDX-License-Identifier: BSL-1.0
#pragma once
// detached_children.hpp: children that outlive whoever would wait for them, and are no zombies for
// longer than need be.

#include <mitogen/base/config.hpp>
#include <mitogen/os/fault.hpp>

#include <atomic>
#include <new>

#include <sys/types.h>
#include <sys/wait.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

struct detached_child {
    ::pid_t pid;
    detached_child* next;
};

// Of this program. A stack without a lock: fork() may copy it at any moment.
inline constinit std::atomic<detached_child*> all_detached_children{nullptr};

inline void push_detached_child(detached_child* one) noexcept {
    one->next = all_detached_children.load(std::memory_order_relaxed);
    while (!all_detached_children.compare_exchange_weak(one->next, one, std::memory_order_release,
                                                        std::memory_order_relaxed)) {}
}

} // namespace detail

/// From now on nobody waits for `pid`, a child of this process; reap_detached_children() does once
/// it has ended. Threads: any.
inline void detach_child(::pid_t pid) noexcept {
    if (auto* one = new (std::nothrow) detail::detached_child{pid, nullptr})
        detail::push_detached_child(one);
}

/// Reaps those that have ended. Called by whatever starts a process. Threads: any.   Blocks: never.
inline void reap_detached_children() noexcept {
    detail::detached_child* one =
        detail::all_detached_children.exchange(nullptr, std::memory_order_acquire);
    while (one) {
        detail::detached_child* next = one->next;
        int status = 0;
        if (checked("waitpid", -1, [&] { return ::waitpid(one->pid, &status, WNOHANG); }) == 0) {
            detail::push_detached_child(one);
        } else {
            delete one; // reaped; or no child of this process, which is somebody else's copy
        }
        one = next;
    }
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
