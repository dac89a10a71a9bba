// SPDX-License-Identifier: BSL-1.0
#pragma once
// slow_timers.hpp: timers that no iteration of the loop looks at the clock for: the broker's
// thread, which sleeps anyway, does.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/timers.hpp>

#include <atomic>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Timers for what is seconds away. One thread, the broker's or, if there is none, whoever leads,
/// looks at the clock now and then; what is due then fires in the next turn, whoever makes that.
/// Threads: as marked.
template <class Io>
class basic_slow_timers {
    Io& io_;
    typename Io::poller& poller_;
    timers kept_;
    std::atomic<instant> look_at_{never}; // when somebody has to look
    std::atomic<bool> due_{false};        // whoever leads shall fire what is due

public:
    basic_slow_timers(Io& io, typename Io::poller& poller) : io_(io), poller_(poller) {}

    /// Sets a timer, or moves it. Threads: loop.
    void set(timer& t, instant at) {
        kept_.set(t, at);
        plan();
    }

    /// Afterwards the timer does not fire. Threads: loop.
    void cancel(timer& t) noexcept { kept_.cancel(t); }

    /// The earliest moment, or `never`. Threads: loop.
    instant next() const noexcept { return kept_.next(); }

    /// When the broker's thread has to look(). Threads: any.
    instant look_at() const noexcept { return look_at_.load(std::memory_order_acquire); }

    /// Looks at the clock. True if something has become due: the next turn fires it. Threads: the
    /// one that looks.
    bool look() noexcept {
        const instant next = look_at();
        if (next == never || io_.now() < next) return false;
        look_at_.store(never, std::memory_order_release); // until fire_due() plans anew
        due_.store(true, std::memory_order_release);
        return true;
    }

    /// True if look() has found something that has not been fired. Threads: loop.
    bool due() const noexcept { return due_.load(std::memory_order_acquire); }

    /// Fires what is due, each through `guarded(callable)`. Threads: loop.
    template <class Guarded>
    void fire_due(Guarded&& guarded) {
        due_.store(false, std::memory_order_relaxed);
        const instant now = io_.now();
        while (timer* t = kept_.take_due(now)) guarded([t] { t->fire(); });
        plan();
    }

private:
    /// Tells the broker's thread when to look.
    void plan() noexcept {
        const instant next = kept_.next();
        const bool earlier = next < look_at_.exchange(next, std::memory_order_acq_rel);
        if constexpr (Io::poller::has_gate) {
            if (earlier) poller_.kick_gate();
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
