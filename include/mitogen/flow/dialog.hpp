// SPDX-License-Identifier: BSL-1.0
#pragma once
// dialog.hpp: the callee's end of a conversation with one result.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/flow/cancel_watch.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/flow_wait.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/flow/item/item_range.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/protocol/flow.hpp>
#include <mitogen/task/task.hpp>

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The types of a dialog, as its callee sees them.
template <class Shape>
struct dialog_shape {
    static_assert(never_true<Shape>,
                  "mitogen: a dialog's shape is Started(Received, Sent), for instance "
                  "dialog<std::string(int, double)>");
};
template <class Started, class Received, class Sent>
struct dialog_shape<Started(Received, Sent)> {
    using started = Started;
    using received = Received;
    using sent = Sent;
};

} // namespace detail

/// A parameter of a remote function, `dialog<Started(Received, Sent)>&`: it exchanges items with
/// whoever opened the function, both ways and at any moment, from started() until the function
/// returns its result. Exists as long as the function runs.
///
/// When the other end cancels, is lost, or the call's deadline passes, every wait here ends with
/// cancelled_error or channel_error. Threads: any; the function waits for those that it has
/// started. Blocks: as marked; not on the loop.
template <class Shape>
class dialog {
    using shape = detail::dialog_shape<Shape>;

    context_id peer_;
    std::shared_ptr<detail::inbox> in_;
    std::shared_ptr<detail::outbox> out_;
    bool started_ = false;
    detail::cancel_watch on_cancel_;

    static mitogen::node& node_of(detail::invocation& inv) { return *inv.environment.node; }

public:
    using value_type = typename detail::received_item<typename shape::received>::type;

    /// For whoever executes the call.
    explicit dialog(detail::invocation& inv)
        : peer_(inv.who.id), in_(detail::inbox::make(node_of(inv), detail::inbox_use::callee)),
          out_(detail::outbox::open(node_of(inv), inv.who.id, inv.flow)),
          on_cancel_(inv, [in = in_, out = out_](const error& why) {
              out->close(why);
              in->close(why, false);
          }) {}
    dialog(dialog&&) = delete;
    ~dialog() {
        out_->end(wire::flow_frame::done);
        // The function's answer, which comes next, tells the other end that nothing is received any
        // more.
        in_->close(error(reason::end_of_stream, "the function has ended"), false);
    }

    /// Says that the dialog has begun, with a value for whoever opens it: open() returns there.
    /// Once, before anything is sent or received: else logic_error.
    template <class... Value>
    void started(const Value&... value) {
        try_started(value...).value();
    }
    /// The same, with the error as a value.
    template <class... Value>
    result<void> try_started(const Value&... value) {
        static_assert(std::is_void_v<typename shape::started> ? sizeof...(Value) == 0
                                                              : sizeof...(Value) == 1,
                      "mitogen: started() takes one value of the dialog's Started type, and none "
                      "where it is void");
        if (started_) return error(reason::misuse, "started() was called before");
        started_ = true;
        const result<detail::flow_address> here = in_->open_port(peer_);
        if (!here) return here.error();
        constexpr auto kind = static_cast<std::uint8_t>(wire::flow_frame::begun);
        if constexpr (std::is_void_v<typename shape::started>) {
            return out_->tell(encode(kind, here->port, here->window));
        } else {
            const typename shape::started& first = (value, ...);
            buffer frame;
            if (const char* why = wire::encode_from(&in_->node(), frame, peer_, kind, here->port,
                                                    here->window, first))
                return error(reason::misuse, why);
            return out_->tell(std::move(frame));
        }
    }

    /// Sends an item; waits while the other end takes no more. Errors, thrown: channel_error if it
    /// takes nothing any more or is lost, cancelled_error, logic_error before started().
    void send(const typename shape::sent& item) { try_send(item).value(); }
    /// The same, with the error as a value.
    result<void> try_send(const typename shape::sent& item) { return send_until(item, never); }
    /// The same, waiting for `span` at most: reason::timeout.
    template <class Rep, class Period>
    void send_for(const typename shape::sent& item, std::chrono::duration<Rep, Period> span) {
        try_send_for(item, span).value();
    }
    template <class Rep, class Period>
    result<void> try_send_for(const typename shape::sent& item,
                              std::chrono::duration<Rep, Period> span) {
        return send_until(item, detail::after(in_->node().now(), detail::to_ns(span)));
    }

