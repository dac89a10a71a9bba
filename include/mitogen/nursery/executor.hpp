// SPDX-License-Identifier: BSL-1.0
#pragma once
// executor.hpp: runs tasks of this program beside its router: spawn() and block_on().

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/router/router.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/sync/host.hpp>
#include <mitogen/task/node_task_scope.hpp>
#include <mitogen/task/task.hpp>
#include <mitogen/task/task_scope.hpp>

#include <atomic>
#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A task that was spawned. Keeps itself until it has ended.
template <class T>
class spawned_state final : public node_task_scope {
    task<T> body_;
    std::shared_ptr<spawned_state> self_{};
    event ended_;
    task_wait* awaited_by_ = nullptr; // loop's

    void ended() override {
        const auto keep = std::move(self_);
        ended_.raise();
        if (awaited_by_) awaited_by_->wake();
    }

public:
    mitogen::node& node;

    spawned_state(mitogen::node& beside, task<T> body)
        : node_task_scope(beside), body_(std::move(body)), ended_(beside), node(beside) {}

    /// False if the loop takes nothing any more.
    static bool begin(const std::shared_ptr<spawned_state>& s) {
        return s->node.defer([s] {
            s->self_ = s;
            s->body_.start(*s);
        });
    }

    static void cancel(const std::shared_ptr<spawned_state>& s, const error& why) {
        // nobody else runs it any more
        if (!s->node.add_work([s, why] { s->task_scope::cancel(why); })) s->task_scope::cancel(why);
    }

    bool done() const noexcept { return ended_.raised(); }
    bool wait(instant deadline) { return ended_.wait(node, deadline); }
    void tell(task_wait* who) noexcept { awaited_by_ = who; }
    T take() { return body_.take(); }
};

/// A task waits for another one that was spawned. If it is cancelled, so is that one.
template <class T>
class spawned_wait final : task_wait {
    std::shared_ptr<spawned_state<T>> other_;

    bool happened() override { return other_->done(); }
    void arm() override { happened() ? wake() : other_->tell(this); }
    void give_up(const error& why, bool) override { other_->task_scope::cancel(why); }

public:
    explicit spawned_wait(std::shared_ptr<spawned_state<T>> other) noexcept
        : other_(std::move(other)) {}

    bool await_ready() const noexcept { return other_->done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        begin(*waiting.promise().scope, waiting);
    }
    T await_resume() {
        check();
        return other_->take();
    }
};

} // namespace detail

/// A task that runs beside a router, and its result-to-be: see spawn(). Its destructor cancels the
/// task and waits for its end; on the loop, if it cannot wait, it only cancels.
///
/// Moves; does not copy. Threads: one at a time. Blocks: get() and the destructor; another task
/// says `co_await std::move(s)` instead. The router must outlive it.
template <class T>
class [[nodiscard]] spawned {
    using state = detail::spawned_state<T>;

    std::shared_ptr<state> state_;
    bool refused_ = false;

    error cancelled_here(const char* why) const {
        return cancelled_by(state_->node.id(), cancel_radius::call, why);
    }

    std::optional<error> wait_until(instant deadline) {
        if (refused_) return error(reason::broker_exited, "the loop has ended");
        if (state_->done()) return std::nullopt;
        if (state_->node.on_loop())
            return error(reason::misuse,
                         "waiting for a task on the loop, on which it runs: co_await it");
        if (!state_->wait(deadline))
            return detail::wait_ended(state_->node.now(), deadline,
                                      "the task did not end within the time given to get_for()");
        return std::nullopt;
    }

public:
    using value_type = T;

    /// For spawn().
    explicit spawned(std::shared_ptr<state> made)
        : state_(std::move(made)), refused_(!state::begin(state_)) {}
    spawned(spawned&&) noexcept = default;
    spawned& operator=(spawned&&) = delete;
    ~spawned() {
        if (!state_ || refused_ || state_->done()) return;
        state::cancel(state_, cancelled_here("nobody wants the result of the task any more"));
        const detail::shielded wait; // it may refer to what goes when this returns
        if (!state_->node.on_loop()) (void)state_->wait(never);
    }

    bool done() const noexcept { return state_->done(); }

    /// Waits for the end of the task; its result, or what it has thrown. Once.
    T get() {
        if (const std::optional<error> why = wait_until(never)) raise(*why);
        return state_->take();
    }

    /// True once it has ended; waits for that at most `span`, 0 never.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> span) {
        return state_->done() ||
               !wait_until(detail::after(state_->node.now(), detail::to_ns(span)));
    }

    /// As get(), but waits at most `span`: then it throws timeout_error, and the task goes on.
    template <class Rep, class Period>
    T get_for(std::chrono::duration<Rep, Period> span) {
        if (const std::optional<error> why =
                wait_until(detail::after(state_->node.now(), detail::to_ns(span))))
            raise(*why);
        return state_->take();
    }

    /// What the task waits for ends with cancelled_error, from now on. Threads: any.
    void cancel() { state::cancel(state_, cancelled_here("the task has been cancelled")); }

    /// Its result, or what it has thrown. Once.
    detail::spawned_wait<T> operator co_await() && {
        if (refused_) raise(error(reason::broker_exited, "the loop has ended"));
        return detail::spawned_wait<T>(state_);
    }
};

/// Runs a task on the loop of `node`, beside everything else. Threads: any. Never blocks.
template <class T>
spawned<T> spawn(router& node, task<T> body) {
    return spawned<T>(std::make_shared<detail::spawned_state<T>>(node.node(), std::move(body)));
}

/// The same, and waits for its end: its result, or what it has thrown. Not on the loop.
template <class T>
T block_on(router& node, task<T> body) {
    return spawn(node, std::move(body)).get();
}

} // namespace mitogen::inline MITOGEN_ABI
