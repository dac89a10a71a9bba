// SPDX-License-Identifier: BSL-1.0
#pragma once
// status_of.hpp: takes the tree as one context sees it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/node/route_table.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/node/status/status.hpp>

#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

template <class Io>
void add_link_status(basic_peer<Io>& link, instant now, context_status& to) {
    to.queue_bytes = link.transport->queued();
    to.bytes_in = link.transport->bytes_in();
    to.bytes_out = link.transport->bytes_out();
    to.uptime = now - link.since;
    to.round_trip = link.round_trip;
}

/// This context first, then its parent, then all below by id. Empty once the loop has ended.
/// Threads: any.
template <class Io>
MITOGEN_COLD std::vector<context_status> status_of(basic_router_core<Io>& node) {
    using place = context_status::place;
    std::vector<context_status> all;
    node.loop().run([&] {
        const instant now = node.loop().io().now();
        const auto add = [&](context_id id, context_id parent, const std::string& name,
                             place where) -> context_status& {
            context_status s;
            s.id = id;
            s.parent = parent;
            s.name = name;
            s.where = where;
            s.pending_calls = node.outstanding().open_count_of(id);
            return all.emplace_back(std::move(s));
        };
        const auto& parent = node.parent();
        add(node.id(), parent ? parent->id : no_context, {}, place::self).late_frames =
            node.late_frames();
        if (parent) add_link_status(*parent, now, add(parent->id, no_context, {}, place::parent));
        for (const auto& r : node.below()) {
            const bool direct = r.via->id == r.id;
            context_status& s = add(r.id, r.parent, r.name, direct ? place::child : place::below);
            if (direct) add_link_status(*r.via, now, s);
        }
    });
    return all;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
