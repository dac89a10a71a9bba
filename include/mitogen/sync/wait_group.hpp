// SPDX-License-Identifier: BSL-1.0
#pragma once
// wait_group.hpp: counts what is under way, and lets one thread wait until nothing is.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>
#include <cstddef>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A counter that one thread can wait for to be 0.
///
/// Whoever waits first makes sure that no more is added: for instance by a flag that it sets, and
/// that others read behind their add(). One of the two then sees what the other did.
///
/// Threads: wait() one thread; the rest any. done() is called on the loop, or by a thread that has
/// ended or returned to the owner when the group is destroyed.
template <class Io>
class basic_wait_group {
    std::atomic<std::size_t> count_{0};
    waiter<Io> wake_;

public:
    explicit basic_wait_group(Io& io) : wake_(io) {}
    basic_wait_group(basic_wait_group&&) = delete;

    /// One more is under way.
    void add() noexcept { count_.fetch_add(1); }

    /// One that was added is over. Wakes the thread that waits if it was the last. Never blocks.
    void done() noexcept {
        if (count_.fetch_sub(1) == 1) wake_.notify();
    }

    /// True if nothing is under way.
    bool empty() const noexcept { return count_.load() == 0; }

    /// Waits until nothing is under way or the deadline passes, and may drive `loop` meanwhile: see
    /// basic_broker::wait. True if nothing is: then the loop has also left the callback whose
    /// done() was the last. Threads: not the loop's.
    template <class Loop>
    bool wait(Loop& loop, instant deadline = never) {
        if (!loop.wait(wake_, deadline, true, [this] { return empty(); })) return false;
        loop.run([] {});
        return true;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
