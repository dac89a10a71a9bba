// SPDX-License-Identifier: BSL-1.0
#pragma once
// task.hpp: a coroutine with one result, which runs on a loop and waits there without stopping it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/thread_worker.hpp>
#include <mitogen/task/task_scope.hpp>

#include <algorithm>
#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

template <class T>
class task;

namespace detail {

/// A task waits for the answer to a call. A task that is cancelled gives the call up.
template <class Future>
class future_wait final : task_wait {
    Future& future_;

    bool happened() override { return future_.done(); }
    void arm() override {
        waits_for_answer(*future_.state());
        future_.then([this] { wake(); });
    }
    void give_up(const error& why, bool) override { future_.abandon(why); }

public:
    explicit future_wait(Future& f) noexcept : future_(f) {}

    bool await_ready() const noexcept { return future_.done(); }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        begin(*waiting.promise().scope, waiting);
    }
    decltype(auto) await_resume() { return future_.await_resume(); }
};

/// True of what a task can await that goes on by task_scope::resume: tasks, and this library's
/// waits or what makes one.
template <class Awaited>
inline constexpr bool resumed_by_its_scope =
    is_task<Awaited> || std::is_base_of_v<task_wait, Awaited>;
template <class Awaited>
    requires requires { std::declval<Awaited>().operator co_await(); }
inline constexpr bool resumed_by_its_scope<Awaited> =
    is_task<Awaited> ||
    std::is_base_of_v<task_wait, decltype(std::declval<Awaited>().operator co_await())>;

struct task_promise_base {
    task_scope* scope = nullptr;          // set by whoever starts or awaits it
    std::coroutine_handle<> awaited_by{}; // none: it is the outermost
#if MITOGEN_HAS_EXCEPTIONS
    std::exception_ptr failure{};
#endif

    struct last {
        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> ended) const noexcept {
            task_promise_base& p = ended.promise();
            if (p.awaited_by) return p.scope->go_on(p.awaited_by);
            p.scope->finish();
            return std::noop_coroutine();
        }
        void await_resume() const noexcept {}
    };

    std::suspend_always initial_suspend() const noexcept { return {}; }
    last final_suspend() const noexcept { return {}; }
    void unhandled_exception() noexcept {
#if MITOGEN_HAS_EXCEPTIONS
        failure = std::current_exception();
#endif
    }
    void rethrow() {
#if MITOGEN_HAS_EXCEPTIONS
        if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
#endif
    }

    template <class Future>
        requires std::derived_from<std::remove_cvref_t<Future>, future_base>
            future_wait<std::remove_reference_t<Future>> await_transform(Future&& answer)
    noexcept { return future_wait<std::remove_reference_t<Future>>(answer); }
    /// Anything else that can be awaited. It may resume the task on any thread; from its next wait
    /// on it is on its loop again.
    template <class Other>
        requires(!std::derived_from<std::remove_cvref_t<Other>, future_base>)
    Other && await_transform(Other&& other)
    noexcept {
        if constexpr (!resumed_by_its_scope<std::remove_cvref_t<Other>>) scope->leave();
        return static_cast<Other&&>(other);
    }
};

template <class T>
struct task_promise : task_promise_base {
    std::optional<T> value{};

    task<T> get_return_object();
    template <class From = T>
    void return_value(From&& from) {
        value.emplace(std::forward<From>(from));
    }
    T take() {
        rethrow();
        return std::move(*value);
    }
};
template <>
struct task_promise<void> : task_promise_base {
    task<void> get_return_object();
    void return_void() const noexcept {}
    void take() { rethrow(); }
};

} // namespace detail

/// What a coroutine returns that uses co_await and has one result. It begins when it is awaited, by
/// another task, or started: as a remote function, which is called like any other, or by spawn()
/// and block_on().
///
/// It runs on the loop, in turn with thousands of others: it must not block. It may co_await
/// futures, other tasks, sleep_for(), and the async_ members of dialogs, channels and streams. When
/// it is cancelled, what it waits for ends with cancelled_error, at once and every time. As in
/// every coroutine, parameters by reference must outlive it: those of a remote function live until
/// its answer. Moves; does not copy. One that has begun must not be destroyed before it has ended.
template <class T = void>
class [[nodiscard]] task {
    static_assert(std::is_void_v<T> || std::is_object_v<T>,
                  "mitogen: the result of a task is a value or nothing, no reference");

public:
    using promise_type = detail::task_promise<T>;
    using value_type = T;

private:
    friend promise_type;
    std::coroutine_handle<promise_type> coroutine_;

    explicit task(promise_type& made) noexcept
        : coroutine_(std::coroutine_handle<promise_type>::from_promise(made)) {}

    struct awaiter {
        std::coroutine_handle<promise_type> inner;

