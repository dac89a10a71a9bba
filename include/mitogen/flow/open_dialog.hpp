// SPDX-License-Identifier: BSL-1.0
#pragma once
// open_dialog.hpp: the opener's end of a dialog.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/call.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/flow/dialog.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/flow_wait.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/flow/item/item_range.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/protocol/flow.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/task/task.hpp>

#include <exception>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>

namespace mitogen::inline MITOGEN_ABI {

/// What context.open<&fn>(args…) returns: the other end of the dialog that fn takes. `Shape` is the
/// callee's.
///
/// Its destructor closes and waits for the function's end; while an exception leaves its scope, or
/// after cancel_on_exit(), it cancels and waits. An error that no member has told, and that does
/// not come of what this context has cancelled or ended itself, is logged there as a warning. A
/// function that does not heed its cancellation is waited for as long as its context lives. Moves;
/// does not copy. Threads: send() and receive() any; the rest one at a time. Blocks: as marked; not
/// on the loop.
template <class Shape, class Result>
class [[nodiscard]] open_dialog {
    using shape = detail::dialog_shape<Shape>;
    using started_type =
        typename std::conditional_t<std::is_void_v<typename shape::started>,
                                    std::type_identity<std::monostate>,
                                    detail::owned_result<typename shape::started>>::type;

    std::shared_ptr<detail::inbox> in_;
    std::shared_ptr<detail::outbox> out_;
    future<Result> answer_;
    started_type started_{};
    std::optional<mitogen::result<Result>> outcome_;
    bool final_ = false; // outcome_ is the answer
    bool cancel_on_exit_ = false;
    bool reported_elsewhere_ = false;
    int exceptions_ = std::uncaught_exceptions();

    open_dialog(std::shared_ptr<detail::inbox> items, future<Result> answer)
        : in_(std::move(items)), answer_(std::move(answer)) {}

public:
    /// What is received here is what the callee sends.
    using value_type = typename detail::received_item<typename shape::sent>::type;

    /// For call_methods::try_open: waits until the function has called started(), and fails if it
    /// ends before.
    static mitogen::result<open_dialog> begin(std::shared_ptr<detail::inbox> items,
                                              future<Result> answer, const std::string& function) {
        open_dialog d(std::move(items), std::move(answer));
        detail::end_with(d.in_, d.answer_);
        return join(std::move(d), never, function);
    }

    /// For call_methods::open_async: the same in a task.
    static task<open_dialog> begin_later(std::shared_ptr<detail::inbox> items,
                                         future<Result> answer,
                                         const detail::function_entry& function) {
        open_dialog d(std::move(items), std::move(answer));
        detail::end_with(d.in_, d.answer_);
        co_await detail::next_item_of<void>{*d.in_};
        co_return join(std::move(d), 0, function.name()).value();
    }

    /// The callee's started() makes the dialog whole.
    static mitogen::result<open_dialog> join(open_dialog d, instant deadline,
                                             const std::string& function) {
        const mitogen::result<detail::flow_item> first = d.in_->get(deadline);
        if (!first) return d.give_up(first.error(), function);
        detail::decode_environment environment{&d.in_->node(), d.answer_.state()->respondent()};
        reader r(first->value(), d.in_->node().bounds(), &environment);
        detail::flow_address there;
        bool good = first->kind == wire::flow_frame::begun && decode(r, there.port, there.window) &&
                    detail::is_port(there.port);
        if constexpr (!std::is_void_v<typename shape::started>)
            good = good && decode(r, d.started_);
        if (!good || !r.finish())
            return d.give_up(error(reason::codec, "what started() of " + function +
                                                      " says does not decode: " + r.failure_text()),
                             function);
        d.out_ = detail::outbox::open(d.in_->node(), d.answer_.state()->respondent(), there);
        d.answer_.then([out = d.out_, p = d.answer_.state()] {
            out->on_peer_lost(p->failure()
                                  ? *p->failure()
                                  : error(reason::sender_closed, "the function has ended"));
        });
        return d;
    }

    open_dialog(open_dialog&&) noexcept = default;
    open_dialog& operator=(open_dialog&&) = delete;
    ~open_dialog() {
        if (!answer_.valid()) return;
        if (!answer_.done() && in_->node().on_loop()) {
            cancel(); // it cannot wait
            return;
        }
        const instant now = in_->node().now();
        const bool interrupted = !answer_.done() && detail::why_interrupted(now);
        // its scope may be cancelled: the function still has some time to leave its own
        const detail::shielded wait(detail::after(now, detail::cleanup_time));
        if (cancel_on_exit_ || interrupted || std::uncaught_exceptions() > exceptions_) {
            cancel();
            return;
        }
        const bool seen = outcome_.has_value();
        close();
        if (const mitogen::result<Result>& end = outcome();
            !end && !seen && !reported_elsewhere_ && !known_here(end.error()))
            log::write(log::level::warning, "a dialog ended with an error that nobody looked at: " +
                                                std::string(end.error().what()));
    }

