// SPDX-License-Identifier: BSL-1.0
#pragma once
// item_sink.hpp: sends the items of a function that runs to its caller, until it is cancelled.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/flow/cancel_watch.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/protocol/flow.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The sink of one call.
class flow_sink final : public item_sink {
    std::shared_ptr<outbox> out_;
    cancel_watch on_cancel_;

public:
    explicit flow_sink(invocation& inv)
        : out_(outbox::open(*inv.environment.node, inv.who.id, inv.flow)),
          on_cancel_(inv, [out = out_](const error& why) { out->close(why); }) {}
    ~flow_sink() override { out_->end(wire::flow_frame::done); }

    result<void> send(buffer item) override { return out_->send(std::move(item), never); }
};

MITOGEN_INLINE std::unique_ptr<item_sink> open_item_sink(invocation& inv) {
    return std::make_unique<flow_sink>(inv);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
