// SPDX-License-Identifier: BSL-1.0
#pragma once
// channel.hpp: a typed queue in one context that others fill: receiver<T>, and sender<T>, which
// travels to them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/flow_wait.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/flow/item/item_reader.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/protocol/flow.hpp>

#include <cstddef>
#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// What copies of one sender share. Its last copy closes it.
class sender_state {
protected:
    ~sender_state() = default;

public:
    /// Of an inbox of this context.
    static std::shared_ptr<sender_state> of(std::shared_ptr<inbox> made_by);
    /// One that was received.
    static std::shared_ptr<sender_state> of(mitogen::node& here, context_id receiver,
                                            flow_address to);

    virtual mitogen::node& node() noexcept = 0;
    /// Where items are sent; opened by the first use.
    virtual const std::shared_ptr<outbox>& use() = 0;
    /// If `user` is to send to, and in which context that is.
    virtual std::pair<context_id, flow_address> address_for(context_id user) = 0;
};

} // namespace detail

/// The end of a channel that sends. Travels in the arguments and the result of a call, and in
/// items; it then belongs to whoever received it. If that sends it on, its context passes the items
/// on. Copies in one context are one sender: it closes when it is told to, or its last copy goes.
///
/// Threads: any. Blocks: send(), while the receiver has all that it takes (wire::flow_window bytes
/// under way for each sender, more if the way is long).
template <class T>
class sender {
    using state = detail::sender_state;

    std::shared_ptr<state> state_;

    template <class>
    friend struct codec;

public:
    using value_type = T;

    /// One that is closed.
    sender() = default;
    explicit sender(std::shared_ptr<state> shared) noexcept : state_(std::move(shared)) {}

    /// Sends an item; waits while the receiver takes no more. Errors, thrown: channel_error if the
    /// channel is closed or the receiver's context is lost; overloaded_error on the loop, if it
    /// must not wait.
    void send(const T& item) const { try_send_until(item, never).value(); }

    /// The same, with the error as a value.
    result<void> try_send(const T& item) const { return try_send_until(item, never); }

    /// The same, waiting for `span` at most: 0 if it must not wait. Error: timeout.
    template <class Rep, class Period>
    void send_for(const T& item, std::chrono::duration<Rep, Period> span) const {
        try_send_for(item, span).value();
    }
    template <class Rep, class Period>
    result<void> try_send_for(const T& item, std::chrono::duration<Rep, Period> span) const {
        if (!state_) return nowhere();
        return try_send_until(item, detail::after(state_->node().now(), detail::to_ns(span)));
    }

    /// For tasks: `co_await s.async_send(item)`. The item is encoded at once. The sender must stay
    /// until then.
    detail::sending<> async_send(const T& item) const {
        if (!state_) raise(nowhere());
        const auto& out = state_->use();
        return {*out, detail::item_frame(*out, item).value()};
    }

    /// Says that nothing more follows. Once the receiver has taken what was sent, and every other
    /// sender is closed too, it has reached its end.
    void close() const {
        if (state_) state_->use()->end();
    }

private:
    static error nowhere() {
        return error(reason::sender_closed, "this sender is connected to nothing");
    }

    result<void> try_send_until(const T& item, instant deadline) const {
        if (!state_) return nowhere();
        const auto& out = state_->use();
        return detail::send_item(*out, item, deadline);
    }
};

/// The end of a channel that receives: a queue in this context. Make it, send to_sender() to those
/// who shall fill it, and iterate it.
///
/// It has reached its end when every sender that was made is closed, or gone without having been
/// sent or used; then, at once and every time, it says end_of_stream, unless a new sender is made.
/// A sender whose context is lost is told once, as an error in the place of an item, and the others
/// go on. One that was sent with a call which did not run is never closed: close the receiver.
/// Threads: one at a time. Blocks: as item_reader; not from functions that run on the loop.
template <class T>
class receiver : public detail::item_reader<T> {
    using detail::item_reader<T>::inbox_;

public:
    /// The router must outlive it.
    explicit receiver(router& node) : receiver(node_of(node)) {}
    /// For parts of the library.
    explicit receiver(mitogen::node& host)
        : detail::item_reader<T>(detail::inbox::make(host, detail::inbox_use::channel)) {}
    receiver(receiver&&) noexcept = default;
    receiver& operator=(receiver&&) = delete;
    ~receiver() {
        if (inbox_) close();
    }

    /// A new sender. Each has a window of its own.
    sender<T> to_sender() const { return sender<T>(detail::sender_state::of(inbox_)); }

    /// Takes nothing any more: whoever sends is told. What has arrived can still be taken.
    void close() { inbox_->close(error(reason::end_of_stream, "the receiver has been closed")); }
};

/// A sender travels as the context, the handle and the window that it sends to. To encode it for a
/// context opens a port for that context; encoded for nobody it is closed.
template <class T>
struct codec<sender<T>> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 16;
    static constexpr std::size_t least = 16;
    static std::size_t size(const sender<T>&) noexcept { return fixed_size; }
    static void encode(writer& w, const sender<T>& s) {
        std::pair<context_id, detail::flow_address> where{no_context, {}};
        if (s.state_ && !w.sends_from(&s.state_->node()))
            return w.fail("a sender of another router cannot be sent: nothing would reach it");
        if (s.state_ && w.destination() != no_context)
            where = s.state_->address_for(w.destination());
        w.put_scalar(where.second.port ? where.first : no_context);
        w.put_scalar(where.second.port);
        w.put_scalar(where.second.window);
    }
    static bool decode(reader& r, sender<T>& s) {
        context_id where;
        detail::flow_address to;
        if (!r.take_scalar(where) || !r.take_scalar(to.port) || !r.take_scalar(to.window))
            return false;
        s = {};
        if (where == no_context) return true;
        const auto* place = static_cast<const detail::decode_environment*>(r.environment());
        if (!place || !place->node)
            return r.fail(
                "a sender can be decoded only where a call, its answer or an item brings it");
        // What is sent there goes on this context's authority: to who asks for it, and to no
        // handle of the library's.
        if (place->from != no_context && where != place->from)
            return r.fail("a sender of another context than the one that has sent it:", where, 16);
        if (!detail::is_port(to.port))
            return r.fail("a sender with a handle that no channel has:", to.port, 12);
        s = sender<T>(detail::sender_state::of(*place->node, where, to));
        return true;
    }
    static void signature(signature_sink& out) {
        out.put("sender<");
        codec<T>::signature(out);
        out.put('>');
    }
};

} // namespace mitogen::inline MITOGEN_ABI
