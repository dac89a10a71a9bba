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
#include <mitogen/loop/timers.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// A descriptor that the loop watches. Lives inside whatever owns the descriptor; unwatch it before it dies.
struct event_source {
    void (*ready)(event_source& self, bool readable, bool writable) = nullptr; ///< called on the loop
    int fd = -1;
    std::uint32_t slot = 0; ///< maintained by the broker
    io::interest interest = io::interest::none;
    bool watched = false;
};

/// Work for the loop that is posted again and again: posting allocates nothing, and posting it twice before it ran runs it once.
struct loop_task {
    void (*run)(loop_task& self) = nullptr;
    loop_task* next = nullptr;
    bool posted = false;
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

    struct slot {
        event_source* source = nullptr;
        std::uint32_t generation = 0;
    };

    [[no_unique_address]] Io io_;
    typename Io::poller poller_;
    typename Io::waker waker_;
    std::vector<slot> slots_;
    std::vector<std::uint32_t> free_slots_;
    timers timers_;

    typename Io::mutex tasks_mutex_;
    loop_task* first_task_ = nullptr;
    loop_task* last_task_ = nullptr;
    std::vector<unique_function<void()>> deferred_;
    std::vector<unique_function<void()>> running_; // deferred_ of the turn that is under way
    bool refusing_ = false;                        // no more work is accepted
    std::atomic<bool> work_pending_{false};
    std::atomic<bool> wake_pending_{false}; // a wake-up is on its way: another one would be wasted

    typename Io::mutex lead_mutex_;
    std::atomic<const void*> leader_{nullptr}; // written under lead_mutex_
    bool ahead_ = false;                       // the leader has it since lead_ahead(); its own
    instant home_wakes_ = never;               // when the broker's thread will look at the timers by itself
    std::atomic<bool> stopping_{false};
    std::atomic<std::uint32_t> waiting_{0}; // threads inside wait() that would lead
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

    explicit basic_broker(Io io = {}) : io_(io), poller_(io_), waker_(io_), tasks_mutex_(io_), lead_mutex_(io_) {
        slots_.push_back({nullptr, 0}); // slot 0 is the waker
        if (const long rc = poller_.add(waker_.fd(), 0, io::interest::read); rc < 0)
            raise(sys::failure("poller add", rc, waker_.fd()));
        thread_ = typename Io::thread(io_, "mitogen-broker", [this] { home(); });
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
    }

    /// True once shutdown() was called.
    bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

    Io& io() noexcept { return io_; }

    /// True on the thread that leads at this moment.
    bool on_loop() const noexcept { return leader_.load(std::memory_order_relaxed) == io_.self(); }

    /// Runs `work` on the loop, soon and in order. Returns false, without keeping it, once the loop is ending.
    /// Threads: any. Wake-ups coalesce: thousands of calls cost a few turns of the loop.
    bool defer(unique_function<void()> work) { return (!stopping() || on_loop()) && add(std::move(work)); }

    /// Runs `task` on the loop. Returns false once the loop is ending. Threads: any.
    bool post(loop_task& task) {
        {
            const std::lock_guard lock(tasks_mutex_);
            if (refusing_ || (stopping() && !on_loop())) return false;
            if (task.posted) return true;
            task.posted = true;
            task.next = nullptr;
            (last_task_ ? last_task_->next : first_task_) = &task;
            last_task_ = &task;
            work_pending_.store(true, std::memory_order_release);
        }
        wake();
        return true;
    }

    /// Takes back a task that has not run. Threads: loop.
    void withdraw(loop_task& task) noexcept {
        const std::lock_guard lock(tasks_mutex_);
        if (!task.posted) return;
        loop_task* before = nullptr;
        for (loop_task* t = first_task_; t; before = t, t = t->next) {
            if (t != &task) continue;
            (before ? before->next : first_task_) = t->next;
            if (last_task_ == t) last_task_ = before;
            break;
        }
        task.posted = false;
    }

    /// Interrupts whoever sleeps in the poller. Threads: any. Elided where the caller is on the loop, or a wake-up is on its way.
    void wake() noexcept {
        if (on_loop()) return;
        if (!wake_pending_.exchange(true, std::memory_order_acq_rel)) waker_.wake();
    }