    /// The destructor cancels the function if it has not ended, instead of waiting for it.
    void cancel_on_exit() noexcept { cancel_on_exit_ = true; }

    /// Somebody else, a nursery, tells of its error: the destructor logs none.
    void reported_elsewhere() noexcept { reported_elsewhere_ = true; }

    /// What the callee passed to started().
    const started_type& started() const noexcept { return started_; }

    /// As the callee's: see dialog.
    void send(const typename shape::received& item) { try_send(item).value(); }
    mitogen::result<void> try_send(const typename shape::received& item) {
        return send_until(item, never);
    }
    template <class Rep, class Period>
    void send_for(const typename shape::received& item, std::chrono::duration<Rep, Period> span) {
        try_send_for(item, span).value();
    }
    template <class Rep, class Period>
    mitogen::result<void> try_send_for(const typename shape::received& item,
                                       std::chrono::duration<Rep, Period> span) {
        return send_until(item, detail::after(in_->node().now(), detail::to_ns(span)));
    }

    /// The next item. Errors, thrown: channel_error with reason::end_of_stream once the callee has
    /// closed or returned and everything is received, at once and every time; if it has failed, its
    /// error instead.
    value_type receive() { return try_receive().value(); }
    /// The same, with the error as a value.
    mitogen::result<value_type> try_receive() { return receive_until(never); }
    /// The same, waiting for `span` at most: reason::timeout. No item is lost by that.
    template <class Rep, class Period>
    value_type receive_for(std::chrono::duration<Rep, Period> span) {
        return try_receive_for(span).value();
    }
    template <class Rep, class Period>
    mitogen::result<value_type> try_receive_for(std::chrono::duration<Rep, Period> span) {
        return receive_until(detail::after(in_->node().now(), detail::to_ns(span)));
    }

    /// The next item, or nothing at the end. Errors, thrown: as receive()'s, but for the end.
    std::optional<value_type> next() { return detail::item_or_end(try_receive()).value(); }
    mitogen::result<std::optional<value_type>> try_next() {
        return detail::item_or_end(try_receive());
    }

    /// Sends no more: the callee's receive() ends. Receiving goes on, and the result still comes.
    /// Once is enough.
    void close() {
        if (out_) out_->end();
    }

    /// Waits for the function's end and returns its result, or throws its error; what arrives
    /// meanwhile is dropped. The same object every time. A callee that still waits for items waits
    /// for close().
    decltype(auto) result() & { return std::as_const(outcome()).value(); }
    Result result() && { return std::move(settled()).value(); }
    /// The same, with the error as a value.
    const mitogen::result<Result>& try_result() { return settled(); }
    const mitogen::result<Result>& outcome() { return settled(); }
    /// As try_result(), but waits at most `span`, 0 for an end that has come: reason::timeout, and
    /// the dialog goes on.
    template <class Rep, class Period>
    mitogen::result<void> try_result_for(std::chrono::duration<Rep, Period> span) {
        if (!final_ && !answer_.done()) {
            in_->discard();
            if (!answer_.wait_for(span))
                return answer_.described(
                    error(reason::timeout, "the function has not ended within the time given"));
        }
        const mitogen::result<Result>& end = settled();
        return end ? mitogen::result<void>() : mitogen::result<void>(end.error());
    }
    /// The same; then the result, or its error, thrown.
    template <class Rep, class Period>
    decltype(auto) result_for(std::chrono::duration<Rep, Period> span) & {
        if (mitogen::result<void> end = try_result_for(span); !end) raise(end.error());
        return std::as_const(settled()).value();
    }

    /// Cancels the function, and nothing else: waits until it has left its scope. Nothing happens
    /// if it has returned: its value stands.
    void cancel() {
        if (answer_.done()) return;
        in_->node().cancel_call(*answer_.state());
        (void)settled();
    }

    /// For tasks: `co_await d.async_receive()`, as receive(), and so on. A task must co_await
    /// async_result() or async_cancel() before it leaves the dialog: the destructor cannot wait on
    /// the loop, and cancels.
    detail::next_item_of<value_type> async_receive() { return {*in_}; }
    task<std::optional<value_type>> async_next() {
        co_return detail::item_or_end(co_await async_try_receive()).value();
    }
    detail::next_item_of<value_type, false> async_try_receive() { return {*in_}; }
    detail::sending<> async_send(const typename shape::received& item) {
        return {*out_, detail::item_frame(*out_, item).value()};
    }
    task<Result> async_result() {
        in_->discard();
        co_await detail::completion_of{answer_};
        if constexpr (std::is_void_v<Result>) {
            settled().value();
        } else if constexpr (std::is_copy_constructible_v<Result>) {
            co_return settled().value();
        } else {
            co_return std::move(settled()).value();
        }
    }
    task<void> async_cancel() {
        in_->discard();
        if (!answer_.done()) in_->node().cancel_call(*answer_.state());
        co_await detail::completion_of{answer_};
        (void)settled();
    }