        bool await_ready() const noexcept { return false; }
        template <class Promise>
        std::coroutine_handle<> await_suspend(std::coroutine_handle<Promise> outer) noexcept {
            static_assert(std::derived_from<Promise, detail::task_promise_base>,
                          "mitogen: a task is awaited by another task; start the outermost one "
                          "with spawn() or block_on()");
            inner.promise().scope = outer.promise().scope;
            inner.promise().awaited_by = outer;
            return inner.promise().scope->go_on(inner);
        }
        T await_resume() { return inner.promise().take(); }
    };

public:
    task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, nullptr)) {}
    task& operator=(task other) noexcept {
        std::swap(coroutine_, other.coroutine_);
        return *this;
    }
    ~task() {
        if (coroutine_) coroutine_.destroy();
    }

    /// Runs it to its end; its result, or what it threw. Once.
    awaiter operator co_await() && noexcept { return awaiter{coroutine_}; }

    /// For whoever starts it: runs it as the outermost one, up to its first wait or to its end. On
    /// the loop.
    void start(detail::task_scope& scope) {
        coroutine_.promise().scope = &scope;
        scope.resume(coroutine_);
    }
    /// After its end: the result, or what it threw. Once.
    T take() { return coroutine_.promise().take(); }
};

template <class T>
task<T> detail::task_promise<T>::get_return_object() {
    return task<T>(*this);
}
inline task<void> detail::task_promise<void>::get_return_object() { return task<void>(*this); }

namespace detail {

template <class T>
inline constexpr bool is_task<task<T>> = true;

template <class T>
struct wire_result<task<T>> : wire_result<T> {};

/// A task sleeps.
class sleep_wait final : task_wait {
    duration_ns span_;
    instant until_ = 0;
    bool over_ = false;
    timer timer_{};

    bool happened() override { return over_; }
    void arm() override {
        if (until_ == 0) until_ = after(scope().port().now(), span_);
        timer_.fire = [this] {
            over_ = true;
            wake();
        };
        scope().set_timer(timer_, until_);
    }
    void give_up(const error&, bool armed) override {
        if (!armed || !timer_.is_set()) return;
        scope().cancel_timer(timer_);
        wake();
    }

public:
    explicit sleep_wait(duration_ns span) noexcept : span_(span) {}

    bool await_ready() const noexcept { return false; }
    template <class Promise>
    void await_suspend(std::coroutine_handle<Promise> waiting) {
        begin(*waiting.promise().scope, waiting);
    }
    void await_resume() { check(); }
};

/// Sleeps on this thread until the moment, or until a scope of it ends that.
MITOGEN_COLD inline result<void> sleep_here(duration_ns span) {
    scope_worker& here = worker_here();
    if (!here.thread())
        return error(reason::misuse,
                     "a task sleeps, and with it its loop: co_await mitogen::sleep_for(...)");
    const instant until = after(here.now(), span);
    for (instant now = here.now();; now = here.now()) {
        if (std::optional<error> ended = why_interrupted(now, until)) return std::move(*ended);
        if (now >= until) return {};
        here.sleep_until(std::min(until, scope_stack(here.innermost).look(now).look_again()));
    }
}

/// What sleep_for() returns: awaited by a task, it suspends that; dropped, it has its thread sleep.
class sleep_time {
    duration_ns span_;
    bool awaited_ = false;

public:
    explicit sleep_time(duration_ns span) noexcept : span_(span) {}
    sleep_time(sleep_time&& other) noexcept
        : span_(other.span_), awaited_(std::exchange(other.awaited_, true)) {}
    ~sleep_time() noexcept(false) {
        if (!awaited_) sleep_here(span_).value();
    }

    sleep_wait operator co_await() noexcept {
        awaited_ = true;
        return sleep_wait(span_);
    }
};

} // namespace detail

/// Sleeps. In a function that runs on a thread: `mitogen::sleep_for(100ms);` blocks it for that
/// time, and no longer than its scope lasts. In a task: `co_await mitogen::sleep_for(100ms);`: it
/// goes on after that time, and the loop does what else there is meanwhile; a span of 0 lets it do
/// just that. By the clock of the I/O policy. Errors, thrown: cancelled_error, timeout_error, if
/// the scope ends it; a logic_error if a task forgets to co_await.
template <class Rep, class Period>
detail::sleep_time sleep_for(std::chrono::duration<Rep, Period> span) noexcept {
    return detail::sleep_time(detail::to_ns(span));
}
/// On a thread, with the error as a value.
template <class Rep, class Period>
result<void> try_sleep_for(std::chrono::duration<Rep, Period> span) {
    return detail::sleep_here(detail::to_ns(span));
}

} // namespace mitogen::inline MITOGEN_ABI
