// SPDX-License-Identifier: BSL-1.0
#pragma once
// link.hpp: one edge of the tree: the stream to a neighbour, and what this side knows about that neighbour.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/loop/stream.hpp>
#include <mitogen/route/conversations.hpp>
#include <mitogen/route/route_table.hpp>
#include <mitogen/wire/assembler.hpp>
#include <mitogen/wire/handle.hpp>
#include <mitogen/wire/message.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
class basic_router_core;

/// One edge. Receives the stream's frames, puts fragments that end here together, and hands messages to the router.
///
/// Threads: loop, but for `stream`, whose send() any thread may call.
template <class Io>
class basic_link final : public basic_stream<Io>::owner, public std::enable_shared_from_this<basic_link<Io>> {
    using stream_type = basic_stream<Io>;

    basic_router_core<Io>& router_;
    assembler parts_;
    instant asked_at_ = never; // the last heartbeat

public:
    std::shared_ptr<stream_type> stream;
    context_id peer = no_context;                               ///< the context at the far end
    bool up = false;                                            ///< leads to this context's parent
    build_hash build = 0;                                       ///< of the program at the far end
    std::uint32_t levels = 0;                                   ///< of contexts below the far end: the most there have been
    instant since = 0;                                          ///< when it was made
    duration_ns round_trip = never;                             ///< of the last heartbeat that was answered
    context_id authority = no_context;                          ///< what comes from there has it; no_context: only its own
    typename basic_conversations<basic_link>::partners talks{}; ///< to whom it sends through here
    unique_function<void(basic_link&, enum reason, const std::string&)> on_closed; ///< the stream has ended; called once
    unique_function<bool()> is_held{};                                             ///< true while a debugger holds the far end

    explicit basic_link(basic_router_core<Io>& node) : router_(node) {}

    /// Makes the stream; start() it on the loop.
    void open(basic_broker<Io>& loop, typename Io::descriptor in, typename Io::descriptor out, const limits& bounds) {
        since = loop.io().now();
        stream = std::make_shared<stream_type>(loop, *this, std::move(in), std::move(out), bounds, router_.rules().heartbeat);
    }

    void frame(stream_type&, const header& h, std::span<const std::byte> payload) override {
        if (authority == no_context || !router_.may_come_from(*this, h)) [[likely]]
            return take(h, payload);
        header granted = h;
        granted.auth = authority;
        take(granted, payload);
    }

    std::byte* reserve(stream_type&, const header& h) override {
        constexpr std::uint8_t part = message_flags::fragment;
        if (h.dst != router_.id() || (h.flags & (part | message_flags::first)) != part || !router_.may_come_from(*this, h))
            return nullptr;
        return parts_.reserve(h, router_.bounds().queue_bytes);
    }

    void reserved_complete(stream_type&, const header& h) override { fragment(h, parts_.complete(h)); }

    void closed(stream_type&, enum reason cause, const std::string& why) override {
        if (on_closed) on_closed(*this, cause, why);
    }

    void quiet(stream_type& to, bool answer) override {
        if (answer) asked_at_ = router_.loop().io().now();
        to.send(router_.address(peer, handles::heartbeat, answer ? handles::heartbeat : 0), std::span<const std::byte>(), nullptr,
                urgency::soon);
    }

    bool held(stream_type&) override { return is_held && is_held(); }

    /// The neighbour has answered a heartbeat.
    void heartbeat_answered() {
        if (asked_at_ != never) round_trip = router_.loop().io().now() - std::exchange(asked_at_, never);
    }

    /// Forgets the half-received messages of a context that is gone.
    void drop_sender(context_id src) noexcept { parts_.drop_sender(src); }

private:
    void take(const header& h, std::span<const std::byte> payload) {
        if (h.dst != router_.id()) return router_.forward(*this, h, payload);
        if (!router_.may_come_from(*this, h)) return router_.refuse_source(*this, h);
        if (!(h.flags & message_flags::fragment)) {
            if (h.length > router_.most_bytes(h)) return router_.refuse_size(*this, h);
            return router_.deliver(this, message{h, payload, nullptr});
        }
        if (h.flags & message_flags::first) {
            fragment(h, parts_.announce(h, payload, router_.most_bytes(h)));
        } else {
            fragment(h, parts_.add(h, payload, router_.bounds().queue_bytes));
        }
    }

    void fragment(const header& h, assembler::outcome what) {
        switch (what) {
        case assembler::outcome::stored: break;
        case assembler::outcome::complete: {
            assembled whole = parts_.take(h);
            router_.deliver(this, message{whole.head, whole.payload, &whole.payload});
            break;
        }
        case assembler::outcome::too_large: router_.refuse_size(*this, h); break;
        case assembler::outcome::too_many: router_.refuse_number(*this, h); break;
        case assembler::outcome::stray:
            parts_.drop(h);
            log::write(log::level::warning, "dropped a stray fragment from context " + std::to_string(h.src));
            break;
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI
