// SPDX-License-Identifier: BSL-1.0
#pragma once
// broker_engine.hpp: the loop. Watches descriptors, keeps time, and runs what other threads hand to
// it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/loop/activity/waits.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/loop/event_loop.hpp>
#include <mitogen/loop/followers.hpp>
#include <mitogen/loop/leadership.hpp>
#include <mitogen/loop/work_guard.hpp>
#include <mitogen/loop/work_queue.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/thread_worker.hpp>
#include <mitogen/sync/event.hpp>
#include <mitogen/sync/waiter.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Runs the loop that every stream, timer and route of a program belongs to.
///
/// Exactly one thread at a time leads, that is, drives the loop and so owns everything on it.
/// Normally that is the broker's own thread, which sleeps at the poller's gate. A thread that has
/// to wait for an answer anyway may lead instead (wait()): the answer then reaches it without a
/// hand-over between threads, which costs more than the rest of a call together. When it leaves,
/// the gate opens and the broker's thread takes over. With policies whose poller has no gate the
/// broker's thread always leads.
///
/// Threads: as marked. "Loop": only the thread that leads. The destructor ends the loop and joins
/// its thread.
template <class Io>
class broker_engine : public basic_event_loop<Io> {
    using event_loop = basic_event_loop<Io>;
    using event = basic_event<Io>;
    using event_loop::guarded;
    using event_loop::io_;
    using event_loop::most_rounds;
    using event_loop::poller_;
    using event_loop::remaining;
    using event_loop::run_once;
    using event_loop::run_work;
    using event_loop::slow_;
    using event_loop::timers_;
    using event_loop::wake_pending_;
    using event_loop::waker_;
    using event_loop::watch_;
    using event_loop::work_;

    basic_leadership<Io> leadership_;
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint32_t> waiting_{0}; // threads inside wait() that would lead
    const bool own_thread_;
    std::atomic<bool> finished_{false}; // if there is no thread: finish() has been called
    // if there is no thread: those who wait until they may lead
    basic_followers<Io> followers_;
    basic_work_guards<Io> guards_;
    event stopped_; // stop() was called
    basic_waits<Io> waits_;
    typename Io::thread thread_;

    static constexpr duration_ns first_patience = 1'000'000;

public:
    using policy = Io;

    explicit broker_engine(Io io = {}) : broker_engine(broker_options{}, std::move(io)) {}
    explicit broker_engine(broker_options how, Io io = {})
        : event_loop(std::move(io)), leadership_(io_, poller_), own_thread_(how.thread),
          followers_(io_), guards_(io_), stopped_(io_), waits_(io_) {
        if (construction::failed()) return; // this is only good for being destroyed
        if (own_thread_) {
            thread_ = typename Io::thread(io_, "mitogen-broker", [this] { run_io_thread(); });
        } else if constexpr (io::has_outer_loop<Io>) {
            if (const long rc = poller_.open_alarm(); rc < 0)
                construction::fail(os::failure("timerfd", rc));
        } else {
            construction::fail(error(reason::misuse, "a broker without a thread needs a poller "
                                                     "with a descriptor and a gate: io::epoll"));
        }
    }

    broker_engine(broker_engine&&) = delete;

    ~broker_engine() {
        shutdown();
        join();
    }

    /// Ends the loop: closes the routers on it, all at once, and ends when everything that was
    /// accepted has run. From then on only the loop itself may add work, so that what it has begun
    /// can end. Threads: any. Never blocks.
    void shutdown() {
        if (guards_.end()) stop();
    }

    /// Waits until the loop has ended. Threads: any but the loop.
    void join() {
        if (thread_.joinable()) thread_.join();
        if (own_thread_ || !guards_.ending()) return;
        stopped_.sleep();
        finish_once();
    }

    /// From now on the loop does not end before `user` has left; until then `user` stays where it
    /// is. Threads: any.
    void enter(work_guard& user) { guards_.enter(user); }
    void leave(work_guard& user) {
        if (guards_.leave(user)) stop();
    }

