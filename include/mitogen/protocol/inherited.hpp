// SPDX-License-Identifier: BSL-1.0
#pragma once
// inherited.hpp: the wire forms of what a context takes over from the one above it: limits and the
// rules of the tree.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/scalars.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>

namespace mitogen::inline MITOGEN_ABI {

/// The members in order.
template <>
struct codec<limits> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8 + 8 + 4 + 4 + 4 + 4 + 8 + 4;

    static void encode(writer& w, const limits& l) noexcept {
        w.put_scalar(l.message_bytes);
        w.put_scalar(l.queue_bytes);
        w.put_scalar(l.nesting);
        w.put_scalar(l.elements);
        w.put_scalar(l.open_calls);
        w.put_scalar(l.window_bytes);
        w.put_scalar(l.flow_bytes);
        w.put_scalar(l.routes);
    }
    static bool decode(reader& r, limits& l) {
        return r.take_scalar(l.message_bytes) && r.take_scalar(l.queue_bytes) &&
               r.take_scalar(l.nesting) && r.take_scalar(l.elements) &&
               r.take_scalar(l.open_calls) && r.take_scalar(l.window_bytes) &&
               r.take_scalar(l.flow_bytes) && r.take_scalar(l.routes);
    }
    static void signature(signature_sink& s) { s.put("limits"); }
};

/// The members in order, those of the heartbeat and of the warnings as well.
template <>
struct codec<tree_rules> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8 + 8 + 1 + 8 + 8 + 1;

    static void encode(writer& w, const tree_rules& t) noexcept {
        w.put_scalar(t.heartbeat.interval);
        w.put_scalar(t.heartbeat.limit);
        codec<bool>::encode(w, t.unidirectional);
        w.put_scalar(t.warnings.blocked_loop);
        w.put_scalar(t.warnings.queued_call);
        codec<bool>::encode(w, t.debug);
    }
    static bool decode(reader& r, tree_rules& t) {
        return r.take_scalar(t.heartbeat.interval) && r.take_scalar(t.heartbeat.limit) &&
               codec<bool>::decode(r, t.unidirectional) &&
               r.take_scalar(t.warnings.blocked_loop) &&
               r.take_scalar(t.warnings.queued_call) && codec<bool>::decode(r, t.debug);
    }
    static void signature(signature_sink& s) { s.put("tree_rules"); }
};

/// The members in order.
template <>
struct codec<log::bounds> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8 + 8 + 4 + 8;

    static void encode(writer& w, const log::bounds& b) noexcept {
        w.put_scalar(b.lines_per_second);
        w.put_scalar(b.bytes_per_second);
        w.put_scalar(b.seconds_at_once);
        w.put_scalar(b.queue_bytes);
    }
    static bool decode(reader& r, log::bounds& b) {
        return r.take_scalar(b.lines_per_second) && r.take_scalar(b.bytes_per_second) &&
               r.take_scalar(b.seconds_at_once) && r.take_scalar(b.queue_bytes);
    }
    static void signature(signature_sink& s) { s.put("log_bounds"); }
};

} // namespace mitogen::inline MITOGEN_ABI
