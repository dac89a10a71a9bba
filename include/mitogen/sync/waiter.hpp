// SPDX-License-Identifier: BSL-1.0
#pragma once
// waiter.hpp: one thread's sleep until something happens, whether it sleeps on its own or inside
// the poller while it drives the loop.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/scope/cancel_scope.hpp>

#include <atomic>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Connects one sleeping thread with those that may wake it.
///
/// A thread that waits for an answer may drive the loop itself meanwhile (see
/// broker_engine::wait). Then it sleeps in the poller, not on its parker, and a wake-up has
/// to go through the poller's waker. Which of the two applies can change at any moment; notify()
/// finds out.
///
/// Threads: notify() any; the rest the one that waits. The object must outlive every notify(): keep
/// it in memory that is shared with the notifier, or notify under the lock that the waiting thread
/// takes before it leaves.
template <class Io>
class waiter final : public wakeable {
    Io& io_;
    typename Io::parker parker_;
    std::atomic<typename Io::waker*> driving_{nullptr};
    std::atomic<const void*> driver_{nullptr};
    std::atomic<unsigned> meeting_{0};

public:
    explicit waiter(Io& io) : io_(io), parker_(io) {}
    waiter(waiter&&) = delete;

    /// Wakes the thread, or lets its next sleep return at once. What it waits for must be visible
    /// before. Never blocks.
    void notify() noexcept override {
        // One of the two increments comes second and sees what happened before the first: either
        // the driver sees what was done before notify(), or we see that it drives.
        meeting_.fetch_add(1, std::memory_order_acq_rel);
        if (auto* poller_waker = driving_.load(std::memory_order_relaxed)) {
            if (driver_.load(std::memory_order_relaxed) != io_.self()) poller_waker->wake();
        } else {
            parker_.unpark();
        }
    }

    /// From now on this thread sleeps in the poller that `poller_waker` interrupts. Check the
    /// condition after this, before sleeping.
    void begin_driving(typename Io::waker& poller_waker) noexcept {
        driver_.store(io_.self(), std::memory_order_relaxed);
        driving_.store(&poller_waker, std::memory_order_relaxed);
        meeting_.fetch_add(1, std::memory_order_acq_rel);
    }

    /// From now on this thread sleeps in sleep_until() again.
    void end_driving() noexcept {
        driving_.store(nullptr, std::memory_order_relaxed);
        meeting_.fetch_add(1, std::memory_order_acq_rel);
    }

    /// Sleeps until notify() or the deadline. Returns false at the deadline; true may be spurious:
    /// check the condition again.
    bool sleep_until(instant deadline) {
        if (deadline == never) {
            parker_.park();
            return true;
        }
        return parker_.park_until(deadline);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
