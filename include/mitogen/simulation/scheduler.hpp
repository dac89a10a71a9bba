// SPDX-License-Identifier: BSL-1.0
#pragma once
// scheduler.hpp: threads of a simulated world: one runs at a time, and time moves only while all
// wait.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/fiber.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/thread_worker.hpp>
#include <mitogen/simulation/chooser.hpp>
#include <mitogen/simulation/trace.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Threads that live and stop together: those of one simulated process.
struct thread_group {
    std::string name;
    bool halted = false;     ///< none of its threads runs: stopped, killed or ended
    bool ended = false;      ///< and none ever will
    void* ambient = nullptr; ///< for whoever wants to switch more along with the threads
};

class scheduler;
struct thread;

/// A simulated thread that works for scopes.
class worker final : public detail::thread_worker {
    scheduler& threads_;

    struct own_sleep final : detail::wakeable {
        scheduler& threads;
        simulation::thread* self;
        bool woken = false;

        own_sleep(scheduler& all, simulation::thread* sleeper) noexcept
            : threads(all), self(sleeper) {}
        inline void notify() noexcept override;
    };

public:
    explicit worker(scheduler& threads) noexcept : threads_(threads) {}
    inline instant now() const noexcept override;
    inline void sleep_until(instant deadline) override;

    struct drop {
        void operator()(worker* w) const noexcept { w->release(); }
    };
};

/// One simulated thread.
struct thread {
    std::uint32_t number = 0;
    std::string name;
    std::shared_ptr<thread_group> group;
    std::unique_ptr<os::fiber> run;
    std::unique_ptr<worker, worker::drop> scopes;
    detail::scope_worker* working = nullptr; ///< what works on it, while another thread runs
    const char* waits_for = nullptr; ///< null while it could run
    instant deadline = never;
    std::uint64_t alarm = 0; ///< of the event that the deadline is
    bool timed_out = false;

    bool finished() const noexcept { return run->finished(); }
};

/// What the clock of every world shows when it starts: not 0, so that a moment before it can be
/// written.
inline constexpr instant start_of_time = 1'000'000'000;

/// Runs fibers, one at a time, in an order that a chooser decides at each synchronisation point.
///
/// Everything but the constructor and loop() is called from inside fibers (or from events).
/// Threads: one real thread.
class scheduler {
    static constexpr std::size_t stack_bytes = 256 * 1024;

    struct event {
        instant at;
        std::uint64_t number; // among those of one moment: first planned, first done
        std::shared_ptr<unique_function<void()>> call;
        thread* sleeper; // if `call` is null

        bool operator<(const event& other) const noexcept {
            return at != other.at ? at < other.at : number < other.number;
        }
    };

    chooser* choose_;
    trace& trace_;
    instant now_ = start_of_time;
    std::vector<thread*> runnable_; // oldest first
    std::vector<std::uint32_t> numbers_;
    std::set<event> events_;
    std::uint64_t next_event_ = 0;
    std::vector<std::unique_ptr<thread>> threads_;
    std::vector<std::unique_ptr<thread>> dead_; // somebody may still hold a pointer, to wake it
    std::uint32_t next_thread_ = 0;
    // of worlds before this one
    std::vector<os::fiber_stack> stacks_ = std::exchange(spare_stacks(), {});
    thread* current_ = nullptr;
    thread* next_ = nullptr; // chosen at the last point()
    std::exception_ptr failure_;
    std::size_t alive_ = 0;
    std::uint64_t limit_ = 0; // steps, after which loop() returns

    static std::vector<os::fiber_stack>& spare_stacks() noexcept {
        static thread_local std::vector<os::fiber_stack> spare;
        return spare;
    }

    void step(const thread& t, char what, std::uint64_t subject) {
        trace_.step(now_, t.number, what, subject);
        if (!trace_.verbose()) return;
        trace_.say(now_, t.group->name + ", " + t.name,
                   std::string(1, what) + ' ' + std::to_string(subject));
    }

    void remove_runnable(thread& t) noexcept { std::erase(runnable_, &t); }