    /// Begins to watch a descriptor. 0 or -errno. Threads: loop.
    long watch(event_source& source, io::interest what) {
        std::uint32_t index;
        if (free_slots_.empty()) {
            index = static_cast<std::uint32_t>(slots_.size());
            slots_.push_back({});
        } else {
            index = free_slots_.back();
            free_slots_.pop_back();
        }
        source.slot = index;
        slots_[index].source = &source;
        if (const long rc = poller_.add(source.fd, token(index), what); rc < 0) {
            slots_[index].source = nullptr;
            free_slots_.push_back(index);
            return rc;
        }
        source.interest = what;
        source.watched = true;
        return 0;
    }

    /// Changes what a watched descriptor is watched for. Threads: loop.
    void change(event_source& source, io::interest what) {
        if (!source.watched || source.interest == what) return;
        source.interest = what;
        poller_.modify(source.fd, token(source.slot), what);
    }

    /// Stops watching. Events of this descriptor that the current turn still holds are dropped. Threads: loop.
    void unwatch(event_source& source) noexcept {
        if (!source.watched) return;
        source.watched = false;
        poller_.remove(source.fd);
        slot& s = slots_[source.slot];
        s.source = nullptr;
        ++s.generation;
        free_slots_.push_back(source.slot);
    }

    /// Sets a timer, or moves it. Threads: loop.
    void set_timer(timer& t, instant at) { timers_.set(t, at); }

    /// Afterwards the timer does not fire. Threads: loop.
    void cancel_timer(timer& t) noexcept { timers_.cancel(t); }