    /// Of a broker without a thread: a descriptor that is readable when poll() has something to do.
    int fd() const noexcept
        requires io::has_outer_loop<Io>
    {
        return poller_.fd();
    }

    /// Of a broker without a thread: does what there is to do on the loop, and does not wait. To be
    /// called when fd() is readable: by the loop that the program has anyway, which watches fd() as
    /// it watches others. If a thread waits for something meanwhile, it drives the loop, and poll()
    /// does nothing. Threads: any.
    void poll()
        requires io::has_outer_loop<Io>
    {
        if (own_thread_ || on_loop() || stopping() || !leadership_.take()) return;
        const leads_loop leading(watch_.activity());
        (void)slow_.look();
        run_once(0);
        give_back();
    }

    /// True once it was to end, and nobody used it any more.
    bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

    /// True on the thread that leads at this moment.
    bool on_loop() const noexcept { return leadership_.here(); }

    /// The threads that wait beside it. Threads: any.
    basic_waits<Io>& waits() noexcept { return waits_; }

    /// Whose messages keep their order: those that this thread sends or, on the loop, those of the
    /// loop, whichever threads lead it one after the other. Threads: any.
    const void* lane() const noexcept {
        return on_loop() && !leadership_.reserved() ? static_cast<const void*>(this) : io_.self();
    }

    /// Runs `work` on the loop, soon and in order. Returns false, without keeping it, once the loop
    /// is ending. Threads: any. Wake-ups coalesce: thousands of calls cost a few iterations of the
    /// loop.
    bool defer(unique_function<void()> work) {
        return (!stopping() || on_loop()) && add(std::move(work));
    }

    /// Runs `task` on the loop. Returns false once the loop is ending. Threads: any.
    bool post(loop_task& task) {
        if ((stopping() && !on_loop()) || !work_.post(task)) return false;
        wake();
        return true;
    }

    /// As defer() and post(), but also while the loop is ending: for those who wait until it is
    /// done, and so cannot add work without end. Threads: any.
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

    /// Interrupts whoever sleeps in the poller. Threads: any. Elided if the caller is on the loop,
    /// or a wake-up is on its way.
    void wake() noexcept {
        if (on_loop()) return;
        if (!wake_pending_.exchange(true, std::memory_order_acq_rel)) waker_.wake();
    }

    /// As event_loop's. Nothing if this has no thread of its own: that who drives it is to have no
    /// second one, and sees itself what blocks.
    void warn_of_block(duration_ns after) noexcept {
        if (own_thread_) event_loop::warn_of_block(after);
    }

    /// Sleeps until `ready()` holds or the deadline passes; returns what ready() says at the end.
    /// `ready` must become true through something that then notifies `wake`.
    ///
    /// With `may_lead`, this thread drives the loop while it waits, if nobody else does and it is
    /// the only one that waits so: with several callers the broker's thread serves all of them with
    /// fewer system calls. Threads: any but the loop, if it would wait for itself: callers check
    /// on_loop() first.
    template <class Ready>
    bool wait(waiter<Io>& wake, instant deadline, bool may_lead, Ready&& ready) {
        if (!own_thread_) [[unlikely]]
            return wait_as_follower(wake, deadline, ready);
        bool leads = leadership_.claim_reserved();
        if (!leads && ready()) return true;
        may_lead = waiting_.fetch_add(1, std::memory_order_relaxed) == 0 && may_lead &&
                   Io::poller::has_gate;
        duration_ns patience = first_patience;
        while (!ready()) {
            if (std::exchange(leads, false) || (may_lead && !stopping() && leadership_.take())) {
                if (!drive(wake, deadline, ready)) break;
            } else if (!may_lead) {
                if (!wake.sleep_until(deadline)) break;
            } else { // the broker's thread is in an iteration: asks again whether it still is
                const instant again = io_.now() + patience;
                if (wake.sleep_until(std::min(deadline, again))) continue;
                if (deadline <= again) break;
                patience *= 2; // so it never is more than twice the time that has passed
            }
        }
        waiting_.fetch_sub(1, std::memory_order_relaxed);
        if (leads) release_reservation(); // it was ready before there was anything to wait for
        return ready();
    }

