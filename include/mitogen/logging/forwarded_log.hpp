// SPDX-License-Identifier: BSL-1.0
#pragma once
// forwarded_log.hpp: log records of the contexts below, as they arrive.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/logging/log_forwarder.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>

#include <cstdint>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Receives the records of the contexts below: shows them here in a root, passes them on elsewhere.
template <class Io>
void receive_forwarded_logs(basic_router_core<Io>& node, log_forwarder<Io>& up) {
    (void)node.add_raw_handler(
        handles::forward_log, {.from = senders::anyone}, [&node, &up](const message& m) {
            reader r(m.payload);
            context_id origin{};
            std::uint8_t level{};
            std::string_view logger;
            std::string_view text;
            std::uint64_t lost{};
            if (!decode(r, origin, level, logger, text, lost) || !r.finish() ||
                level > static_cast<std::uint8_t>(log::level::error))
                return;
            // nobody speaks for a context that is not below it
            if (origin != m.head.src && !node.routes().find(origin)) return;
            const auto severity = static_cast<log::level>(level);
            if (node.parent()) return up.pass(origin, severity, logger, text, lost);
            const auto known = node.routes().get(origin);
            const at_work here(named_work, "the log's sink");
            log::emit({severity, origin, known.name, logger, text});
        });
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
