// SPDX-License-Identifier: BSL-1.0
#pragma once
// route_monitor.hpp: keeps every context's knowledge of what is below it true, as contexts come and
// go.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handle.hpp>

#include <algorithm>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Routes are announced upwards only: the parent that makes a context tells its own parent, which
/// tells its own. Links are first in, first out, so that no context above sees a message from a new
/// context before it knows it. That a context is lost is told upwards, and downwards to those who
/// have sent to it: they may be waiting for it. Threads: loop, but for the constructor.
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

    MITOGEN_COLD void on_add(const message& m) {
        reader r(m.payload);
        route<basic_peer<Io>> added;
        if (!mitogen::decode(r, added.id, added.parent, added.name, added.build) || !r.finish())
            return;
        added.via = router_.routes().find(m.head.src);
        // Only from the neighbour itself. The ids of this context and those above are known:
        // whoever claims one wants their authority.
        if (!added.via || added.via->id != m.head.src || router_.has_authority(added.id) ||
            (added.parent != m.head.src &&
             !router_.routes().leads(added.parent, added.via.get()))) {
            return log::write(log::level::warning, "refused a route to context " +
                                                       std::to_string(added.id) + " from context " +
                                                       std::to_string(m.head.src));
        }
        const route<basic_peer<Io>> copy = added;
        if (!router_.routes().add(std::move(added))) {
            return log::write(log::level::warning, "refused a second route to context " +
                                                       std::to_string(copy.id) + " from context " +
                                                       std::to_string(m.head.src));
        }
        copy.via->levels = std::max(copy.via->levels, router_.routes().depth_of(copy.id));
        announce(copy);
    }

    /// A context elsewhere in the tree is lost, to which this one or somebody below it has sent.
    /// Nobody but the parent can send as the parent.
    void on_del_elsewhere(context_id gone, std::span<const std::byte> notice) {
        if (router_.has_authority(gone) || router_.routes().find(gone)) {
            return log::write(log::level::warning,
                              "the parent wants to forget the route to context " +
                                  std::to_string(gone) + ", which is known better here");
        }
        const error why = decode_error(notice, router_.paths());
        router_.on_peer_lost(gone, why);
        tell_partners(gone, notice);
    }

    /// Those below who have sent to it may be waiting for it.
    void tell_partners(context_id gone, std::span<const std::byte> notice) {
        for (const auto& link : router_.partners_of(gone)) {
            link->transport->send(router_.address(link->id, handles::del_route),
                                  mitogen::encode(gone, notice), router_.loop().lane(),
                                  flush_mode::soon);
        }
    }

    MITOGEN_COLD void on_del(const message& m) {
        reader r(m.payload);
        context_id gone{};
        std::span<const std::byte> notice;
        if (!mitogen::decode(r, gone, notice) || !r.finish()) return;
        if (const auto& parent = router_.parent(); parent && m.head.src == parent->id)
            return on_del_elsewhere(gone, notice);
        const auto via = router_.routes().find(m.head.src);
        if (!via || via->id != m.head.src || gone == m.head.src ||
            router_.routes().find(gone) != via) {
            return log::write(log::level::warning, "refused to forget the route to context " +
                                                       std::to_string(gone) + " for context " +
                                                       std::to_string(m.head.src));
        }
        via->drop_sender(gone);
        const error why = decode_error(notice, router_.paths());
        router_.on_peer_lost(gone, why, via.get());
        withdraw(gone, why);
    }

public:
    explicit basic_route_monitor(core& node) : router_(node) {
        (void)router_.add_raw_handler(handles::add_route, {.from = senders::anyone},
                                      [this](const message& m) { on_add(m); });
        (void)router_.add_raw_handler(handles::del_route, {.from = senders::anyone},
                                      [this](const message& m) { on_del(m); });
    }

    /// A context below is reachable from now on.
    void announce(const route<basic_peer<Io>>& r) {
        tell_parent(handles::add_route, r.id, r.parent, r.name, r.build);
    }

    /// A context below is lost.
    void withdraw(context_id gone, const error& why) {
        const buffer notice = encode_error(why);
        tell_parent(handles::del_route, gone, std::span<const std::byte>(notice));
        tell_partners(gone, notice);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
