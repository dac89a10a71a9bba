// SPDX-License-Identifier: BSL-1.0
#pragma once
// link.hpp: one edge of the tree: the stream to a neighbour, and what this side knows about that neighbour.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/loop/stream.hpp>
#include <mitogen/route/route_table.hpp>
#include <mitogen/wire/assembler.hpp>
#include <mitogen/wire/message.hpp>

#include <cstddef>
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
class basic_link final : public basic_stream<Io>::owner {
    using stream_type = basic_stream<Io>;

    basic_router_core<Io>& router_;
    assembler parts_;

public:
    std::shared_ptr<stream_type> stream;
    context_id peer = no_context;                                                  ///< the context at the far end
    bool up = false;                                                               ///< leads to this context's parent
    build_hash build = 0;                                                          ///< of the program at the far end
    unique_function<void(basic_link&, enum reason, const std::string&)> on_closed; ///< the stream has ended; called once

    explicit basic_link(basic_router_core<Io>& node) : router_(node) {}

    /// Makes the stream; start() it on the loop.
    void open(basic_broker<Io>& loop, typename Io::descriptor in, typename Io::descriptor out, const limits& bounds) {
        stream = std::make_shared<stream_type>(loop, *this, std::move(in), std::move(out), bounds);
    }

    void frame(stream_type&, const header& h, std::span<const std::byte> payload) override {
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

    /// Forgets the half-received messages of a context that is gone.
    void drop_sender(context_id src) noexcept { parts_.drop_sender(src); }

private:
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
