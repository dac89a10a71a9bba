// SPDX-License-Identifier: BSL-1.0
#pragma once
// relay.hpp: passes items on: what a sender becomes that was received and is sent on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/flow/flow_end.hpp>

#include <memory>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Passes the items of one inbox on to an outbox, undecoded, as that has credit for them. `owner`
/// keeps the outbox open and is let go at the end. Runs where items and credit arrive, normally on
/// the loop; never waits.
class relay : public std::enable_shared_from_this<relay> {
    std::shared_ptr<inbox> from_;
    std::shared_ptr<outbox> to_;
    std::shared_ptr<void> owner_;
    std::optional<flow_item> next_{}; // taken, and not passed on yet

public:
    relay(std::shared_ptr<inbox> from, std::shared_ptr<outbox> to, std::shared_ptr<void> owner)
        : from_(std::move(from)), to_(std::move(to)), owner_(std::move(owner)) {}

    void run() {
        for (;;) {
            if (std::optional<error> why = to_->closed()) return end(*why);
            if (!next_) next_ = from_->take_now();
            if (!next_) {
                if (from_->ended())
                    return end(error(reason::end_of_stream, "every sender is closed"));
                if (!from_->ready())
                    return from_->then([self = this->shared_from_this()] { self->run(); });
                continue;
            }
            if (!to_->pass_on(next_->bytes))
                return to_->then([self = this->shared_from_this()] { self->run(); });
            next_.reset();
        }
    }

private:
    void end(const error& why) {
        from_->close(why);
        owner_.reset(); // the last use of the sender says its end
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
