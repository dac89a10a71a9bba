// SPDX-License-Identifier: BSL-1.0
#pragma once
// flow_end.hpp: the two ends of a flow of items, as all that is typed by the items sees them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/protocol/flow.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// One thing that has arrived. The value's bytes follow the kind.
struct flow_item {
    wire::flow_frame kind = wire::flow_frame::item;
    buffer bytes{};
    context_id from = no_context; ///< who has sent it

    std::span<const std::byte> value() const noexcept {
        return std::span<const std::byte>(bytes).subspan(1);
    }
};

/// What an inbox is for.
enum class inbox_use : std::uint8_t {
    /// any number of senders: the loss of each is told once, and the end comes when all are gone
    channel,
    callee, ///< of a function's dialog: its opener sends
    /// the items of one call: they have ended when all are here and the answer is, and an error of
    /// the answer wins
    stream,
    opener, ///< a stream that begins with flow_frame::begun
};

/// The receiving end: a queue that several may fill, each within its credit. Threads: any.
class inbox {
protected:
    mitogen::node& node_;

    explicit inbox(mitogen::node& node) noexcept : node_(node) {}
    ~inbox() = default;

public:
    static std::shared_ptr<inbox> make(mitogen::node& node, inbox_use use);
    inbox(inbox&&) = delete;

    mitogen::node& node() const noexcept { return node_; }

    /// Where a sending end in `peer` sends to. Errors: why this end is closed; overloaded if no
    /// further flow may be opened, of which a channel's receiver is told as well.
    virtual result<flow_address> open_port(context_id peer) = 0;
    /// There is a sender that has no port yet: the end does not come before release().
    virtual void hold() = 0;
    virtual void release() = 0;
    /// The next item, or why there is none: the end, the loss of a sender, timeout. Not on the
    /// loop.
    virtual result<flow_item> get(instant deadline) = 0;
    /// The next item if there is one, or flow_frame::lost. Never waits.
    virtual std::optional<flow_item> take_now() = 0;
    /// True if get() would not wait.
    virtual bool ready() = 0;
    /// True if get() says that nothing follows.
    virtual bool ended() = 0;
    /// Runs `go` at the next change: now, if there is something already. On the thread that brings
    /// it, normally the loop.
    virtual void then(unique_function<void()> go, const void* key = nullptr) = 0;
    /// Takes back what was given to then() with this key. False if there is nothing: it has run, or
    /// is about to.
    virtual bool forget(const void* key) = 0;
    /// This end takes nothing any more. What has arrived stays; `why` follows it. With `tell`,
    /// whoever sends there is told.
    virtual void close(const error& why, bool tell = true) = 0;
    /// The call whose items these are is answered; null: with a value.
    virtual void answered(const error* failure) = 0;
    /// These are the items of `p`, a call of this context's own: get() looks whether it waits for
    /// itself. Until answered().
    virtual void comes_from_here(outstanding_call& p) = 0;
    /// From now on what arrives is taken and dropped, so that nobody waits for credit.
    virtual void discard() = 0;
    /// True if get() has said that it ends with this error.
    virtual bool has_told(const error& why) = 0;
};

/// The sending end. Threads: any; what one thread sends arrives in order.
class outbox {
protected:
    mitogen::node& node_;
    const context_id peer_;

    outbox(mitogen::node& node, context_id peer) noexcept : node_(node), peer_(peer) {}
    ~outbox() = default;

public:
    static std::shared_ptr<outbox> open(mitogen::node& node, context_id peer, flow_address to);
    outbox(outbox&&) = delete;

    mitogen::node& node() const noexcept { return node_; }
    context_id peer() const noexcept { return peer_; }

    /// Sends an item's message, which begins with its kind, when there is credit; waits for it
    /// until `deadline`. Errors: why the flow has ended; timeout; overloaded on the loop, which
    /// must not wait; message_too_large.
    virtual result<void> send(buffer frame, instant deadline) = 0;
    /// Sends a message that somebody else has composed, if there is credit now. False if there is
    /// none; `frame` is then as it was.
    virtual bool pass_on(buffer& frame) = 0;
    /// Sends what needs no credit.
    virtual result<void> tell(buffer frame) = 0;
    /// True if there is credit, or nothing can be sent any more.
    virtual bool ready() = 0;
    /// As inbox's, for ready().
    virtual void then(unique_function<void()> go, const void* key = nullptr) = 0;
    virtual bool forget(const void* key) = 0;
    /// Says that nothing more follows, once; send() fails from now on.
    virtual void end(wire::flow_frame how = wire::flow_frame::end) = 0;
    /// From now on send() fails with `why`; the other end hears of it at end().
    virtual void close(error why) = 0;
    /// The other end is gone: nothing needs to be said.
    virtual void on_peer_lost(error why) = 0;
    /// Why nothing can be sent any more; nothing while it can.
    virtual std::optional<error> closed() = 0;
    /// True if send() has failed with this error.
    virtual bool has_told(const error& why) = 0;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
