// SPDX-License-Identifier: BSL-1.0
#pragma once
// future.hpp: the answer to a call that is under way.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/rethrow.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <algorithm>
#include <coroutine>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// What the caller holds of a result of type `T`: views become the containers that own what they
/// show.
template <class T>
struct owned_result {
    using type = T;
};
template <>
struct owned_result<std::string_view> {
    using type = std::string;
};
template <class T, std::size_t N>
struct owned_result<std::span<T, N>> {
    using type = std::vector<std::remove_cv_t<T>>;
};

/// What does not depend on the type of the value; see future.
class future_base {
protected:
    outstanding_call* call_ = nullptr;
    mitogen::node* router_ = nullptr;
    decode_environment environment_{};
    limits bounds_{}; // copies: the answer may be decoded when the router is gone

    static error would_stop_the_loop() {
        return error(reason::misuse, "a function that runs on the loop waits for an answer, which "
                                     "only the loop could bring; "
                                     "run it on::main or on::pool, or co_await");
    }
    bool may_wait() const noexcept { return call_->done() || !router_->on_loop(); }

    future_base() = default;
    future_base(outstanding_call* p, mitogen::node& node, decode_environment environment) noexcept
        : call_(p), router_(&node), environment_(environment), bounds_(node.bounds()) {}
    future_base(future_base&& other) noexcept
        : call_(std::exchange(other.call_, nullptr)), router_(other.router_),
          environment_(other.environment_), bounds_(other.bounds_) {}
    future_base& operator=(future_base&& other) noexcept {
        if (this != &other) {
            drop();
            call_ = std::exchange(other.call_, nullptr);
            router_ = other.router_;
            environment_ = other.environment_;
            bounds_ = other.bounds_;
        }
        return *this;
    }
    ~future_base() { drop(); }

    void drop() noexcept {
        if (!call_) return;
        if (!call_->done()) cancel();
        std::exchange(call_, nullptr)->release();
    }

    /// Waits as long as it takes, or `span`. An error if that may not or did not happen.
    std::optional<error> wait_at_most(duration_ns span) {
        if (call_->done()) return std::nullopt;
        if (router_->on_loop()) return would_stop_the_loop();
        const instant deadline = span == never ? never : after(router_->now(), span);
        if (router_->await(*call_, deadline)) return std::nullopt;
        if (std::optional<error> ended = why_interrupted(router_->now(), deadline)) return ended;
        return described(error(reason::timeout, "no answer within the time given to get_for()"));
    }

public:
    /// False for one that was default-constructed or moved from; nothing else may then be called.
    bool valid() const noexcept { return call_ != nullptr; }

    /// True once there is a value or an error. Never blocks.
    bool done() const noexcept { return call_->done(); }

    /// Waits until done() or the deadline; returns done(). Not on the loop, if nothing could arrive
    /// meanwhile.
    bool wait_until(instant deadline) {
        if (call_->done()) return true;
        if (!may_wait()) raise(would_stop_the_loop());
        return router_->await(*call_, deadline);
    }

    /// The same for `span`; 0 never waits.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> span) {
        return call_->done() || wait_until(after(router_->now(), to_ns(span)));
    }

    /// Gives the call up: this future is done, with an error of reason::cancelled, and the callee
    /// is told: a call that waits there is removed, the stop token of one that runs fires. Nothing
    /// happens if it is done already.
    void cancel() {
        if (done()) return; // the router may be gone
        abandon(cancelled_by_caller(router_->id(), cancel_radius::call));
    }

    /// As cancel(), with another error.
    void abandon(error why) {
        if (call_->fail(std::move(why))) router_->cancel_call(*call_);
    }

    /// `why` with the name of the function that was called, and the path of its context.
    error described(error why) const {
        return router_->describe(std::move(why), call_->subject, call_->respondent());
    }

    /// Runs `go` once this is done: at once, or on the thread that completes it, which is normally
    /// the loop. Never blocks there.
    void then(unique_function<void()> go) { call_->then(std::move(go)); }

    /// The router that brings the answer.
    mitogen::node& port() const noexcept { return *router_; }

    /// For select and the like.
    outstanding_call* state() const noexcept { return call_; }

    // ---- co_await: resumes on the thread that completes the call, normally the loop

    bool await_ready() const noexcept { return done(); }
    void await_suspend(std::coroutine_handle<> waiting) {
        then([waiting] { waiting.resume(); });
    }
};

} // namespace detail

/// The answer to a call. Moves; does not copy. Dropping it abandons the call: the callee is told,
/// and a late answer is dropped.
///
/// Threads: one at a time. Blocks: get() and get_for(). May outlive the router; the answer is then
/// the error broker_exited.
template <class T>
class [[nodiscard]] future : public detail::future_base {
public:
    using value_type = T;

    future() = default;
    /// Takes over one reference to `p`.
    future(outstanding_call* p, mitogen::node& node,
           detail::decode_environment environment) noexcept
        : detail::future_base(p, node, environment) {}

    /// Waits and returns the value or the error.
    result<T> try_get() {
        if (std::optional<error> why = wait_at_most(never)) return std::move(*why);
        return outcome();
    }

    /// Waits and returns the value; throws the error.
    T get() { return try_get().value(); }

    /// As get(), but waits at most `span`: then it throws timeout_error, and the call goes on.
    template <class Rep, class Period>
    T get_for(std::chrono::duration<Rep, Period> span) {
        return try_get_for(span).value();
    }

    /// As try_get(), but waits at most `span`: then it returns an error with reason::timeout, and
    /// the call goes on.
    template <class Rep, class Period>
    result<T> try_get_for(std::chrono::duration<Rep, Period> span) {
        if (std::optional<error> why = wait_at_most(detail::to_ns(span))) return std::move(*why);
        return outcome();
    }

    /// The same, until a moment on the clock of the I/O policy.
    T get_until(instant deadline) { return try_get_until(deadline).value(); }
    result<T> try_get_until(instant deadline) {
        if (done()) return outcome();
        return try_get_for(std::chrono::nanoseconds(
            deadline == never ? never : std::max<duration_ns>(deadline - router_->now(), 0)));
    }

    /// The value or the error of a future that is done().
    result<T> outcome() {
        if (const error* why = call_->failure()) return *why;
        environment_.from = call_->respondent();
        environment_.made_there = call_->subject == &detail::connect_request;
        reader r(std::span<const std::byte>(call_->payload()), bounds_, &environment_);
        if constexpr (std::is_void_v<T>) {
            if (r.finish()) return {};
            return r.failure();
        } else {
            T value{};
            if (mitogen::decode(r, value) && r.finish()) return result<T>(std::move(value));
            return r.failure(&codec<T>::signature);
        }
    }

    T await_resume() { return outcome().value(); }
};

} // namespace mitogen::inline MITOGEN_ABI
