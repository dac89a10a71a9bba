// SPDX-License-Identifier: BSL-1.0
#pragma once
// route_monitor.hpp: keeps every context's knowledge of what is below it true, as contexts come and
// go.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handle.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Routes are announced upwards only: the parent that makes a context tells its own parent, which
/// tells its own. Links are first in, first out, so that no context above sees a message from a new
/// context before it knows it. That a context is lost is told upwards, and downwards to those who
/// have sent to it: they may be waiting for it. Its last words are for those above it alone.
///
/// A route is believed inside a lease only: see basic_lease_table. What is refused is counted and
/// named in the log, see basic_router_core::note_refusal. Threads: loop, but for the constructor.
template <class Io>
class basic_route_monitor {
    using core = basic_router_core<Io>;

    core& router_;

    template <class... Values>
    void tell_parent(handle_id handle, const Values&... values) {
        const auto& parent = router_.parent();
        if (!parent) return;
        (void)router_.send(router_.address(parent->id, handle), mitogen::encode(values...),
                           flush_mode::soon);
    }

    using link = basic_peer<Io>;

    // they lengthen the time that the neighbour has to end in: a claim shall not do so for ever
    static constexpr std::uint32_t counted_levels = 10;
    // what a lost context's last words may take: beyond that they are left out
    static constexpr std::size_t most_notice = 64u << 10;

    /// The link that `m` came on if it is the neighbour's own word; else null, and counted.
    std::shared_ptr<link> from_neighbour(const message& m) {
        std::shared_ptr<link> from = router_.routes().find(m.head.src);
        if (from && from->id != m.head.src) {
            router_.note_refusal(*from, [&] {
                return "what context " + std::to_string(m.head.src) + " says of routes";
            });
            return nullptr;
        }
        return from;
    }

    MITOGEN_COLD void on_add(const message& m) {
        const std::shared_ptr<link> from = from_neighbour(m);
        if (!from) return;
        reader r(m.payload);
        route<link> added;
        std::string_view name;
        if (!mitogen::decode(r, added.id, added.parent, name, added.build) || !r.finish())
            return router_.note_refusal(*from,
                                        [] { return std::string("a route that does not decode"); });
        const std::uint32_t levels =
            router_.routes().steps_up(added.parent, from->id, router_.most_levels - 1) + 1;
        if (const char* why = why_not(*from, added, name, levels)) {
            return router_.note_refusal(*from, [&] {
                return "a route to context " + std::to_string(added.id) + " (" + why + ")";
            });
        }
        added.name = name.empty() ? "context." + std::to_string(added.id) : visible_name(name);
        added.via = from;
        const route<link> copy = added;
        router_.routes().add(std::move(added));
        ++from->routes;
        from->levels = std::max(from->levels, std::min(levels, counted_levels));
        announce(copy);
    }

    /// Why a route is not believed; null if it is. Only ids that were given to those behind that
    /// link are: nobody takes the place of a context that there is, or will be, elsewhere.
    const char* why_not(const link& from, const route<link>& added, std::string_view name,
                        std::uint32_t levels) {
        if (!router_.leases().holds(added.id, &from)) return "that id was not given to it";
        if (router_.routes().find(added.id)) return "it is taken";
        if (router_.why_lost(added.id)) return "it has been lost";
        if (added.parent != from.id && levels == 1)
            return "what it is said to be below is not there";
        if (from.routes >= router_.bounds().routes) return "limits::routes";
        if (name.size() > most_name) return "its name is too long";
        return nullptr;
    }

    /// A context elsewhere in the tree is lost, to which this one or somebody below it has sent.
    /// Nobody but the parent can send as the parent.
    void on_del_elsewhere(context_id gone, std::span<const std::byte> notice) {
        if (router_.has_authority(gone) || router_.routes().find(gone)) {
            return log::write(log::level::warning,
                              "the parent wants to forget the route to context " +
                                  std::to_string(gone) + ", which is known better here");
        }
        if (!router_.why_lost(gone))
            router_.on_peer_lost(gone, decode_error(notice, router_.paths()));
        tell_partners(gone, notice);
    }

    /// `answers`: because it has asked.
    void tell(link& below, context_id gone, std::span<const std::byte> notice,
              bool answers = false) {
        (void)below.transport->send(router_.address(below.id, handles::del_route),
                                    mitogen::encode(gone, notice), router_.loop().lane(),
                                    flush_mode::soon, answers);
    }

    /// Those below who have sent to it may be waiting for it.
    void tell_partners(context_id gone, std::span<const std::byte> notice) {
        for (const auto& partner : router_.partners_of(gone)) tell(*partner, gone, notice);
    }

    MITOGEN_COLD void on_del(const message& m) {
        reader r(m.payload);
        context_id gone{};
        std::span<const std::byte> notice;
        const bool decoded = mitogen::decode(r, gone, notice) && r.finish();
        if (const auto& parent = router_.parent(); parent && m.head.src == parent->id) {
            if (decoded) on_del_elsewhere(gone, notice);
            return;
        }
        const std::shared_ptr<link> via = from_neighbour(m);
        if (!via) return;
        if (!decoded || gone == via->id || router_.routes().find(gone) != via) {
            return router_.note_refusal(*via, [&] {
                return decoded ? "to forget the route to context " + std::to_string(gone)
                               : std::string("a lost route that does not decode");
            });
        }
        via->drop_sender(gone);
        const error why =
            notice.size() > most_notice
                ? error(reason::respondent_lost, "context " + std::to_string(gone) +
                                                     " is lost; why takes more than 64 KiB to say")
                : decode_error(notice, router_.paths());
        router_.on_peer_lost(gone, why, via.get());
        if (via->routes > 0) --via->routes;
        withdraw(gone, why);
    }

    /// A neighbour below wants to be told when a context is lost: now, if that has been lost, or if
    /// there is none.
    MITOGEN_COLD void on_watch(const message& m) {
        const std::shared_ptr<link> from = from_neighbour(m);
        if (!from) return;
        const result<context_id> id = mitogen::decode<context_id>(m.payload);
        if (!id)
            return router_.note_refusal(*from,
                                        [] { return std::string("a watch that does not decode"); });
        if (*id == router_.id()) return; // it is told by the end of the link
        const bool here = router_.routes().find(*id) != nullptr;
        std::optional<error> lost = here ? std::nullopt : router_.why_lost(*id);
        if (!lost && (here || router_.parent())) {
            router_.add_partner(*from, *id);
            return router_.follow(*id);
        }
        if (!lost) lost = dead_message::no_route(*id, router_.id());
        tell(*from, *id, encode_error(without_last_words(*lost)), true);
    }

public:
    explicit basic_route_monitor(core& node) : router_(node) {
        (void)router_.add_raw_handler(handles::add_route, {.from = senders::anyone},
                                      [this](const message& m) { on_add(m); });
        (void)router_.add_raw_handler(handles::del_route, {.from = senders::anyone},
                                      [this](const message& m) { on_del(m); });
        (void)router_.add_raw_handler(handles::watch_route, {.from = senders::anyone},
                                      [this](const message& m) { on_watch(m); });
    }

    /// A context below is reachable from now on.
    void announce(const route<basic_peer<Io>>& r) {
        tell_parent(handles::add_route, r.id, r.parent, r.name, r.build);
    }

    /// A context below is lost.
    void withdraw(context_id gone, const error& why) {
        const buffer notice = encode_error(why);
        tell_parent(handles::del_route, gone, std::span<const std::byte>(notice));
        tell_partners(gone, encode_error(without_last_words(why)));
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
