// SPDX-License-Identifier: BSL-1.0
#pragma once
// broker.hpp: the loop. Watches descriptors, keeps time, and runs what other threads hand to it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/lead.hpp>
#include <mitogen/loop/timers.hpp>
#include <mitogen/loop/watch_table.hpp>
#include <mitogen/loop/work_queue.hpp>
#include <mitogen/sync/waiter.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// How a loop is driven.
struct broker_options {
    bool thread = true; ///< false: it has no thread of its own; a program's other loop drives it: see basic_broker::process
};

/// Runs the loop that every stream, timer and route of a program belongs to.
///
/// Exactly one thread at a time leads, that is, drives the loop and so owns everything on it. Normally that is the broker's own
/// thread, which sleeps at the poller's gate. A thread that has to wait for an answer anyway may lead instead (wait()): the
/// answer then reaches it without a hand-over between threads, which costs more than the rest of a call together. When it leaves,
/// the gate opens and the broker's thread takes over. With policies whose poller has no gate the broker's thread always leads.
///
/// Threads: as marked. "Loop": only the thread that leads. The destructor ends the loop and joins its thread.
template <class Io = io::native>
class basic_broker {
    static_assert(io::policy<Io>,
                  "mitogen: Io does not model mitogen::io::policy; see docs/policies.md for what a policy provides");

    [[no_unique_address]] Io io_;
    typename Io::poller poller_;
    typename Io::waker waker_;
    basic_watch_table<Io> watched_;
    timers timers_;
    timers slow_;                           // see set_slow_timer()
    std::atomic<instant> slow_next_{never}; // when the broker's thread looks at them
    std::atomic<bool> slow_due_{false};     // whoever leads shall look at them

    basic_work_queue<Io> work_;
    std::atomic<bool> wake_pending_{false}; // a wake-up is on its way: another one would be wasted

    basic_lead<Io> lead_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint32_t> waiting_{0}; // threads inside wait() that would lead
    const bool own_thread_;
    std::atomic<bool> finished_{false}; // where there is no thread: finish() has been called
    typename Io::mutex in_turn_mutex_;  // where there is no thread: of those who sleep until they may lead
    std::vector<waiter<Io>*> in_turn_;
    typename Io::thread thread_;

    static constexpr int batch = 64;
    io::event events_[batch]; // of the turn that is under way: kept, because zeroing them costs more than the rest of a turn
    static constexpr int most_rounds = 64; // of work, between two looks at the poller

    /// Something that one thread waits for once. Shared: the other may still be raising it when the first goes on.
    struct signal {
        waiter<Io> wake;
        std::atomic<bool> state{false};

        explicit signal(Io& io) : wake(io) {}
        bool raised() const noexcept { return state.load(std::memory_order_acquire); }
        void raise() noexcept {
            state.store(true, std::memory_order_release);
            wake.notify();
        }
        void sleep() {
            while (!raised()) wake.sleep_until(never);
        }
    };

    /// Raises a signal at the end of a scope, also when it ends by an exception: somebody sleeps until then.
    struct raise_at_end {
        signal& s;
        ~raise_at_end() { s.raise(); }
    };

public:
    using policy = Io;

    explicit basic_broker(Io io = {}) : basic_broker(broker_options{}, std::move(io)) {}
    explicit basic_broker(broker_options how, Io io = {})
        : io_(io), poller_(io_), waker_(io_), watched_(poller_), work_(io_), lead_(io_, poller_), own_thread_(how.thread),
          in_turn_mutex_(io_) {
        if (const long rc = poller_.add(waker_.fd(), 0, io::interest::read); rc < 0)
            raise(sys::failure("poller add", rc, waker_.fd()));
        if (own_thread_) {
            thread_ = typename Io::thread(io_, "mitogen-broker", [this] { home(); });
        } else if constexpr (io::has_outer_loop<Io>) {
            if (const long rc = poller_.open_alarm(); rc < 0) raise(sys::failure("timerfd", rc));
        } else {
            raise(error(reason::misuse, "a broker without a thread needs a poller with a descriptor and a gate: io::epoll"));
        }
    }

    basic_broker(basic_broker&&) = delete;

    ~basic_broker() {
        shutdown();
        join();
    }

    /// Ends the loop once everything that was accepted has run. From now on only the loop itself may add work, so that what it
    /// has begun can end. Threads: any. Never blocks.
    void shutdown() noexcept {
        stopping_.store(true);
        waker_.wake();
        if constexpr (Io::poller::has_gate) poller_.kick_gate();
    }

    /// Waits for the loop's thread to end. Threads: any but the loop.
    void join() {
        if (thread_.joinable()) thread_.join();
        if (!own_thread_ && stopping()) finish_once();
    }

