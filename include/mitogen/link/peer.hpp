// SPDX-License-Identifier: BSL-1.0
#pragma once
// peer.hpp: one edge of the tree: the link to a neighbour of whatever kind, and what this side
// knows about that neighbour.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/link/build_hash.hpp>
#include <mitogen/link/correspondents.hpp>
#include <mitogen/link/open_requests.hpp>
#include <mitogen/link/transport.hpp>
#include <mitogen/protocol/assembler.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

template <class Io>
class basic_router_core;

/// What is known of a neighbour when the link to it begins to carry frames.
struct peer_facts {
    context_id id = no_context;        ///< the context at the far end
    build_hash build = 0;              ///< of the program at the far end
    bool up = false;                   ///< it is this context's parent
    context_id authority = no_context; ///< what comes from there has it; no_context: only its own
};

/// One neighbour: a child, the parent, or a program that has joined. Receives the link's frames,
/// puts fragments that end here together, and hands messages to the router.
///
/// make() is the one place that makes a link. Who owns it then adds a route to it, or makes it
/// the router's way up, and start()s it.
///
/// Threads: loop, but for make() and for `transport`, whose send() any thread may call.
template <class Io>
class basic_peer final : public basic_transport<Io>::owner,
                         public std::enable_shared_from_this<basic_peer<Io>> {
    using transport_type = basic_transport<Io>;

public:
    /// What a peer tells its owner, on the loop.
    struct events {
        /// The link has ended; called once. `why` is text for people, `cause` the reason for those
        /// who wait.
        virtual void link_closed(basic_peer& gone, reason cause, const std::string& why) = 0;
        /// True while the far end is held, by a debugger or because it was stopped: its silence
        /// means nothing then.
        virtual bool ask_held() { return false; }

    protected:
        ~events() = default;
    };

private:
    struct only_make {}; // a constructor that make_shared can call, and nobody else

    basic_router_core<Io>& router_;
    events& events_;
    assembler parts_;
    instant asked_at_ = never; // the last heartbeat

public:
    const context_id id;                             ///< the context at the far end
    const build_hash build;                          ///< of the program at the far end
    const bool up;                                   ///< leads to this context's parent
    const context_id authority;                      ///< see peer_facts
    const instant since;                             ///< when it was made
    const std::shared_ptr<transport_type> transport; ///< the bytes, in both directions
    std::uint32_t levels = 0;       ///< of contexts below the far end: the most there have been
    duration_ns round_trip = never; ///< of the last heartbeat that was answered
    typename basic_correspondents<basic_peer>::partners talks{}; ///< to whom it sends through here
    std::uint32_t routes = 0;           ///< contexts below the far end, as it has announced them
    std::uint32_t leases = 0;           ///< blocks of ids that those have been given
    std::uint32_t leases_under_way = 0; ///< of these, the ones that are not answered yet
    std::uint64_t refusals = 0;         ///< what it has said that was not believed
    open_requests to_answer{};          ///< what others have asked it through here

    basic_peer(only_make, basic_router_core<Io>& node, events& to, const peer_facts& who,
               typename Io::descriptor in, typename Io::descriptor out)
        : router_(node), events_(to), id(who.id), build(who.build), up(who.up),
          authority(who.authority), since(node.loop().io().now()),
          transport(std::make_shared<transport_type>(node.loop(), *this, std::move(in),
                                                     std::move(out), node.bounds(),
                                                     node.rules().heartbeat, !who.up)) {}

    /// Makes the link over nonblocking descriptors: what the far end says, and what it hears. It
    /// has the router's limits, and the tree's heartbeat. `to` stays until the link is closed.
    static std::shared_ptr<basic_peer> make(basic_router_core<Io>& node, events& to,
                                            const peer_facts& who, typename Io::descriptor in,
                                            typename Io::descriptor out) {
        return std::make_shared<basic_peer>(only_make{}, node, to, who, std::move(in),
                                            std::move(out));
    }

    /// Begins to read. `early`: what was read already, behind the handshake.
    void start(std::span<const std::byte> early = {}) {
        transport->start();
        transport->inject(early);
    }

    /// Says something to the far end, on this context's own authority.
    void tell(handle_id handle, std::span<const std::byte> payload = {}, handle_id reply_to = 0) {
        transport->send(router_.address(id, handle, reply_to), payload, nullptr, flush_mode::soon);
    }

    /// Ends the link, and tells the owner. Nothing happens if it has ended already.
    void close(reason cause, const std::string& why) { transport->close(cause, why); }

    /// In a child made by fork(): closes the descriptors and nothing else.
    void abandon() noexcept { transport->abandon(); }

    void frame(transport_type&, const header& h, std::span<const std::byte> payload) override {
        if (authority == no_context || !router_.may_come_from(*this, h)) [[likely]]
            return take(h, payload);
        header granted = h;
        granted.auth = authority;
        take(granted, payload);
    }

    std::byte* reserve(transport_type&, const header& h) override {
        constexpr std::uint8_t part = message_flags::fragment;
        if (h.dst != router_.id() || (h.flags & (part | message_flags::first)) != part ||
            !router_.may_come_from(*this, h))
            return nullptr;
        return parts_.reserve(h, router_.bounds().queue_bytes);
    }

    void reserved_complete(transport_type&, const header& h) override {
        fragment(h, parts_.complete(h));
    }

    void closed(transport_type&, reason cause, const std::string& why) override {
        events_.link_closed(*this, cause, why);
    }

    void quiet(transport_type&, bool answer) override {
        const instant now = router_.loop().io().now();
        (void)router_.outstanding().look(now, 0, router_.id()); // so that they have an age
        if (answer) asked_at_ = now;
        tell(handles::heartbeat, {}, answer ? handles::heartbeat : 0);
    }

    bool is_held(transport_type&) override { return events_.ask_held(); }
    std::uint32_t patience(transport_type&) override { return 1 + levels; }

    /// The neighbour has answered a heartbeat.
    void heartbeat_answered() {
        if (asked_at_ != never)
            round_trip = router_.loop().io().now() - std::exchange(asked_at_, never);
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
            router_.note_refusal(*this, [] { return std::string("a stray fragment"); });
            break;
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
