// SPDX-License-Identifier: BSL-1.0
#pragma once
// executor.hpp: runs tasks of this program beside its router: spawn() and block_on().

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/router.hpp>
#include <mitogen/rpc/fwd.hpp>
#include <mitogen/rpc/task.hpp>
#include <mitogen/rpc/task_calls.hpp>
#include <mitogen/rpc/task_scope.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>
#include <coroutine>
#include <memory>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A task that was spawned. Keeps itself until it has ended.
template <class T, class Io>
class spawned_state final : public basic_task_scope<Io> {
    task<T> body_;
    std::shared_ptr<spawned_state> self_{};
    std::atomic<bool> ended_{false};
    waiter<Io> wake_;
    task_wait* awaited_by_ = nullptr; // loop's

    void ended() override {
        const auto keep = std::move(self_);
        ended_.store(true, std::memory_order_release);
        wake_.notify();
        if (awaited_by_) awaited_by_->wake();
    }

public:
    basic_broker<Io>& loop;
    const context_id here;

    spawned_state(basic_router_core<Io>& node, task<T> body)
        : basic_task_scope<Io>(node), body_(std::move(body)), wake_(node.loop().io()), loop(node.loop()), here(node.id()) {}

    /// False where the loop takes nothing any more.
    static bool begin(const std::shared_ptr<spawned_state>& s) {
        return s->loop.defer([s] {
            s->self_ = s;
            s->body_.start(*s);
        });
    }

    static void cancel(const std::shared_ptr<spawned_state>& s, const error& why) {
        if (!s->loop.add([s, why] { s->task_scope::cancel(why); })) s->task_scope::cancel(why); // nobody else runs it any more
    }

    bool done() const noexcept { return ended_.load(std::memory_order_acquire); }
    bool wait(instant deadline) {
        return loop.wait(wake_, deadline, true, [this] { return done(); });
    }
    void tell(task_wait* who) noexcept { awaited_by_ = who; }
    T take() { return body_.take(); }
};

/// A task waits for another one that was spawned. Where it is cancelled, so is that one.
template <class T, class Io>
class spawned_wait final : task_wait {
    std::shared_ptr<spawned_state<T, Io>> other_;

    bool happened() override { return other_->done(); }
    void arm() override { happened() ? wake() : other_->tell(this); }
    void give_up(const error& why, bool) override { other_->task_scope::cancel(why); }

public:
    explicit spawned_wait(std::shared_ptr<spawned_state<T, Io>> other) noexcept : other_(std::move(other)) {}

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

/// A task that runs beside a router, and its result-to-be: see spawn(). Its destructor cancels the task and waits for its end; on
/// the loop, where it cannot wait, it only cancels.
///
/// Moves; does not copy. Threads: one at a time. Blocks: get() and the destructor; another task says `co_await std::move(s)`
/// instead. The router must outlive it.
template <class T, class Io>
class [[nodiscard]] basic_spawned {
    using state = detail::spawned_state<T, Io>;

    std::shared_ptr<state> state_;
    bool refused_ = false;

    error cancelled_here(const char* why) const { return cancelled_by(state_->here, cancel_radius::call, why); }

    std::optional<error> wait_until(instant deadline) {
        if (refused_) return error(reason::broker_exited, "the loop has ended");
        if (state_->done()) return std::nullopt;
        if (state_->loop.on_loop()) return error(reason::misuse, "waiting for a task on the loop, on which it runs: co_await it");
        if (!state_->wait(deadline)) return error(reason::timeout, "the task did not end within the time given to get_for()");
        return std::nullopt;
    }

public:
    using value_type = T;

    /// For spawn().
    explicit basic_spawned(std::shared_ptr<state> made) : state_(std::move(made)), refused_(!state::begin(state_)) {}
    basic_spawned(basic_spawned&&) noexcept = default;
    basic_spawned& operator=(basic_spawned&&) = delete;
    ~basic_spawned() {
        if (!state_ || refused_ || state_->done()) return;
        state::cancel(state_, cancelled_here("nobody wants the result of the task any more"));
        if (!state_->loop.on_loop()) (void)state_->wait(never);
    }

    bool done() const noexcept { return state_->done(); }

    /// Waits for the end of the task; its result, or what it has thrown. Once.
    T get() {
        if (const std::optional<error> why = wait_until(never)) raise(*why);
        return state_->take();
    }

    /// As get(), but waits at most `span`: then it throws timeout_error, and the task goes on.
    template <class Rep, class Period>
    T get_for(std::chrono::duration<Rep, Period> span) {
        if (const std::optional<error> why = wait_until(after(state_->loop.io().now(), to_ns(span)))) raise(*why);
        return state_->take();
    }

    /// What the task waits for ends with cancelled_error, from now on. Threads: any.
    void cancel() { state::cancel(state_, cancelled_here("the task has been cancelled")); }

    /// Its result, or what it has thrown. Once.
    detail::spawned_wait<T, Io> operator co_await() && {
        if (refused_) raise(error(reason::broker_exited, "the loop has ended"));
        return detail::spawned_wait<T, Io>(state_);
    }
};

/// What spawn() returns.
template <class T>
using spawned = basic_spawned<T, io::native>;

/// Runs a task on the loop of `node`, beside everything else. Threads: any. Never blocks.
template <class T, class Io>
basic_spawned<T, Io> spawn(basic_router<Io>& node, task<T> body) {
    return basic_spawned<T, Io>(std::make_shared<detail::spawned_state<T, Io>>(node, std::move(body)));
}

/// The same, and waits for its end: its result, or what it has thrown. Not on the loop.
template <class T, class Io>
T block_on(basic_router<Io>& node, task<T> body) {
    return spawn(node, std::move(body)).get();
}

} // namespace mitogen::inline MITOGEN_ABI
