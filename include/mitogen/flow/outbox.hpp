// SPDX-License-Identifier: BSL-1.0
#pragma once
// outbox.hpp: the sending end of a flow.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/watchers.hpp>
#include <mitogen/node/dead_messages.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/flow.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/sync/host.hpp>

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Sends items as the receiving end gives credit for them. Its own handle is bound to that end's
/// context: of credit, of the receiver's end and of the loss of its context it hears from nobody
/// else.
///
/// Threads: any; what one thread sends arrives in order.
class node_outbox final : public outbox, public std::enable_shared_from_this<node_outbox> {
    handle_id port_; // there
    handle_id own_;  // here
    mitogen::detail::mutex mutex_;
    mitogen::detail::condition changed_;
    wire::flow_credit credit_;
    std::uint64_t sent_ = 0;      // items
    std::optional<error> closed_; // why nothing can be sent any more
    bool told_ = false;           // the other end knows of it, or is gone
    bool reason_told_ = false;    // send() has said why
    watchers watchers_;           // run when there is credit or nothing can be sent any more

    node_outbox(mitogen::node& node, context_id peer, flow_address to)
        : outbox(node, peer), port_(to.port), own_(node.new_port()), mutex_(node),
          credit_(to.window) {}

public:
    static std::shared_ptr<node_outbox> open(mitogen::node& node, context_id peer,
                                             flow_address to) {
        std::shared_ptr<node_outbox> made(new node_outbox(node, peer, to));
        const result<void> added =
            node.add_raw_handler(made->own_, {.from = senders::anyone, .respondent = peer},
                                 [made](const message& m) { made->hear(m); });
        if (!added) made->on_peer_lost(added.error());
        // before the handler could be told
        if (const std::optional<error> lost = node.why_lost(peer)) made->on_peer_lost(*lost);
        return made;
    }

    /// Sends an item's message, which begins with its kind, when there is credit; waits for it
    /// until `deadline`. Errors: why the flow has ended; timeout; overloaded on the loop, which
    /// must not wait; message_too_large.
    result<void> send(buffer frame, instant deadline) override {
        if (frame.size() > node_.bounds().message_bytes)
            return dead_message::too_large_to_send(frame.size(), node_.bounds().message_bytes);
        if (!node_.wait_for_room(peer_, deadline))
            return wait_ended(node_.now(), deadline, "the link took no more before the deadline");
        {
            std::unique_lock lock(mutex_);
            const auto ready = [this] { return closed_ || credit_.may_send(); };
            if (!ready() &&
                (node_.on_loop() ||
                 !changed_.wait(lock, node_, deadline, ready, {"credit for an item", peer_, "to"})))
                return no_credit(deadline);
            if (closed_) {
                reason_told_ = true;
                return *closed_;
            }
            enter(frame);
        }
        return post(std::move(frame));
    }

    /// Sends a message that somebody else has composed, if there is credit now. False if there is
    /// none; `frame` is then as it was.
    bool pass_on(buffer& frame) override {
        {
            const std::lock_guard lock(mutex_);
            if (closed_ || !credit_.may_send()) return false;
            enter(frame);
        }
        (void)post(std::move(frame));
        return true;
    }

    /// True if there is credit, or nothing can be sent any more.
    bool ready() override {
        const std::lock_guard lock(mutex_);
        return closed_ || credit_.may_send();
    }

    /// Runs `go` once, when ready(): now, if that is so.
    void then(unique_function<void()> go, const void* key) override {
        {
            const std::lock_guard lock(mutex_);
            if (!closed_ && !credit_.may_send()) return watchers_.add(key, std::move(go));
        }
        go();
    }

    /// Takes back what was given to then() with this key. False if there is nothing: it has run, or
    /// is about to.
    bool forget(const void* key) override {
        watchers gone; // destroyed without the lock
        const std::lock_guard lock(mutex_);
        gone = watchers_.take(key);
        return !gone.empty();
    }

    /// Sends what needs no credit.
    result<void> tell(buffer frame) override {
        if (const std::optional<error> why = closed()) return *why;
        return post(std::move(frame));
    }

    /// Says that nothing more follows, once; send() fails from now on.
    void end(wire::flow_frame how) override {
        std::uint64_t items = 0;
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(told_, true)) return;
            items = sent_;
        }
        close(error(reason::sender_closed, "this end has been closed"));
        (void)post(encode(static_cast<std::uint8_t>(how), items));
    }

    /// From now on send() fails with `why`; the other end hears of it at end().
    void close(error why) override {
        watchers tell;
        {
            const std::lock_guard lock(mutex_);
            if (closed_) return;
            closed_.emplace(std::move(why));
            changed_.notify_all();
            tell = watchers_.take();
        }
        node_.remove_handler(own_);
        tell.run();
    }

    /// The other end is gone: nothing needs to be said.
    void on_peer_lost(error why) override {
        {
            const std::lock_guard lock(mutex_);
            told_ = true;
        }
        close(std::move(why));
    }

    /// Why nothing can be sent any more; nothing while it can.
    std::optional<error> closed() override {
        const std::lock_guard lock(mutex_);
        return closed_;
    }

    bool has_told(const error& why) override {
        const std::lock_guard lock(mutex_);
        return reason_told_ && closed_->same_as(why);
    }

private:
    result<void> post(buffer frame) {
        result<void> sent =
            node_.send(node_.address(peer_, port_, own_), std::move(frame), flush_mode::soon);
        if (!sent) on_peer_lost(sent.error());
        return sent;
    }

    /// Under the mutex.
    void enter(const buffer& frame) noexcept {
        credit_.spend(frame.size());
        ++sent_;
    }

    error no_credit(instant deadline) const {
        if (node_.on_loop())
            return error(reason::overloaded,
                         "the receiver takes no more now, and the loop must not wait for it");
        return wait_ended(node_.now(), deadline, "the receiver took no more before the deadline");
    }

    /// On the loop.
    void hear(const message& m) {
        if (m.dead()) return on_peer_lost(receiver_gone(m));
        reader r(m.payload);
        std::uint8_t kind{};
        std::uint64_t bytes{};
        if (!decode(r, kind)) return;
        if (kind == static_cast<std::uint8_t>(wire::flow_frame::stop))
            return on_peer_lost(error(reason::sender_closed, "the receiver has been closed"));
        if (kind != static_cast<std::uint8_t>(wire::flow_frame::credit) || !decode(r, bytes) ||
            !r.finish())
            return;
        watchers tell;
        {
            const std::lock_guard lock(mutex_);
            credit_.grant(bytes);
            changed_.notify_all();
            if (credit_.may_send()) tell = watchers_.take();
        }
        tell.run();
    }

    static error receiver_gone(const message& m) {
        error why = decode_error(m.payload);
        if (why.reason() == reason::invalid_handle)
            return error(reason::sender_closed, "the receiver has been closed");
        return why;
    }
};

MITOGEN_INLINE std::shared_ptr<outbox> outbox::open(mitogen::node& node, context_id peer,
                                                    flow_address to) {
    return node_outbox::open(node, peer, to);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