    /// As wait(), but also ends when a scope of the calling thread is cancelled or late: then
    /// why_interrupted() says so.
    template <class Ready>
    bool wait_in_scope(waiter<Io>& wake, instant deadline, bool may_lead, Ready&& ready) {
        return sleep_in_scopes(io_, wake, deadline, ready, [&](instant until, auto&& ended) {
            return wait(wake, until, may_lead, ended);
        });
    }

    /// Takes the leadership for a wait() that this thread makes next, without blocking in between:
    /// before it sends something that others may answer at once. Otherwise the answer finds the
    /// gate open and wakes the broker's thread, for nothing. What happens in between happens on the
    /// loop. False, with nothing changed, if somebody leads or waits already. Threads: any but the
    /// loop.
    bool reserve_leadership() noexcept {
        if (waiting_.load(std::memory_order_relaxed) != 0 || stopping() || !leadership_.take())
            return false;
        leadership_.set_reserved(true);
        return true;
    }

    /// Gives back what reserve_leadership() took, if no wait() follows after all. Threads: the one
    /// that leads.
    void release_reservation() {
        leadership_.set_reserved(false);
        run_work(); // nobody was woken for what this thread has posted
        give_back();
    }

    /// Reserves the leadership if it is `wanted`, and gives that back at the end of the scope
    /// unless it is kept for the wait().
    class reservation {
        broker_engine* leads_;

    public:
        reservation(broker_engine& loop, bool wanted) noexcept
            : leads_(wanted && loop.reserve_leadership() ? &loop : nullptr) {}
        reservation(reservation&&) = delete;
        ~reservation() {
            if (leads_) leads_->release_reservation();
        }
        void keep() noexcept { leads_ = nullptr; }
    };

    /// Runs `work` on the loop and returns when it has run: at once on the loop itself. False,
    /// without having run it, once the loop has ended. An exception of `work` is logged, as every
    /// callback's, and does not come back.
    template <class Work>
    bool run(Work&& work) {
        using callable = std::remove_reference_t<Work>;
        const auto call = [](const void* it) {
            (*static_cast<callable*>(const_cast<void*>(it)))();
        };
        return run_borrowed({call, std::addressof(work)});
    }

    /// Holds the loop still while `work` runs on this thread: for fork(), whose child must not find
    /// what the loop owns half changed. Threads: any. Blocks until the loop has finished what it is
    /// at.
    template <class Work>
    void paused(Work&& work) {
        if (on_loop()) return work();
        if (!own_thread_ && leadership_.take()) {
            struct at_end {
                broker_engine& self;
                ~at_end() { self.give_back(); }
            } const end{*this};
            return work();
        }
        const auto stands = std::make_shared<event>(io_);
        const auto go_on = std::make_shared<event>(io_);
        const bool running = add([stands, go_on] {
            stands->raise();
            go_on->sleep();
        });
        const typename event::at_end end{*go_on};
        if (running) stands->sleep();
        work();
    }

    /// In a child made by fork(): closes what the loop holds. Its thread does not exist here, and
    /// nothing else may be called.
    void abandon() noexcept {
        thread_.forget();
        watch_.forget();
        this->close_descriptors();
    }

private:
    /// A callable of the caller's.
    struct borrowed {
        void (*call)(const void*);
        const void* it;
        void operator()() const { call(it); }
    };

