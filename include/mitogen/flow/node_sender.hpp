// SPDX-License-Identifier: BSL-1.0
#pragma once
// node_sender.hpp: what copies of one sender share.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/flow/channel.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/relay.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/protocol/flow.hpp>
#include <mitogen/sync/host.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What copies of one sender share. Its last copy closes it.
class node_sender final : public sender_state, public std::enable_shared_from_this<node_sender> {

    std::shared_ptr<inbox> made_by_; // in the context of the receiver; else null
    mitogen::node& node_;
    context_id receiver_;
    flow_address to_{};
    mitogen::detail::mutex mutex_;
    std::shared_ptr<outbox> out_{}; // opened by the first use
    bool holds_ = false;            // the receiver waits for this: it was neither used nor sent yet

public:
    /// Of `made_by`'s receiver.
    explicit node_sender(std::shared_ptr<inbox> made_by)
        : made_by_(std::move(made_by)), node_(made_by_->node()), receiver_(node_.id()),
          mutex_(node_), holds_(true) {
        made_by_->hold();
    }
    /// One that was received.
    node_sender(mitogen::node& here, context_id receiver, flow_address to)
        : node_(here), receiver_(receiver), to_(to), mutex_(here) {}
    node_sender(node_sender&&) = delete;
    ~node_sender() {
        if (out_ || to_.port) use()->end();
        let_go();
    }

    mitogen::node& node() noexcept override { return node_; }

    const std::shared_ptr<outbox>& use() override {
        {
            const std::lock_guard lock(mutex_);
            if (out_) return out_;
            std::optional<error> none;
            if (made_by_) to_ = address(node_.id(), none);
            out_ = outbox::open(node_, receiver_, to_);
            if (none) out_->on_peer_lost(std::move(*none));
        }
        let_go();
        return out_;
    }

    std::pair<context_id, flow_address> address_for(context_id user) override {
        if (made_by_) {
            std::optional<error> none; // it is sent as one that is closed
            const flow_address to = address(user, none);
            let_go();
            return {receiver_, to};
        }
        // The receiver knows of this context only: what comes here is passed on.
        const auto from = inbox::make(node_, inbox_use::channel);
        const result<flow_address> here = from->open_port(user);
        if (!here) return {node_.id(), {}};
        std::make_shared<relay>(from, use(), this->shared_from_this())->run();
        return {node_.id(), *here};
    }

private:
    /// A port of the receiver, here; else why there is none.
    flow_address address(context_id user, std::optional<error>& none) {
        const result<flow_address> to = made_by_->open_port(user);
        if (to) return *to;
        none = is_end(to.error()) ? error(reason::sender_closed, "the receiver has been closed")
                                  : to.error();
        return {};
    }

    void let_go() {
        {
            const std::lock_guard lock(mutex_);
            if (!std::exchange(holds_, false)) return;
        }
        made_by_->release();
    }
};

MITOGEN_INLINE std::shared_ptr<sender_state> sender_state::of(std::shared_ptr<inbox> made_by) {
    return std::make_shared<node_sender>(std::move(made_by));
}
MITOGEN_INLINE std::shared_ptr<sender_state>
sender_state::of(mitogen::node& here, context_id receiver, flow_address to) {
    return std::make_shared<node_sender>(here, receiver, to);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