    /// As receiver's.
    bool ready() const { return in_->ready(); }
    bool ended() const { return in_->ended(); }
    void then(unique_function<void()> go, const void* key = nullptr) const {
        in_->then(std::move(go), key);
    }
    void forget(const void* key) const { in_->forget(key); }
    mitogen::node& port() const noexcept { return in_->node(); }
    /// The call that it is.
    outstanding_call* state() const noexcept { return answer_.state(); }

    /// Iterates what is received, to the end; an error is thrown.
    detail::item_iterator<open_dialog> begin() { return detail::item_iterator<open_dialog>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
    /// For iteration.
    mitogen::result<value_type> try_get() { return try_receive(); }

private:
    /// True if this context has ended it itself, or a wait has said so already.
    bool known_here(const error& why) const {
        return why.canceller() == in_->node().id() || in_->has_told(why) ||
               (out_ && out_->has_told(why));
    }

    mitogen::result<void> send_until(const typename shape::received& item, instant deadline) {
        mitogen::result<void> sent = detail::send_item(*out_, item, deadline);
        if (!sent && sent.error() == reason::timeout) return answer_.described(sent.error());
        return sent;
    }

    mitogen::result<value_type> receive_until(instant deadline) {
        mitogen::result<value_type> item = detail::next_item<value_type>(*in_, deadline);
        if (!item && item.error() == reason::timeout) return answer_.described(item.error());
        return item;
    }

    /// Waits for the answer. On the loop there is only an error, and the answer may still come.
    mitogen::result<Result>& settled() {
        if (final_) return *outcome_;
        if (answer_.done() || !in_->node().on_loop()) in_->discard();
        outcome_.emplace(answer_.try_get());
        final_ = answer_.done();
        // whoever completed it may not have come to that yet
        if (final_) in_->answered(answer_.state()->failure());
        return *outcome_;
    }

    /// The dialog does not begin. What the function itself says counts most.
    error give_up(error why, const std::string& function) {
        if (!answer_.done()) {
            if (!in_->node().on_loop()) cancel();
            answer_ = {};
            return why;
        }
        const mitogen::result<Result> end = std::move(settled());
        answer_ = {};
        if (!end) return end.error();
        if (why.reason() == reason::codec) return why;
        return error(reason::misuse,
                     function + " returned without having called started() of its dialog");
    }
};

namespace detail {

template <class List>
struct dialog_in;
template <class... Ps>
struct dialog_in<type_list<Ps...>> : dialog_among<Ps...> {};

template <class Dialog>
struct dialog_types;
template <class Shape>
struct dialog_types<dialog<Shape>> {
    using shape = Shape;
};

} // namespace detail

template <class Target>
template <auto F, class Begin, class... Args>
auto call_methods<Target>::open_as(Begin begin, Args&&... args) const {
    using types = detail::dialog_types<
        typename detail::dialog_in<typename detail::function_traits<F>::parameters>::type>;
    using result_type = detail::result_of<F>;
    using dialog = open_dialog<typename types::shape, result_type>;
    const auto items = detail::inbox::make(self().port(), detail::inbox_use::opener);
    outstanding_call& p = begin_flow<F, detail::verb::open>(items->open_port(self().id()),
                                                            std::forward<Args>(args)...);
    return begin(std::type_identity<dialog>{}, items,
                 future<result_type>(&p, self().port(), self().environment()));
}

template <class Target>
template <auto F, class... Args>
auto call_methods<Target>::try_open(Args&&... args) const {
    return open_as<F>(
        []<class Dialog>(std::type_identity<Dialog>, auto items, auto answer) {
            return Dialog::begin(std::move(items), std::move(answer), detail::entry_of<F>().name());
        },
        std::forward<Args>(args)...);
}

template <class Target>
template <auto F, class... Args>
auto call_methods<Target>::open_async(Args&&... args) const {
    return open_as<F>(
        []<class Dialog>(std::type_identity<Dialog>, auto items, auto answer) {
            return Dialog::begin_later(std::move(items), std::move(answer), detail::entry_of<F>());
        },
        std::forward<Args>(args)...);
}

template <class Target>
template <auto F, class... Args>
auto call_methods<Target>::open(Args&&... args) const {
    return try_open<F>(std::forward<Args>(args)...).value();
}

} // namespace mitogen::inline MITOGEN_ABI
