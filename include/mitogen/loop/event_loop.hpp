// SPDX-License-Identifier: BSL-1.0
#pragma once
// event_loop.hpp: what an iteration of the loop does: events of watched descriptors, timers that
// are due, work that was handed over.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/loop/activity/loop_watch.hpp>
#include <mitogen/loop/slow_timers.hpp>
#include <mitogen/loop/timers.hpp>
#include <mitogen/loop/watch_table.hpp>
#include <mitogen/loop/work_queue.hpp>
#include <mitogen/os/failure.hpp>

#include <atomic>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

#if MITOGEN_HAS_EXCEPTIONS
namespace detail {

/// Inside a handler: logs what was thrown.
MITOGEN_COLD inline void log_exception_on_loop() {
    try {
        throw;
    } catch (const std::exception& e) {
        log::write(log::level::error, std::string("exception on the loop: ") + e.what());
    } catch (...) {
        log::write(log::level::error, "exception on the loop, not a std::exception");
    }
}

} // namespace detail
#endif

namespace detail {

/// The same without a real thread, which could look: nothing.
class no_loop_watch {
public:
    void next_step() noexcept {}
    void set_in_turn(bool) noexcept {}
    void set_limit(duration_ns) noexcept {}
    bool blocked() const noexcept { return false; }
    loop_activity* activity() noexcept { return nullptr; }
    void forget() noexcept {}
};
template <class Io>
using loop_watch_of = std::conditional_t<std::is_same_v<typename Io::thread, io::posix_thread>,
                                         loop_watch, no_loop_watch>;

/// A base of basic_broker, which says who runs it. Threads: the one that leads.
template <class Io>
class basic_event_loop {
    static_assert(io::policy<Io>, "mitogen: Io does not model mitogen::io::policy; see "
                                  "docs/policies.md for what a policy provides");

protected:
    [[no_unique_address]] Io io_;
    typename Io::poller poller_;
    typename Io::waker waker_;
    basic_watch_table<Io> watched_;
    timers timers_;
    basic_slow_timers<Io> slow_;
    basic_work_queue<Io> work_;
    std::atomic<bool> wake_pending_{false}; // a wake-up is on its way: another one would be wasted
    loop_watch_of<Io> watch_;

private:
    static constexpr int batch = 64;
    // of the iteration that is under way: kept, because zeroing them costs more than the rest of an
    // iteration
    io::event events_[batch];

protected:
    static constexpr int most_rounds = 64; // of work, between two looks at the poller

    explicit basic_event_loop(Io&& io)
        : io_(std::move(io)), poller_(io_), waker_(io_), watched_(poller_), slow_(io_, poller_),
          work_(io_) {
        if (const long rc = poller_.add(waker_.fd(), 0, io::interest::read); rc < 0)
            construction::fail(os::failure("poller add", rc, waker_.fd()));
    }
    basic_event_loop(basic_event_loop&&) = delete;
    ~basic_event_loop() = default;

    /// In a child made by fork(): closes what this holds. It is never destroyed there: fork
    /// children leave by _exit.
    void close_descriptors() noexcept {
        std::destroy_at(&poller_);
        std::destroy_at(&waker_);
    }

public:
    Io& io() noexcept { return io_; }

    /// Begins to watch a descriptor. 0 or -errno. Threads: loop.
    long watch(event_source& source, io::interest what) { return watched_.add(source, what); }

    /// Changes what a watched descriptor is watched for. 0, or -errno with nothing changed.
    /// Threads: loop.
    long change(event_source& source, io::interest what) { return watched_.change(source, what); }

    /// Stops watching. Events of this descriptor that the current iteration still holds are
    /// dropped. Threads: loop.
    void unwatch(event_source& source) noexcept { watched_.remove(source); }

    /// Sets a timer, or moves it. Threads: loop.
    void set_timer(timer& t, instant at) { timers_.set(t, at); }

    /// Afterwards the timer does not fire. Threads: loop.
    void cancel_timer(timer& t) noexcept { timers_.cancel(t); }

    /// Sets a timer for something that is seconds away, or moves it. No iteration of the loop looks
    /// at the clock for it: the broker's thread, which sleeps anyway, does. Threads: loop.
    void set_slow_timer(timer& t, instant at) { slow_.set(t, at); }

    /// Afterwards the slow timer does not fire. Threads: loop.
    void cancel_slow_timer(timer& t) noexcept { slow_.cancel(t); }

    /// Has the log say what has run on the loop for so long without a break: see
    /// warnings::blocked_loop. Threads: any.
    void warn_of_block(duration_ns after) noexcept { watch_.set_limit(after); }
    /// True while something blocks the loop that the log was told of. Threads: any.
    bool blocked() const noexcept { return watch_.blocked(); }

protected:
    duration_ns remaining(instant until) const {
        const instant now = io_.now();
        return until > now ? until - now : 0;
    }

    /// One iteration: sleeps for events until something happens, a timer is due or `until` passes;
    /// then handles all of it.
    void run_once(instant until) {
        const instant next = timers_.next() < until ? timers_.next() : until;
        duration_ns timeout = -1;
        if (work_.pending()) {
            timeout = 0;
        } else if (next != never) {
            timeout = next == 0 ? 0 : remaining(next);
        }
        const int n = poller_.wait(events_, batch, timeout);
        watch_.set_in_turn(true);
        for (int i = 0; i < n; ++i) dispatch(events_[i]);
        if (timers_.next() != never) {
            const instant now = io_.now();
            while (timer* due = timers_.take_due(now)) guarded([due] { due->fire(); });
        }
        // after the events: what is on its way to a link must count before its silence does
        if (slow_.due()) [[unlikely]]
            slow_.fire_due([this](auto&& fire) { this->guarded(fire); });
        run_work();
        watch_.set_in_turn(false);
    }

    /// Runs what was handed over. What it adds runs in the same go, as long as that is not without
    /// end: work that makes work must not keep the loop from its descriptors and timers.
    void run_work() {
        if (work_.pending()) run_pending();
    }

    /// An exception in one callback must not hurt the others.
    template <class Work>
    void guarded(Work&& work) {
        watch_.next_step();
#if MITOGEN_HAS_EXCEPTIONS
        try {
            work();
        } catch (...) {
            log_exception_on_loop();
        }
#else
        work();
#endif
    }

private:
    void run_pending() {
        for (int round = 0; work_.pending(); ++round) {
            if (round == most_rounds) return waker_.wake(); // whoever leads next goes on at once
            work_.run_some([this](auto&& work) { this->guarded(work); });
        }
    }

    void dispatch(const io::event& e) {
        if (e.token == 0) {
            waker_.drain();
            // an exchange: sees the work of whoever found it still true
            wake_pending_.exchange(false, std::memory_order_acq_rel);
            return;
        }
        if (event_source* source = watched_.find(e.token))
            guarded([&] { source->ready(*source, e.readable, e.writable); });
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
