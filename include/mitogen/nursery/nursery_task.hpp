// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery_task.hpp: what a nursery's start() returns.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/nursery/nursery_result.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// A call that belongs to a nursery: a cheap value, which may outlive it. To drop it changes
/// nothing.
///
/// Threads: one at a time waits; the rest any. Not on the loop.
template <class T>
class nursery_task {
    std::shared_ptr<detail::nursery_result<T>> state_;

public:
    using value_type = T;

    explicit nursery_task(std::shared_ptr<detail::nursery_result<T>> state) noexcept
        : state_(std::move(state)) {}

    /// True once there is a value or an error. Never blocks.
    bool done() const noexcept { return state_->ended(); }

    /// Waits for the value; throws the error. That of a task that was cancelled because another one
    /// failed is the other's.
    T get() const { return try_get().value(); }
    result<T> try_get() const { return try_get_until(never); }

    /// As get(), but waits at most `span`: then it throws timeout_error, and the call goes on.
    template <class Rep, class Period>
    T get_for(std::chrono::duration<Rep, Period> span) const {
        return try_get_for(span).value();
    }
    template <class Rep, class Period>
    result<T> try_get_for(std::chrono::duration<Rep, Period> span) const {
        return try_get_until(state_->until(detail::to_ns(span)));
    }

    /// True once it has ended; waits for that at most `span`, 0 never.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> span) const {
        return state_->ended() ||
               (state_->may_wait() && state_->wait_until(state_->until(detail::to_ns(span))));
    }

    /// Tells the callee to stop; if it has not begun it does not begin. That is no failure of the
    /// nursery. Does not wait.
    void cancel() const { state_->cancel(); }

    /// As a future's, for select and as_completed.
    bool ready() const noexcept { return done(); }
    bool ended() const noexcept { return done(); }
    void then(unique_function<void()> go, const void* key = nullptr) const {
        state_->when_ended(std::move(go), key);
    }
    void forget(const void* key) const { state_->forget(key); }
    mitogen::node& port() const noexcept { return state_->node(); }

private:
    result<T> try_get_until(instant deadline) const {
        if (!state_->may_wait())
            return error(
                reason::misuse,
                "a function that runs on the loop waits for a task; run it on::main or on::pool");
        if (!state_->wait_until(deadline)) {
            if (auto why = detail::why_interrupted(state_->node().now(), deadline)) {
                const std::optional<error> cause = state_->stopped_for();
                if (cause) state_->saw(*cause);
                return cause ? *cause : std::move(*why);
            }
            return error(reason::timeout, "the task has not ended within the time given");
        }
        result<T> end = state_->outcome();
        if (!end) state_->saw(end.error());
        return end;
    }
};

} // namespace mitogen::inline MITOGEN_ABI