    thread* pick(bool staying) {
        std::size_t chosen = 0;
        if (runnable_.size() > 1) {
            numbers_.clear();
            for (const thread* t : runnable_) numbers_.push_back(t->number);
            chosen = choose_->choose(numbers_.data(), numbers_.size(), staying);
        }
        return runnable_[chosen];
    }

    void forget_deadline(thread& t) noexcept {
        if (t.deadline == never) return;
        events_.erase(event{t.deadline, t.alarm, nullptr, nullptr});
        t.deadline = never;
    }

    void remove(std::unique_ptr<thread>& t) {
        remove_runnable(*t);
        forget_deadline(*t);
        --alive_;
        stacks_.push_back(t->run->take_stack());
        t->run.reset();
        dead_.push_back(std::move(t));
    }

    void end(thread& t) {
        const auto own = std::find_if(threads_.begin(), threads_.end(),
                                      [&](const auto& entry) { return entry.get() == &t; });
        remove(*own);
        threads_.erase(own);
    }

    void next_moment() {
        const instant at = events_.begin()->at;
        now_ = std::max(now_, at);
        while (!events_.empty() && events_.begin()->at == at) {
            const event e = *events_.begin();
            events_.erase(events_.begin());
            if (e.call) {
                (*e.call)();
            } else {
                e.sleeper->deadline = never;
                e.sleeper->timed_out = true;
                wake(*e.sleeper);
            }
        }
    }

public:
    /// Called on each switch, with the group whose thread runs next, or null.
    unique_function<void(thread_group*)> on_switch = [](thread_group*) {};

    scheduler(chooser& choose, trace& to) noexcept : choose_(&choose), trace_(to) {}
    scheduler(scheduler&&) = delete;
    ~scheduler() {
        if (spare_stacks().empty()) spare_stacks() = std::move(stacks_);
    }

    instant now() const noexcept { return now_; }
    thread* current() const noexcept { return current_; }
    /// Threads that have begun and not ended.
    std::size_t alive() const noexcept { return alive_; }
    const std::vector<std::unique_ptr<thread>>& threads() const noexcept { return threads_; }
    /// The first exception that left a thread.
    std::exception_ptr failure() const noexcept { return failure_; }
    simulation::trace& log() noexcept { return trace_; }

    /// A new thread, which runs when it is chosen.
    thread& start(std::shared_ptr<thread_group> group, std::string name,
                  unique_function<void()> body) {
        os::fiber_stack stack;
        if (stacks_.empty()) {
            stack = os::fiber_stack(stack_bytes);
        } else {
            stack = std::move(stacks_.back());
            stacks_.pop_back();
        }
        auto t = std::make_unique<thread>();
        t->scopes.reset(new worker(*this));
        t->working = t->scopes.get();
        thread& made = *t;
        made.number = next_thread_++;
        made.name = std::move(name);
        made.group = std::move(group);
        made.run =
            std::make_unique<os::fiber>(std::move(stack), [this, body = std::move(body)]() mutable {
                unique_function<void()> own = std::move(body);
#if MITOGEN_HAS_EXCEPTIONS
                try {
                    own();
                    own.reset();
                } catch (...) {
                    if (!failure_) failure_ = std::current_exception();
                }
#else
            own();
#endif
            });
        threads_.push_back(std::move(t));
        ++alive_;
        runnable_.push_back(&made);
        return made;
    }

    /// The current thread may be interrupted here. `what` and `subject` go into the trace.
    void point(char what, std::uint64_t subject = 0) {
        step(*current_, what, subject);
        if (!current_->group->halted && trace_.steps() < limit_) {
            if (runnable_.size() < 2) return;
            // The one that runs is the first of the choices.
            const auto own = std::find(runnable_.begin(), runnable_.end(), current_);
            std::rotate(runnable_.begin(), own, own + 1);
            next_ = pick(true);
            // and the last of the next ones
            std::rotate(runnable_.begin(), runnable_.begin() + 1, runnable_.end());
            if (next_ == current_) return;
        }
        current_->run->suspend();
    }

