// SPDX-License-Identifier: BSL-1.0
#pragma once
// leadership.hpp: which thread leads, that is, drives the loop and owns what is on it; and the gate
// that keeps the others asleep.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/timers.hpp>

#include <atomic>
#include <mutex>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The leadership of one loop. The broker's own thread (the I/O thread) takes it when the poller's
/// gate lets it through; any other thread closes the gate while it has the leadership. With pollers
/// that have no gate only the broker's thread ever leads. Threads: as marked.
template <class Io>
class basic_leadership {
    static constexpr bool gated = Io::poller::has_gate;

    Io& io_;
    typename Io::poller& poller_;
    typename Io::mutex mutex_;
    std::atomic<const void*> leader_{nullptr}; // written under mutex_
    // the leader has it for a wait that is still to come; its own
    bool reserved_ = false;
    // when the broker's thread will look at the timers by itself
    instant io_thread_wakes_ = never;

public:
    basic_leadership(Io& io, typename Io::poller& poller) : io_(io), poller_(poller), mutex_(io) {}

    /// True on the thread that leads at this moment. Threads: any.
    bool here() const noexcept { return leader_.load(std::memory_order_relaxed) == io_.self(); }

    /// True while some thread leads. Threads: any.
    bool taken() noexcept {
        const std::lock_guard lock(mutex_);
        return leader_.load(std::memory_order_relaxed) != nullptr;
    }

    /// Takes the leadership and closes the gate. False if somebody leads already, or there is no
    /// gate. Threads: any but the broker's.
    bool take() noexcept {
        if constexpr (!gated) {
            return false;
        } else {
            const std::lock_guard lock(mutex_);
            if (leader_.load(std::memory_order_relaxed)) return false;
            leader_.store(io_.self(), std::memory_order_relaxed);
            poller_.close_gate();
            return true;
        }
    }

    /// Gives back what take() took: the gate opens, and wakes the broker's thread if it would sleep
    /// too long for `kept`, or at once with `kick`. Threads: the one that leads.
    void release(const timers& kept, bool kick) noexcept {
        if constexpr (gated) {
            const std::lock_guard lock(mutex_);
            leader_.store(nullptr, std::memory_order_relaxed);
            poller_.open_gate();
            if (kick || kept.next() < io_thread_wakes_) poller_.kick_gate();
        }
    }

    /// True while the thread that leads has not begun the wait that it leads for. Threads: the one
    /// that leads.
    bool reserved() const noexcept { return reserved_; }
    /// Marks what take() took as meant for the wait that this thread makes next; see
    /// basic_broker::reserve_leadership.
    void set_reserved(bool reserved) noexcept { reserved_ = reserved; }
    /// True, once, for the thread that has the leadership reserved.
    bool claim_reserved() noexcept { return here() && std::exchange(reserved_, false); }

    /// How long the broker's thread may sleep at the gate: whoever leads keeps the time as well.
    /// Threads: the broker's.
    instant io_thread_sleeps_until(const timers& kept) noexcept {
        const std::lock_guard lock(mutex_);
        io_thread_wakes_ = leader_.load(std::memory_order_relaxed) ? never : kept.next();
        return io_thread_wakes_;
    }

    /// The broker's thread takes the leadership, and gives it back. False if another thread leads.
    /// Threads: the broker's.
    bool take_for_io_thread() noexcept {
        const std::lock_guard lock(mutex_);
        const void* leader = leader_.load(std::memory_order_relaxed);
        if (leader && leader != io_.self()) return false;
        leader_.store(io_.self(), std::memory_order_relaxed);
        return true;
    }
    void release_from_io_thread() noexcept {
        const std::lock_guard lock(mutex_);
        leader_.store(nullptr, std::memory_order_relaxed);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