    /// Of a broker without a thread: a descriptor that is readable when process() has something to do.
    int fd() const noexcept
        requires io::has_outer_loop<Io>
    {
        return poller_.fd();
    }

    /// Of a broker without a thread: does what there is to do on the loop, and does not wait. To be called when fd() is readable:
    /// by the loop that the program has anyway, which watches fd() as it watches others. Where a thread waits for something
    /// meanwhile, it drives the loop, and process() does nothing. Threads: any.
    void process()
        requires io::has_outer_loop<Io>
    {
        if (own_thread_ || on_loop() || stopping() || !lead_.take()) return;
        look_at_slow(false);
        turn(0);
        give_back();
    }

    /// True once shutdown() was called.
    bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

    Io& io() noexcept { return io_; }

    /// True on the thread that leads at this moment.
    bool on_loop() const noexcept { return lead_.here(); }

    /// Runs `work` on the loop, soon and in order. Returns false, without keeping it, once the loop is ending.
    /// Threads: any. Wake-ups coalesce: thousands of calls cost a few turns of the loop.
    bool defer(unique_function<void()> work) { return (!stopping() || on_loop()) && add(std::move(work)); }

    /// Runs `task` on the loop. Returns false once the loop is ending. Threads: any.
    bool post(loop_task& task) {
        if ((stopping() && !on_loop()) || !work_.post(task)) return false;
        wake();
        return true;
    }

    /// As defer() and post(), but also while the loop is ending: for those who wait until it is done, and so cannot add work
    /// without end. Threads: any.
    bool add(unique_function<void()> work) {
        if (!work_.add(std::move(work))) return false;
        wake();
        return true;
    }
    bool post_to_end(loop_task& task) {
        if (!work_.post(task)) return false;
        wake();
        return true;
    }

    /// Takes back a task that has not run. Threads: loop.
    void withdraw(loop_task& task) noexcept { work_.withdraw(task); }

    /// Interrupts whoever sleeps in the poller. Threads: any. Elided where the caller is on the loop, or a wake-up is on its way.
    void wake() noexcept {
        if (on_loop()) return;
        if (!wake_pending_.exchange(true, std::memory_order_acq_rel)) waker_.wake();
    }

    /// Begins to watch a descriptor. 0 or -errno. Threads: loop.
    long watch(event_source& source, io::interest what) { return watched_.add(source, what); }

    /// Changes what a watched descriptor is watched for. 0, or -errno with nothing changed. Threads: loop.
    long change(event_source& source, io::interest what) { return watched_.change(source, what); }

    /// Stops watching. Events of this descriptor that the current turn still holds are dropped. Threads: loop.
    void unwatch(event_source& source) noexcept { watched_.remove(source); }

    /// Sets a timer, or moves it. Threads: loop.
    void set_timer(timer& t, instant at) { timers_.set(t, at); }

    /// Afterwards the timer does not fire. Threads: loop.
    void cancel_timer(timer& t) noexcept { timers_.cancel(t); }

    /// Sets a timer for something that is seconds away, or moves it. No turn of the loop looks at the clock for it: the broker's
    /// thread, which sleeps anyway, does. Threads: loop.
    void set_slow_timer(timer& t, instant at) {
        slow_.set(t, at);
        plan_slow();
    }

    /// Afterwards the slow timer does not fire. Threads: loop.
    void cancel_slow_timer(timer& t) noexcept { slow_.cancel(t); }

    /// Sleeps until `ready()` holds or the deadline passes; returns what ready() says at the end. `ready` must become true
    /// through something that then notifies `wake`.
    ///
    /// With `lead`, this thread drives the loop while it waits, if nobody else does and it is the only one that waits so: with
    /// several callers the broker's thread serves all of them with fewer system calls. Threads: any but the loop, where it would
    /// wait for itself: callers check on_loop() first.
    template <class Ready>
    bool wait(waiter<Io>& wake, instant deadline, bool lead, Ready&& ready) {
        if (!own_thread_) [[unlikely]]
            return wait_in_turn(wake, deadline, ready);
        bool leads = lead_.claim_ahead();
        if (!leads && ready()) return true;
        const bool alone = waiting_.fetch_add(1, std::memory_order_relaxed) == 0;
        while (!ready()) {
            if (std::exchange(leads, false) || (lead && alone && !stopping() && lead_.take())) {
                wake.begin_driving(waker_);
                lead_until(deadline, ready);
                wake.end_driving();
                give_back();
                if (!ready() && !stopping()) break; // only the deadline ends lead_until otherwise
            } else if (!wake.sleep_until(deadline)) {
                break;
            }
        }
        waiting_.fetch_sub(1, std::memory_order_relaxed);
        if (leads) end_lead_ahead(); // it was ready before there was anything to wait for
        return ready();
    }

