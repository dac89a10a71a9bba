// SPDX-License-Identifier: BSL-1.0
#pragma once
// event.hpp: something that happens once, and that one thread may wait for.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Something that has not happened, and then has for ever.
///
/// Threads: wait() and sleep() one thread, the rest any. It must outlive every raise(), and another
/// thread may still be inside one when the thread that waits goes on: share it, or destroy it when
/// that thread has ended.
template <class Io>
class basic_event {
    waiter<Io> wake_;
    std::atomic<bool> raised_{false};

public:
    explicit basic_event(Io& io) : wake_(io) {}
    basic_event(basic_event&&) = delete;

    bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }

    /// It has happened. What it stands for must be visible before. Again: nothing changes. Never
    /// blocks.
    void raise() noexcept {
        raised_.store(true, std::memory_order_release);
        wake_.notify();
    }

    /// Waits until it is raised or the deadline passes, and may drive `loop` meanwhile: see
    /// basic_broker::wait. Returns raised(). Threads: not the loop's.
    template <class Loop>
    bool wait(Loop& loop, instant deadline = never) {
        return loop.wait(wake_, deadline, true, [this] { return raised(); });
    }

    /// Blocks until it is raised, and drives nothing meanwhile.
    void sleep() {
        while (!raised()) wake_.sleep_until(never);
    }

    /// Raises it at the end of a scope, also if that ends by an exception.
    struct at_end {
        basic_event& event;
        ~at_end() { event.raise(); }
    };
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