    /// run(), once for all types of work.
    MITOGEN_COLD bool run_borrowed(borrowed work) {
        if (on_loop()) {
            guarded(work);
            return true;
        }
        const auto done = std::make_shared<event>(io_);
        if (!add([this, work, done] {
                guarded(work);
                done->raise();
            })) {
            return false;
        }
        done->wait(*this);
        return true;
    }

    void stop() noexcept {
        stopping_.store(true);
        waker_.wake();
        if constexpr (Io::poller::has_gate) poller_.kick_gate();
        stopped_.raise();
    }

    /// Leads until it is ready, and gives the leadership back. False at the deadline.
    template <class Ready>
    bool drive(waiter<Io>& wake, instant deadline, Ready&& ready) {
        // what the loop runs belongs to no scope of this thread's
        const with_worker nobody(nullptr);
        const leads_loop leading(watch_.activity());
        wake.begin_driving(waker_);
        lead_until(deadline, ready);
        wake.end_driving();
        give_back();
        return ready() || stopping(); // only the deadline ends lead_until otherwise
    }

    template <class Ready>
    void lead_until(instant deadline, Ready&& ready) {
        run_work();
        while (!ready() && !stopping()) {
            if (deadline != never && io_.now() >= deadline) return;
            if (own_thread_) [[likely]] {
                run_once(deadline);
            } else {
                (void)slow_.look();
                run_once(std::min(deadline, slow_.next()));
            }
        }
    }

    /// Gives back the leadership that take() gave.
    void give_back() {
        if constexpr (io::has_outer_loop<Io>) {
            if (!own_thread_) {
                poller_.set_alarm(std::min(timers_.next(), slow_.next()));
                leadership_.release(timers_, false);
                followers_.promote_first();
                return;
            }
        }
        leadership_.release(timers_, stopping());
    }

    /// wait() if there is no I/O thread: whoever waits leads, one after the other.
    template <class Ready>
    bool wait_as_follower(waiter<Io>& wake, instant deadline, Ready&& ready) {
        bool leads = leadership_.claim_reserved();
        while (!ready()) {
            if (std::exchange(leads, false) || (!stopping() && leadership_.take())) {
                if (!drive(wake, deadline, ready)) break;
                continue;
            }
            if (stopping() && finish_once()) continue;
            const typename basic_followers<Io>::place here(followers_, wake);
            // it was given back before this thread stood in the queue
            if (!stopping() && !leadership_.taken()) continue;
            if (!wake.sleep_until(deadline)) break;
        }
        if (leads) release_reservation();
        return ready();
    }

    /// If there is no thread: what it would do at last. False if somebody does or has done it.
    bool finish_once() {
        if (finished_.exchange(true)) return false;
        finish();
        return true;
    }

    /// The broker's own thread.
    void run_io_thread() {
        const leads_loop leading(watch_.activity());
        while (!stopping()) {
            if constexpr (Io::poller::has_gate) {
                const instant until =
                    std::min(leadership_.io_thread_sleeps_until(timers_), slow_.look_at());
                poller_.wait_gate(until == never ? -1 : remaining(until));
                const bool leads = leadership_.take_for_io_thread();
                if (slow_.look() && !leads) waker_.wake();
                if (!leads) continue;
                run_once(0);
                leadership_.release_from_io_thread();
            } else {
                (void)leadership_.take_for_io_thread();
                (void)slow_.look();
                run_once(slow_.next());
            }
        }
        finish();
    }

    /// After stop(): whoever leads leaves, what was accepted runs, and no more is accepted.
    void finish() {
        const leads_loop leading(watch_.activity());
        while (!leadership_.take_for_io_thread()) {
            waker_.wake(); // whoever leads sees stopping() and leaves
            if constexpr (Io::poller::has_gate) poller_.wait_gate(1'000'000);
        }
        int rounds = 0;
        do {
            run_work();
        } while (!work_.close(rounds++ == most_rounds)); // work that makes work may have no end
        while (work_.pending()) run_work();
        leadership_.release_from_io_thread();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