    /// Sleeps until `ready()` holds or the deadline passes; returns what ready() says at the end. `ready` must become true
    /// through something that then notifies `wake`.
    ///
    /// With `lead`, this thread drives the loop while it waits, if nobody else does and it is the only one that waits so: with
    /// several callers the broker's thread serves all of them with fewer system calls. Threads: any but the loop, where it would
    /// wait for itself: callers check on_loop() first.
    template <class Ready>
    bool wait(waiter<Io>& wake, instant deadline, bool lead, Ready&& ready) {
        bool leads = on_loop() && std::exchange(ahead_, false);
        if (!leads && ready()) return true;
        const bool alone = waiting_.fetch_add(1, std::memory_order_relaxed) == 0;
        while (!ready()) {
            if (std::exchange(leads, false) || (lead && alone && !stopping() && take_lead())) {
                wake.begin_driving(waker_);
                lead_until(deadline, ready);
                wake.end_driving();
                release_lead();
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
        if (waiting_.load(std::memory_order_relaxed) != 0 || stopping() || !take_lead()) return false;
        ahead_ = true;
        return true;
    }

    /// Gives back what lead_ahead() took, where no wait() follows after all. Threads: the one that leads.
    void end_lead_ahead() {
        ahead_ = false;
        run_work(); // nobody was woken for what this thread has posted
        release_lead();
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
    std::uint64_t token(std::uint32_t index) const noexcept {
        return static_cast<std::uint64_t>(slots_[index].generation) << 32 | index;
    }

    /// As defer(), but also while the loop is ending: for those who wait until it is done, and so cannot add work without end.
    bool add(unique_function<void()> work) {
        {
            const std::lock_guard lock(tasks_mutex_);
            if (refusing_) return false;
            deferred_.push_back(std::move(work));
            work_pending_.store(true, std::memory_order_release);
        }
        wake();
        return true;
    }

    bool take_lead() noexcept {
        if constexpr (!Io::poller::has_gate) {
            return false;
        } else {
            const std::lock_guard lock(lead_mutex_);
            if (leader_.load(std::memory_order_relaxed)) return false;
            leader_.store(io_.self(), std::memory_order_relaxed);
            poller_.close_gate();
            return true;
        }
    }

    void release_lead() noexcept {
        if constexpr (Io::poller::has_gate) {
            const std::lock_guard lock(lead_mutex_);
            leader_.store(nullptr, std::memory_order_relaxed);
            poller_.open_gate();
            if (timers_.next() < home_wakes_ || stopping()) poller_.kick_gate();
        }
    }

    template <class Ready>
    void lead_until(instant deadline, Ready&& ready) {
        run_work();
        while (!ready() && !stopping()) {
            if (deadline != never && io_.now() >= deadline) return;
            turn(deadline);
        }
    }

    /// The broker's own thread.
    void home() {
        while (!stopping()) {
            if constexpr (Io::poller::has_gate) {
                instant until;
                {
                    const std::lock_guard lock(lead_mutex_);
                    // While another thread leads it keeps the time as well.
                    home_wakes_ = until = leader_.load(std::memory_order_relaxed) ? never : timers_.next();
                }
                poller_.wait_gate(until == never ? -1 : remaining(until));
                {
                    const std::lock_guard lock(lead_mutex_);
                    if (leader_.load(std::memory_order_relaxed)) continue;
                    leader_.store(io_.self(), std::memory_order_relaxed);
                }
                turn(0);
                const std::lock_guard lock(lead_mutex_);
                leader_.store(nullptr, std::memory_order_relaxed);
            } else {
                leader_.store(io_.self(), std::memory_order_relaxed);
                turn(never);
            }
        }
        finish();
    }

    /// After shutdown(): whoever leads leaves, what was accepted runs, and no more is accepted.
    void finish() {
        while (!take_over()) {
            waker_.wake(); // whoever leads sees stopping() and leaves
            if constexpr (Io::poller::has_gate) poller_.wait_gate(1'000'000);
        }
        for (int rounds = 0; !refusing_; ++rounds) {
            run_work();
            const std::lock_guard lock(tasks_mutex_);
            refusing_ = (!first_task_ && deferred_.empty()) || rounds == most_rounds; // work that makes work may have no end
        }
        while (work_pending_.load(std::memory_order_acquire)) run_work();
        leader_.store(nullptr, std::memory_order_relaxed);
    }

    bool take_over() noexcept {
        const std::lock_guard lock(lead_mutex_);
        const void* leader = leader_.load(std::memory_order_relaxed);
        if (leader && leader != io_.self()) return false;
        leader_.store(io_.self(), std::memory_order_relaxed);
        return true;
    }

    duration_ns remaining(instant until) const {
        const instant now = io_.now();
        return until > now ? until - now : 0;
    }

    /// One turn: sleeps for events until something happens, a timer is due or `until` passes; then handles all of it.
    void turn(instant until) {
        const instant next = timers_.next() < until ? timers_.next() : until;
        duration_ns timeout = -1;
        if (work_pending_.load(std::memory_order_acquire)) {
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
        run_work();
    }

    void dispatch(const io::event& e) {
        if (e.token == 0) {
            waker_.drain();
            wake_pending_.exchange(false, std::memory_order_acq_rel); // an exchange: sees the work of whoever found it still true
            return;
        }
        const auto index = static_cast<std::uint32_t>(e.token);
        if (index >= slots_.size()) return;
        const slot& s = slots_[index];
        if (!s.source || s.generation != static_cast<std::uint32_t>(e.token >> 32)) return;
        guarded([&] { s.source->ready(*s.source, e.readable, e.writable); });
    }

    /// Tasks first in the order of posting, then deferred functions. What they add runs in the same go, as long as that is not
    /// without end: work that makes work must not keep the loop from its descriptors and timers.
    void run_work() {
        for (int round = 0; work_pending_.load(std::memory_order_acquire); ++round) {
            if (round == most_rounds) return waker_.wake(); // whoever leads next goes on at once
            loop_task* task;
            {
                const std::lock_guard lock(tasks_mutex_);
                // One at a time: a task that runs may post, withdraw or destroy the ones behind it.
                task = first_task_;
                if (task) {
                    first_task_ = task->next;
                    if (!first_task_) last_task_ = nullptr;
                    task->posted = false;
                } else {
                    running_.swap(deferred_);
                }
                work_pending_.store(first_task_ || !deferred_.empty(), std::memory_order_relaxed);
            }
            if (task) {
                guarded([task] { task->run(*task); });
                continue;
            }
            for (auto& work : running_) guarded([&] { work(); });
            running_.clear();
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
