// SPDX-License-Identifier: BSL-1.0
#pragma once
// status.hpp: the tree as one context sees it, as data and as text.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/route/link.hpp>
#include <mitogen/route/route_table.hpp>
#include <mitogen/route/router_core.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// What one context knows of another. Times and bytes are of the link between the two, and known only where there is one.
struct context_status {
    /// How the other one stands to this context.
    enum class place : std::uint8_t {
        self,   ///< it is this context
        parent, ///< above it, at the other end of a link
        child,  ///< below it, at the other end of a link
        below,  ///< reached through a child
    };

    context_id id = no_context;
    context_id parent = no_context; ///< who made it; no_context: not known here
    std::string name{};             ///< empty: not known here
    place where = place::below;
    std::size_t pending_calls = 0;  ///< of this context, that it has not answered
    std::uint64_t queue_bytes = 0;  ///< that wait to be written to it
    std::uint64_t bytes_in = 0;     ///< ever read from it
    std::uint64_t bytes_out = 0;    ///< ever written to it
    duration_ns uptime = 0;         ///< of the link
    duration_ns round_trip = never; ///< of the last heartbeat that was answered; never: there was none
    std::uint64_t late_frames = 0;  ///< of place::self: messages that came for a call or flow that had ended, and were dropped

    /// One line of text, without its end.
    MITOGEN_COLD std::string text() const {
        static constexpr const char* places[] = {"self", "parent", "child", "below"};
        std::string line = "context " + std::to_string(id) + (name.empty() ? "" : " \"" + name + "\"") + ": " +
                           places[static_cast<std::size_t>(where)];
        if (where == place::below) line += parent == no_context ? "" : " context " + std::to_string(parent);
        if (pending_calls) line += ", " + std::to_string(pending_calls) + " pending calls";
        if (late_frames) line += ", " + std::to_string(late_frames) + " late frames";
        if (where != place::parent && where != place::child) return line;
        line += ", " + std::to_string(queue_bytes) + " bytes queued, up for " + std::to_string(uptime / 1'000'000) + " ms";
        if (round_trip != never) line += ", round trip " + std::to_string(round_trip / 1'000) + " us";
        return line;
    }
};

namespace detail {

template <class Io>
void add_link_status(basic_link<Io>& link, instant now, context_status& to) {
    to.queue_bytes = link.stream->queued();
    to.bytes_in = link.stream->bytes_in();
    to.bytes_out = link.stream->bytes_out();
    to.uptime = now - link.since;
    to.round_trip = link.round_trip;
}

/// This context first, then its parent, then all below by id. Empty once the loop has ended. Threads: any.
template <class Io>
MITOGEN_COLD std::vector<context_status> status_of(basic_router_core<Io>& node) {
    using place = context_status::place;
    std::vector<context_status> all;
    node.loop().run([&] {
        const instant now = node.loop().io().now();
        const auto add = [&](context_id id, context_id parent, const std::string& name, place where) -> context_status& {
            context_status s;
            s.id = id;
            s.parent = parent;
            s.name = name;
            s.where = where;
            s.pending_calls = node.answers().open_count_of(id);
            return all.emplace_back(std::move(s));
        };
        const auto& parent = node.parent();
        add(node.id(), parent ? parent->peer : no_context, {}, place::self).late_frames = node.late_frames();
        if (parent) add_link_status(*parent, now, add(parent->peer, no_context, {}, place::parent));
        for (const auto& r : node.below()) {
            const bool direct = r.via->peer == r.id;
            context_status& s = add(r.id, r.parent, r.name, direct ? place::child : place::below);
            if (direct) add_link_status(*r.via, now, s);
        }
    });
    return all;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
