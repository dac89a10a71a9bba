// SPDX-License-Identifier: BSL-1.0
#pragma once
// task_scope.hpp: where a task runs: on which loop, and until when; and what it waits for there.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/loop/loop_task.hpp>
#include <mitogen/loop/timer.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/scope/cancel_scope.hpp>

#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

class task_wait;

/// One task that was started, with all that it awaits: they wait for one thing at a time. Lives
/// until the outermost coroutine has ended, and says so by ended(). Threads: as marked; "loop" is
/// the one that it runs on.
class task_scope : public scope_worker {
    friend class task_wait;

    task_wait* waiting_ = nullptr; // the wait that is under way
    std::optional<error> cancelled_{};
    std::optional<error> by_scope_{}; // what cancelled() has said of a scope
    std::shared_ptr<task_scope*> self_{}; // for those who interrupt it: null once it has ended
    bool running_ = false;
    bool finished_ = false;
    bool elsewhere_ = false; // something foreign may resume it, or has: nobody looks at next_
    const void* const subject_;      // the function_entry that it began as; null: none
    std::coroutine_handle<> next_{}; // what resume() goes on with
    loop_task* later_ = nullptr; // if no loop runs it
    struct last_step : loop_task {
        task_scope* scope = nullptr;
    } last_{};

public:
    explicit task_scope(const void* subject = nullptr) : subject_(subject) {
        last_.scope = this;
        last_.run = [](loop_task& t) { static_cast<last_step&>(t).scope->ended(); };
    }
    task_scope(task_scope&&) = delete;

    /// Why everything that the task waits for from now on ends; null while it is not cancelled.
    /// Loop.
    const error* cancelled() {
        const scope_stack scopes(innermost);
        // shields end by themselves; that a call is late its caller tells
        const scope_verdict v = scopes.look(scopes.is_timed() ? now() : 0, 0);
        if (v.ended) {
            by_scope_.emplace(scope_error(v));
            return &*by_scope_;
        }
        return cancelled_ && v.shielded_until == 0 ? &*cancelled_ : nullptr;
    }

    /// Ends the wait that is under way, and every later one, with `why`. Only the first counts.
    /// Loop.
    void cancel(const error& why);

    /// A scope of the task has been cancelled, or a shield is over: it looks again whether its wait
    /// ends. Loop.
    void look_again();

    /// Goes on with the coroutine, and with those that it awaits or that await it, one after the
    /// other. Loop.
    void resume(std::coroutine_handle<> at) {
        running_ = true;
        elsewhere_ = false;
        {
            const with_worker here(this);
            const at_work busy(task_work, subject_);
            do {
                at.resume();
                at = std::exchange(next_, nullptr);
            } while (at);
        }
        running_ = false;
        if (finished_) return ended();
        if (loop_task* next = std::exchange(later_, nullptr)) next->run(*next);
    }

    /// What await_suspend() of a coroutine returns that goes on with `next`: nothing, as resume()
    /// does it. Not `next` itself: compilers that do not optimise make no tail call of that, and
    /// the stack would grow with every task that another one awaits. Any.
    std::coroutine_handle<> go_on(std::coroutine_handle<> next) noexcept {
        if (elsewhere_) return next;
        next_ = next;
        return std::noop_coroutine();
    }

    /// The coroutine is about to await something that is not this library's, which may resume it
    /// on any thread, and not by resume(). Any.
    void leave() noexcept { elsewhere_ = true; }

    /// For the outermost coroutine, which has ended. Any: something foreign that it awaited may
    /// have resumed it.
    void finish() {
        finished_ = true;
        if (!running_) post(last_);
    }

    /// Runs a task on the loop; if that has ended, on this thread. Any.
    virtual void post(loop_task& step) = 0;
    virtual void set_timer(timer& t, instant at) = 0;
    virtual void cancel_timer(timer& t) noexcept = 0;
    /// The router that the task runs beside. Any.
    virtual mitogen::node& port() noexcept = 0;

    // ---- as what works for scopes

    void interrupt() noexcept final {
        if (!self_) return; // whoever cancels its call tells it
        port().add_work([self = self_] {
            if (*self) (*self)->look_again();
        });
    }
    void prepare_interrupts() final {
        if (!self_) self_ = std::make_shared<task_scope*>(this);
    }
    void look_again_at(instant moment) final {
        prepare_interrupts();
        outstanding_call& event = port().open_event();
        port().expire(event, moment, error(reason::timeout, "a shield is over"));
        event.then([self = self_] {
            if (*self) (*self)->look_again();
        });
        event.release();
    }
    instant now() const noexcept final { return const_cast<task_scope*>(this)->port().now(); }
    void sleep_until(instant) final {} // it must not block

protected:
    ~task_scope() {
        if (self_) *self_ = nullptr;
    }
    /// For post(), if the loop has ended.
    void post_here(loop_task& step) {
        if (running_) {
            later_ = &step;
        } else {
            step.run(step);
        }
    }
    /// The outermost coroutine has ended, and nothing of it runs any more. Loop.
    virtual void ended() = 0;
};

/// One wait of a task: lives in the coroutine's frame. What is waited for calls wake(), exactly
/// once after each arm(): so nothing refers to the frame when it goes on. Whoever cancels only
/// makes that happen earlier.
class task_wait : loop_task {
    friend class task_scope;

    task_scope* scope_ = nullptr;
    std::coroutine_handle<> waiting_{};
    bool begun_ = false;
    bool armed_ = false;

    void step() {
        armed_ = false;
        // something foreign had resumed the task elsewhere
        if (!std::exchange(begun_, true)) return start();
        if (!happened() && !scope_->cancelled()) return start();
        scope_->waiting_ = nullptr;
        scope_->resume(waiting_);
    }

    void start() {
        scope_->waiting_ = this;
        if (const error* why = scope_->cancelled()) {
            give_up(*why, false);
            // also a task that does not heed it leaves the loop to others
            return scope_->post(*this);
        }
        armed_ = true;
        arm();
    }

protected:
    task_wait() {
        run = [](loop_task& t) { static_cast<task_wait&>(t).step(); };
    }
    task_wait(task_wait&&) = delete;
    ~task_wait() = default;

    /// The one that waits, from begin() on.
    task_scope& scope() const noexcept { return *scope_; }

    /// Says who waits for an answer.
    void waits_for_answer(outstanding_call& answer) {
        answer.set_awaited_by(scope_);
        if (answer.respondent() == scope_->port().id()) [[unlikely]]
            scope_->port().waits_for_self(answer, true);
    }

    /// Throws why the task is cancelled, where what it waited for has not happened.
    void check() {
        if (!happened()) raise(*scope_->cancelled());
    }

    /// True if there is nothing to wait for. If it is false after wake(), the wait begins again.
    virtual bool happened() = 0;
    /// Has wake() called when it may have happened: soon, if it has. On the loop.
    virtual void arm() = 0;
    /// It is not waited for any more; if it is `armed`, wake() shall follow at once. On the loop.
    virtual void give_up(const error& why, bool armed) = 0;

    void begin(task_scope& scope, std::coroutine_handle<> waiting) {
        scope_ = &scope;
        waiting_ = waiting;
        begun_ = scope.port().on_loop();
        begun_ ? start() : scope.post(*this);
    }

public:
    /// The task looks whether it can go on. Any.
    void wake() { scope_->post(*this); }
};

inline void task_scope::cancel(const error& why) {
    if (cancelled_) return;
    cancelled_.emplace(why);
    look_again();
}

inline void task_scope::look_again() {
    if (!waiting_ || !waiting_->armed_) return;
    if (const error* why = cancelled()) waiting_->give_up(*why, true);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