    /// Sleeps until wake() or the deadline. False if the deadline came first. `waits_for`: for
    /// reports.
    bool block(const char* waits_for, instant deadline = never) {
        thread& self = *current_;
        trace_.step(now_, self.number, 'b', static_cast<std::uint64_t>(deadline));
        if (trace_.verbose())
            trace_.say(now_, self.group->name + ", " + self.name,
                       std::string("waits for ") + waits_for);
        self.waits_for = waits_for;
        self.timed_out = false;
        remove_runnable(self);
        if (deadline != never) {
            self.deadline = std::max(deadline, now_);
            self.alarm = next_event_++;
            events_.insert(event{self.deadline, self.alarm, nullptr, &self});
        }
        self.run->suspend();
        return !self.timed_out;
    }

    /// Lets a thread that sleeps run again; nothing if it does not sleep.
    void wake(thread& t) {
        if (!t.waits_for || t.group->ended) return;
        t.waits_for = nullptr;
        forget_deadline(t);
        if (!t.group->halted) runnable_.push_back(&t);
    }

    /// Calls `what` at a moment, outside of all threads.
    void at(instant when, unique_function<void()> what) {
        auto call = std::make_shared<unique_function<void()>>(std::move(what));
        events_.insert(event{std::max(when, now_), next_event_++, std::move(call), nullptr});
    }

    /// The clock leaps forward; whoever had a deadline in between is late.
    void clock_jump(duration_ns span) noexcept { now_ = detail::after(now_, span); }

    /// None of a group's threads runs from now on. Called by one of them, it stops at its next
    /// point().
    void halt(thread_group& group) {
        group.halted = true;
        std::erase_if(runnable_, [&](const thread* t) { return t->group.get() == &group; });
    }

    /// They run again.
    void resume(thread_group& group) {
        if (!group.halted || group.ended) return;
        group.halted = false;
        for (const auto& t : threads_)
            if (t->group.get() == &group && !t->waits_for) runnable_.push_back(t.get());
    }

    /// Drops the threads of a group that has ended: their stacks are used again, and nothing on
    /// them is destroyed.
    void drop(thread_group& group) {
        group.ended = true;
        halt(group);
        std::erase_if(threads_, [&](std::unique_ptr<thread>& t) {
            if (t->group.get() != &group || t.get() == current_) return false;
            remove(t);
            return true;
        });
    }

    /// Runs until `done()`, or until nothing is left to happen (false), or at most so many steps
    /// more (false).
    template <class Done>
    bool loop(std::uint64_t most_steps, Done&& done) {
        limit_ = trace_.steps() + most_steps;
        while (!done()) {
            if (trace_.steps() >= limit_) return false;
            if (runnable_.empty()) {
                if (events_.empty()) return false;
                next_moment();
                continue;
            }
            thread* const chosen = std::exchange(next_, nullptr);
            current_ =
                chosen && std::find(runnable_.begin(), runnable_.end(), chosen) != runnable_.end()
                    ? chosen
                    : pick(false);
            step(*current_, 'r', 0);
            on_switch(current_->group.get());
            thread& ran = *current_;
            {
                const detail::with_worker here(ran.working);
                ran.run->resume();
                ran.working = detail::this_worker;
            }
            current_ = nullptr;
            if (ran.finished() || ran.group->ended) end(ran);
        }
        on_switch(nullptr);
        return true;
    }
};

inline instant worker::now() const noexcept { return threads_.now(); }

inline void worker::own_sleep::notify() noexcept {
    woken = true;
    threads.wake(*self);
}

inline void worker::sleep_until(instant deadline) {
    own_sleep self(threads_, threads_.current());
    this->begin_sleep(self);
    const instant then = threads_.now();
    while (!self.woken && !detail::scope_stack(this->innermost).any_cancelled(then) &&
           (deadline == never || threads_.now() < deadline))
        threads_.block("a sleep", deadline);
    this->end_sleep(self, [this] { threads_.point('y'); });
}

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