    /// The next item from the other end. Errors, thrown: channel_error with reason::end_of_stream
    /// once it has closed and everything is received, at once and every time; cancelled_error;
    /// channel_error if it is lost; logic_error before started().
    value_type receive() { return try_receive().value(); }
    /// The same, with the error as a value.
    result<value_type> try_receive() { return receive_until(never); }
    /// The same, waiting for `span` at most: reason::timeout. No item is lost by that.
    template <class Rep, class Period>
    value_type receive_for(std::chrono::duration<Rep, Period> span) {
        return try_receive_for(span).value();
    }
    template <class Rep, class Period>
    result<value_type> try_receive_for(std::chrono::duration<Rep, Period> span) {
        return receive_until(detail::after(in_->node().now(), detail::to_ns(span)));
    }

    /// The next item, or nothing at the end. Errors, thrown: as receive()'s, but for the end.
    std::optional<value_type> next() { return detail::item_or_end(try_receive()).value(); }
    result<std::optional<value_type>> try_next() { return detail::item_or_end(try_receive()); }

    /// For functions that are tasks: `co_await d.async_receive()`, as receive(), and so on.
    detail::next_item_of<value_type> async_receive() { return {begun(*in_)}; }
    task<std::optional<value_type>> async_next() {
        co_return detail::item_or_end(co_await async_try_receive()).value();
    }
    detail::next_item_of<value_type, false> async_try_receive() { return {begun(*in_)}; }
    detail::sending<> async_send(const typename shape::sent& item) {
        return {begun(*out_), detail::item_frame(*out_, item).value()};
    }

    /// As receiver's.
    bool ready() const { return in_->ready(); }
    void then(unique_function<void()> go, const void* key = nullptr) const {
        in_->then(std::move(go), key);
    }
    /// Takes back what was given to then() with this key. False if it has run, or is about to.
    bool forget(const void* key) const { return in_->forget(key); }

    /// Sends no more: the other end's receive() ends. Receiving goes on.
    void close() { out_->end(); }

    /// Iterates what is received, to the end; an error is thrown.
    detail::item_iterator<dialog> begin() { return detail::item_iterator<dialog>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
    /// For iteration.
    result<value_type> try_get() { return try_receive(); }

private:
    static error too_early() { return error(reason::misuse, "a dialog begins with started()"); }
    template <class End>
    End& begun(End& end) const {
        if (!started_) raise(too_early());
        return end;
    }

    result<void> send_until(const typename shape::sent& item, instant deadline) {
        if (!started_) return too_early();
        return detail::send_item(*out_, item, deadline);
    }

    result<value_type> receive_until(instant deadline) {
        if (!started_) return too_early();
        return detail::next_item<value_type>(*in_, deadline);
    }
};

namespace detail {

template <class Shape>
inline constexpr bool is_dialog<dialog<Shape>> = true;
template <class Shape>
inline constexpr bool is_injected<dialog<Shape>> = true;

template <class Shape>
struct injected_object<dialog<Shape>> {
    dialog<Shape> made;

    explicit injected_object(invocation& inv) : made(inv) {}
    operator dialog<Shape>&() noexcept { return made; }
};

// The dialog among a function's parameters.
template <class... Ps>
struct dialog_among;
template <class First, class... Rest>
struct dialog_among<First, Rest...>
    : std::conditional_t<is_dialog<std::remove_cvref_t<First>>,
                         std::type_identity<std::remove_cvref_t<First>>, dialog_among<Rest...>> {};

} // namespace detail

/// Only for signatures: a dialog does not travel.
template <class Shape>
struct codec<dialog<Shape>> {
    static void signature(signature_sink& out) {
        using shape = detail::dialog_shape<Shape>;
        out.put("dialog<");
        if constexpr (std::is_void_v<typename shape::started>) {
            out.put("void");
        } else {
            codec<typename shape::started>::signature(out);
        }
        out.put('(');
        codec<typename shape::received>::signature(out);
        out.put(',');
        codec<typename shape::sent>::signature(out);
        out.put(")>");
    }
};

} // namespace mitogen::inline MITOGEN_ABI