    /// Takes the lead for a wait() that this thread makes next, without blocking in between: before it sends something that
    /// others may answer at once. Otherwise the answer finds the gate open and wakes the broker's thread, for nothing. What
    /// happens in between happens on the loop. False, with nothing changed, where somebody leads or waits already. Threads: any
    /// but the loop.
    bool lead_ahead() noexcept {
        if (waiting_.load(std::memory_order_relaxed) != 0 || stopping() || !lead_.take()) return false;
        lead_.set_ahead(true);
        return true;
    }

    /// Gives back what lead_ahead() took, where no wait() follows after all. Threads: the one that leads.
    void end_lead_ahead() {
        lead_.set_ahead(false);
        run_work(); // nobody was woken for what this thread has posted
        give_back();
    }

    /// Runs `work` on the loop and returns when it has run: at once on the loop itself. False, without having run it, once the
    /// loop has ended. An exception of `work` is logged, as every callback's, and does not come back.
    template <class Work>
    bool run(Work&& work) {
        if (on_loop()) {
            guarded(work);
            return true;
        }
        const auto done = std::make_shared<signal>(io_);
        if (!add([this, &work, done] {
                guarded(work);
                done->raise();
            })) {
            return false;
        }
        wait(done->wake, never, true, [&] { return done->raised(); });
        return true;
    }

    /// Holds the loop still while `work` runs on this thread: for fork(), whose child must not find what the loop owns half
    /// changed. Threads: any. Blocks until the loop has finished what it is at.
    template <class Work>
    void paused(Work&& work) {
        if (on_loop()) return work();
        if (!own_thread_ && lead_.take()) {
            struct at_end {
                basic_broker& self;
                ~at_end() { self.give_back(); }
            } const end{*this};
            return work();
        }
        const auto stands = std::make_shared<signal>(io_);
        const auto go_on = std::make_shared<signal>(io_);
        const bool running = add([stands, go_on] {
            stands->raise();
            go_on->sleep();
        });
        const raise_at_end end{*go_on};
        if (running) stands->sleep();
        work();
    }

    /// In a child made by fork(): closes what the loop holds. Its thread does not exist here, and nothing else may be called.
    void abandon() noexcept {
        thread_.forget();
        std::destroy_at(&poller_); // this object is never destroyed here: fork children leave by _exit
        std::destroy_at(&waker_);
    }

private:
    template <class Ready>
    void lead_until(instant deadline, Ready&& ready) {
        run_work();
        while (!ready() && !stopping()) {
            if (deadline != never && io_.now() >= deadline) return;
            if (own_thread_) [[likely]] {
                turn(deadline);
            } else {
                look_at_slow(false);
                turn(std::min(deadline, slow_.next()));
            }
        }
    }

    /// Gives back the lead that take() gave.
    void give_back() {
        if constexpr (io::has_outer_loop<Io>) {
            if (!own_thread_) {
                poller_.set_alarm(std::min(timers_.next(), slow_.next()));
                lead_.release(timers_, false);
                const std::lock_guard lock(in_turn_mutex_);
                if (!in_turn_.empty()) in_turn_.front()->notify();
                return;
            }
        }
        lead_.release(timers_, stopping());
    }

    /// wait() where there is no thread at home: whoever waits leads, one after the other.
    template <class Ready>
    bool wait_in_turn(waiter<Io>& wake, instant deadline, Ready&& ready) {
        struct place {
            basic_broker& self;
            waiter<Io>& mine;
            place(basic_broker& b, waiter<Io>& w) : self(b), mine(w) {
                const std::lock_guard lock(self.in_turn_mutex_);
                self.in_turn_.push_back(&mine);
            }
            ~place() {
                const std::lock_guard lock(self.in_turn_mutex_);
                std::erase(self.in_turn_, &mine);
            }
        };
        bool leads = lead_.claim_ahead();
        while (!ready()) {
            if (std::exchange(leads, false) || (!stopping() && lead_.take())) {
                wake.begin_driving(waker_);
                lead_until(deadline, ready);
                wake.end_driving();
                give_back();
                if (!ready() && !stopping()) break; // only the deadline ends lead_until otherwise
                continue;
            }
            if (stopping() && finish_once()) continue;
            const place here(*this, wake);
            if (!stopping() && !lead_.taken()) continue; // it was given back before this thread stood in the queue
            if (!wake.sleep_until(deadline)) break;
        }
        if (leads) end_lead_ahead();
        return ready();
    }

    /// Where there is no thread: what it would do at last. False where somebody does or has done it.
    bool finish_once() {
        if (finished_.exchange(true)) return false;
        finish();
        return true;
    }

    /// The broker's own thread.
    void home() {
        while (!stopping()) {
            if constexpr (Io::poller::has_gate) {
                const instant until = std::min(lead_.home_sleeps_until(timers_), slow_next_.load(std::memory_order_acquire));
                poller_.wait_gate(until == never ? -1 : remaining(until));
                const bool leads = lead_.take_home();
                look_at_slow(!leads);
                if (!leads) continue;
                turn(0);
                lead_.leave_home();
            } else {
                (void)lead_.take_home();
                look_at_slow(false);
                turn(slow_.next());
            }
        }
        finish();
    }

    /// Where a slow timer is due: has it looked at in the turn that comes, or by whoever leads. On the broker's thread.
    void look_at_slow(bool led_elsewhere) {
        const instant due = slow_next_.load(std::memory_order_acquire);
        if (due == never || io_.now() < due) return;
        slow_next_.store(never, std::memory_order_release); // until run_slow() plans anew
        slow_due_.store(true, std::memory_order_release);
        if (led_elsewhere) waker_.wake();
    }

    /// Tells the broker's thread when the next slow timer is due.
    void plan_slow() noexcept {
        const instant next = slow_.next();
        const bool earlier = next < slow_next_.exchange(next, std::memory_order_acq_rel);
        if constexpr (Io::poller::has_gate) {
            if (earlier) poller_.kick_gate();
        }
    }

    /// After the events of a turn: what is on its way to a link must count before its silence does.
    void run_slow() {
        slow_due_.store(false, std::memory_order_relaxed);
        const instant now = io_.now();
        while (timer* due = slow_.take_due(now)) guarded([due] { due->fire(); });
        plan_slow();
    }

    /// After shutdown(): whoever leads leaves, what was accepted runs, and no more is accepted.
    void finish() {
        while (!lead_.take_home()) {
            waker_.wake(); // whoever leads sees stopping() and leaves
            if constexpr (Io::poller::has_gate) poller_.wait_gate(1'000'000);
        }
        int rounds = 0;
        do {
            run_work();
        } while (!work_.close(rounds++ == most_rounds)); // work that makes work may have no end
        while (work_.pending()) run_work();
        lead_.leave_home();
    }

    duration_ns remaining(instant until) const {
        const instant now = io_.now();
        return until > now ? until - now : 0;
    }

    /// One turn: sleeps for events until something happens, a timer is due or `until` passes; then handles all of it.
    void turn(instant until) {
        const instant next = timers_.next() < until ? timers_.next() : until;
        duration_ns timeout = -1;
        if (work_.pending()) {
            timeout = 0;
        } else if (next != never) {
            timeout = next == 0 ? 0 : remaining(next);
        }
        const int n = poller_.wait(events_, batch, timeout);
        for (int i = 0; i < n; ++i) dispatch(events_[i]);
        if (timers_.next() != never) {
            const instant now = io_.now();
            while (timer* due = timers_.take_due(now)) guarded([due] { due->fire(); });
        }
        if (slow_due_.load(std::memory_order_acquire)) [[unlikely]]
            run_slow();
        run_work();
    }

    void dispatch(const io::event& e) {
        if (e.token == 0) {
            waker_.drain();
            wake_pending_.exchange(false, std::memory_order_acq_rel); // an exchange: sees the work of whoever found it still true
            return;
        }
        if (event_source* source = watched_.find(e.token)) guarded([&] { source->ready(*source, e.readable, e.writable); });
    }

    /// Runs what was handed over. What it adds runs in the same go, as long as that is not without end: work that makes work must
    /// not keep the loop from its descriptors and timers.
    void run_work() {
        for (int round = 0; work_.pending(); ++round) {
            if (round == most_rounds) return waker_.wake(); // whoever leads next goes on at once
            work_.run_some([this](auto&& work) { this->guarded(work); });
        }
    }

    /// An exception in one callback must not hurt the others.
    template <class Work>
    void guarded(Work&& work) {
#if MITOGEN_HAS_EXCEPTIONS
        try {
            work();
        } catch (const std::exception& e) {
            log::write(log::level::error, std::string("exception on the loop: ") + e.what());
        } catch (...) {
            log::write(log::level::error, "exception on the loop, not a std::exception");
        }
#else
        work();
#endif
    }
};

/// The loop with this platform's best poller.
using broker = basic_broker<>;

} // namespace mitogen::inline MITOGEN_ABI
