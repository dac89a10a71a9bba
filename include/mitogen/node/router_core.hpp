// SPDX-License-Identifier: BSL-1.0
#pragma once
// router_core.hpp: the tree as one context sees it: who is where, what leaves this context, and who
// is lost.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/call_table.hpp>
#include <mitogen/node/dead_messages.hpp>
#include <mitogen/node/delivery.hpp>
#include <mitogen/node/handed_out.hpp>
#include <mitogen/node/handler_table.hpp>
#include <mitogen/node/lost_peers.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outgoing_calls.hpp>
#include <mitogen/node/route_table.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

template <class Io>
class activity_list;

/// Where the calls of a context run. Threads: loop.
template <class Io>
class places_of_calls {
public:
    /// Adds what runs there, and what waits for that.
    virtual void describe(activity_list<Io>& to) = 0;
    /// If who waits for that answer, which this context is to give, waits for himself in the end.
    virtual std::optional<error> cycle_of(handle_id answer) = 0;

protected:
    ~places_of_calls() = default;
};

/// Knows that contexts form a tree; creates no process and no descriptor. What it asks and what it
/// receives is in its two bases.
///
/// Threads: send(), reply(), handlers and queries any; what takes a link, the loop.
template <class Io>
class basic_router_core : public basic_outgoing_calls<basic_router_core<Io>, Io>,
                          public basic_delivery<basic_router_core<Io>, Io> {
    using outgoing_calls = basic_outgoing_calls<basic_router_core<Io>, Io>;
    using delivery = basic_delivery<basic_router_core<Io>, Io>;

public:
    using link = basic_peer<Io>;
    using open_call = basic_outstanding_call<Io>;

    /// Contexts one below the other: as many as may lie below one link.
    static constexpr std::uint32_t most_levels = 64;

private:
    using delivery::deliver_dead;
    using delivery::guarded;
    using delivery::handlers_;
    using outgoing_calls::ancestors_;
    using outgoing_calls::broker_;
    using outgoing_calls::id_;
    using outgoing_calls::limits_;
    using outgoing_calls::outstanding_;
    using outgoing_calls::own_path_;
    using typename delivery::registration;

    build_hash own_build_ = 0;
    tree_rules rules_;
    basic_route_table<link, Io> routes_;
    basic_lease_table<link> leases_;
    basic_handed_out<Io> handed_out_;
    std::shared_ptr<link> parent_;
    basic_lost_peers<Io> lost_peers_;
    places_of_calls<Io>* places_ = nullptr; // the loop's

public:
    basic_router_core(broker_engine<Io>& loop, const limits& bounds,
                      const tree_rules& rules = {.heartbeat = {0, 0}, .warnings = {0, 0}})
        : outgoing_calls(loop, bounds), delivery(loop.io()), rules_(rules), routes_(loop.io()),
          handed_out_(loop.io()), lost_peers_(loop.io()) {
        loop.warn_of_block(rules.warnings.blocked_loop);
        (void)handlers_.add(handles::ping, {}, [this](const message& m) { reply(m.head, {}, 0); });
        (void)handlers_.add(handles::heartbeat, {.from = senders::anyone},
                            [this](const message& m) { on_heartbeat(m); });
    }

    basic_router_core(basic_router_core&&) = delete;

    /// This context and those above it: the ancestors of a context directly below.
    std::vector<context_id> path() const {
        std::vector<context_id> all{id_};
        all.insert(all.end(), ancestors_.begin(), ancestors_.end());
        return all;
    }
    basic_route_table<link, Io>& routes() noexcept { return routes_; }
    /// Which ids the contexts below were given. Threads: loop.
    basic_lease_table<link>& leases() noexcept { return leases_; }
    /// The contexts below, and what is known about them.
    std::vector<route<link>> below() { return routes_.all(); }
    /// The link to the parent; null in a root.
    const std::shared_ptr<link>& parent() const noexcept { return parent_; }

    /// Makes this the context `id`, called `name`, below `ancestors`, whose names from below the
    /// root are `above`. Before any message. Threads: loop.
    void become(context_id id, std::vector<context_id> ancestors, std::vector<std::string> above,
                std::string name, std::shared_ptr<link> parent, const limits& bounds) {
        id_ = id;
        own_path_ = std::move(above);
        own_path_.push_back(std::move(name));
        ancestors_ = std::move(ancestors);
        parent_ = std::move(parent);
        limits_ = bounds;
    }

    /// What holds for the whole tree.
    const tree_rules& rules() const noexcept { return rules_; }

    /// True if `auth` is this context or one above it.
    bool has_authority(context_id auth) const noexcept {
        return auth == id_ ||
               std::find(ancestors_.begin(), ancestors_.end(), auth) != ancestors_.end();
    }

    /// Hash of this program's build; 0 until it is known.
    build_hash own_build() const noexcept { return own_build_; }
    void set_own_build(build_hash build) noexcept { own_build_ = build; }

    /// True if `id` is known to run the same build as this context, or nobody is there.
    bool same_build(context_id id) {
        // whether it is there or not
        if (!parent_ && own_build_ != 0 && routes_.common_build() == own_build_) return true;
        build_hash theirs = routes_.build_of(id);
        if (theirs == 0 && parent_ && id == parent_->id) theirs = parent_->build;
        if (theirs == 0) return id == id_ || why_lost(id) || !towards(id);
        return theirs == own_build_;
    }

    // ---- handlers

    result<void> add_raw_handler(handle_id number, handler_options options,
                                 raw_handler call) final {
        result<void> added = handlers_.add(number, options, std::move(call));
        if (added && options.respondent != no_context) follow(options.respondent);
        return added;
    }
    handle_id new_port() final { return handlers_.new_port(); }
    void remove_handler(handle_id number) final { handlers_.remove(number); }
    void count_late_frame() noexcept final { ++this->late_frames_; }

    /// Before an answer that is an error completes its call; true: it is not the last word, and
    /// somebody was asked for that.
    virtual bool ask_about(open_call&, const error&) { return false; }

    /// The name of what a question asks for: outstanding_call::subject.
    virtual std::string subject_name(const void*) { return {}; }

    MITOGEN_COLD error describe(error why, const void* subject, context_id respondent) final {
        if (!why.detail().function.empty() || !why.hops().empty() || why.detail().members)
            return why;
        std::string function = subject_name(subject);
        if (function.empty()) return why;
        error_detail d = why.detail();
        // what is lost may be another context, on the way
        if (d.context != no_context && d.context != respondent && !d.place.empty())
            d.text += " (" + d.place + ")";
        d.function = std::move(function);
        d.context = respondent;
        d.place = place_of(respondent);
        d.what.clear(); // composed anew
        if (!d.original) d.original = std::make_shared<const error>(std::move(why));
        return error(std::move(d));
    }

    /// The path of a context below, or of one that is lost, joined by dots; empty if it is not
    /// known. Threads: any.
    MITOGEN_COLD std::string place_of(context_id id) {
        std::string text = this->dotted_path_of(id);
        return text.empty() ? lost_peers_.place_of(id) : text;
    }

    /// A context by its path or, if that is not known, its number. Threads: any.
    MITOGEN_COLD std::string called(context_id id) {
        std::string path = id == id_ ? std::string("this context") : place_of(id);
        return path.empty() ? "context " + std::to_string(id) : path;
    }

    /// Where the calls of this context run; null: it executes none. Threads: loop.
    void set_places(places_of_calls<Io>* where) noexcept { places_ = where; }
    void add_places(activity_list<Io>& to) {
        if (places_) places_->describe(to);
    }
    std::optional<error> cycle_of(handle_id answer) {
        return places_ ? places_->cycle_of(answer) : std::nullopt;
    }

    /// What this context knows of paths, for errors that come from below.
    path_finder paths() noexcept {
        return {[](void* of, context_id id) {
                    return static_cast<basic_router_core*>(of)->place_of(id);
                },
                this};
    }

    // ---- sending

    result<void> send(const header& h, outgoing_bytes payload, flush_mode when) final {
        result<void> sent{};
        (void)send(h, payload, when, whose::own, sent);
        return sent;
    }

    /// The same, unless with `if_room` more of this context waits on the link already than
    /// limits::queue_bytes: then false, and nothing was sent.
    bool send(const header& h, outgoing_bytes payload, flush_mode when, bool if_room,
              result<void>& sent) {
        return send(h, payload, when, if_room ? whose::own_if_room : whose::own, sent);
    }

    /// Largest payload of a message with that header.
    std::uint64_t most_bytes(const header& h) const noexcept {
        const bool is_error = h.dead() || (h.flags & message_flags::failed);
        return is_error ? std::max<std::uint64_t>(limits_.message_bytes, error_notice_bytes)
                        : limits_.message_bytes;
    }

    /// The link that messages to `dst` leave on, or null.
    std::shared_ptr<link> towards(context_id dst) {
        if (auto below = routes_.find(dst)) return below;
        return parent_;
    }

    bool reaches(context_id id) final {
        if (id == id_ || routes_.find(id)) return true;
        if (!parent_ || lost_peers_.why_parent_lost() || lost_peers_.why_lost(id)) return false;
        follow(id);
        return true;
    }

    /// Answers a message. Threads: any.
    void reply(const header& request, outgoing_bytes payload, std::uint8_t flags,
               flush_mode when = flush_mode::soon) {
        if (!request.wants_reply()) return;
        result<void> unheard{};
        (void)send(header{.dst = request.src,
                          .src = id_,
                          .auth = id_,
                          .handle = request.reply_to,
                          .reply_to = 0,
                          .flags = flags},
                   payload, when, whose::far_ends, unheard);
    }

    void reply_dead(const header& request, const error& why) final {
        if (request.wants_reply()) send_dead(request.src, request.reply_to, why);
    }

    bool wait_for_room(context_id dst, instant deadline) final {
        if (broker_.on_loop()) return true;
        const auto via = towards(dst);
        return !via || via->transport->wait_for_room(deadline);
    }

    result<void> tell(context_id to, handle_id handle, outgoing_bytes payload,
                      bool for_room) final {
        if (for_room && !wait_for_room(to, never))
            if (std::optional<error> ended = why_interrupted(this->now()))
                return std::move(*ended); // the scope that it waited in
        return send(this->address(to, handle), payload, flush_mode::soon);
    }

    // ---- losing

    void on_disconnect(context_id id, unique_function<void(const error&)> call) final {
        if (std::optional<error> already = lost_peers_.watch(id, call))
            broker_.defer(
                [call = std::move(call), why = std::move(*already)]() mutable { call(why); });
        else
            follow(id);
    }

    /// Sees to it that this context hears of the end of `id`, wherever that is: the parent is asked
    /// to tell. The root, which knows all that there are, tells at once of one that never was or is
    /// no longer remembered. Threads: any.
    void follow(context_id id) {
        if (id == id_ || routes_.find(id)) return;
        if (!parent_) {
            broker_.defer([this, id] {
                if (!routes_.find(id) && !why_lost(id)) tell_lost(id, unreachable(id).error());
            });
        } else if (id != parent_->id && lost_peers_.begin_to_follow(id)) {
            broker_.defer([this, id] {
                (void)send(this->address(parent_->id, handles::watch_route), encode(id),
                           flush_mode::soon);
            });
        }
    }

    std::optional<error> why_lost(context_id id) final { return lost_peers_.why_lost(id); }

    std::vector<std::string> path_of(context_id id) final {
        std::vector<std::string> names;
        while (id != no_context && id != id_ && names.size() <= most_levels) {
            const route<link> known = routes_.get(id);
            if (known.id == no_context) break;
            names.insert(names.begin(), known.name);
            id = known.parent;
        }
        return names;
    }

    MITOGEN_COLD bool may_name(context_id from, context_id id, bool made_there) final {
        // In this order: whoever finds no route to what is just being lost then finds why.
        return has_authority(from) || may_name_known(from, id, made_there) ||
               lost_peers_.why_lost(id);
    }

    MITOGEN_COLD void hand_out(context_id to, context_id id) final {
        if (to == no_context) return handed_out_.add(id_, id); // in no direction: in each
        if (has_authority(to)) return;                         // may name whom it likes
        const std::shared_ptr<link> via = routes_.find(to);
        handed_out_.add(via ? via->id : no_context, id);
    }

    std::vector<context_id> ids_below() final {
        std::vector<context_id> ids;
        for (const route<link>& r : routes_.all()) ids.push_back(r.id);
        return ids;
    }

    /// The neighbour behind `gone`, and everything behind it, is lost: whoever waits for any of it
    /// is told why. Returns the ids that are lost.
    std::vector<context_id> link_lost(link& gone, const error& why) {
        std::vector<context_id> ids = routes_.ids_via(&gone);
        for (const context_id id : ids) lost_peers_.add(id, why, place_of(id));
        routes_.remove_via(&gone);
        leases_.remove_via(&gone);
        handed_out_.remove(gone.up ? no_context : gone.id);
        for (const context_id id : ids) tell_lost(id, why);
        if (gone.up) {
            lost_peers_.add_parent(why);
            outstanding_->fail_all(no_context, why);
            const auto beyond = [&](context_id id) { return id != id_ && !routes_.find(id); };
            for (const registration& r : handlers_.take_bound_if(beyond)) deliver_dead(r, why);
            call_watchers(lost_peers_.take_watchers_if(beyond), why);
        }
        return ids;
    }

    /// Counts something that came on a link and was refused; `what()` is it, in words. The first
    /// one is logged, then the tenth, the hundredth and so on: a flood makes few lines. Threads:
    /// loop.
    template <class What>
    MITOGEN_COLD void note_refusal(link& from, What what, log::level how = log::level::warning) {
        const std::uint64_t count = ++from.refusals;
        if (!log::worth_a_line(count) || !log::enabled(how)) return;
        std::string text = "refused " + what() + " from context " + std::to_string(from.id);
        if (count > 1)
            text += "; " + std::to_string(count) + " refusals of what it says so far";
        log::write(how, text);
    }

    /// One context is lost, which was reached through `via` if it had a route here.
    void on_peer_lost(context_id id, const error& why, const link* via = nullptr) {
        lost_peers_.add(id, why, place_of(id));
        if (via) routes_.remove(id, via);
        tell_lost(id, why);
    }

    /// Everything that waits is told that the router is at its end; every handler gets a dead
    /// message. Threads: any but the loop.
    void close_messages() {
        const error why(reason::broker_exited, "the router has been shut down");
        outstanding_->refuse();
        outstanding_->fail_all(no_context, why);
        bool first = false;
        const std::vector<registration> handlers = handlers_.close(first);
        if (!first) return;
        lost_peers_.close();
        // On the loop, as every call of a handler. It is also the last that the loop does for this
        // router: what was deferred before has then run.
        const auto tell = [&] {
            for (const registration& r : handlers)
                if (r.number >= first_dynamic_handle) deliver_dead(r, why);
        };
        if (!broker_.run(tell)) tell();
    }

private:
    /// may_name(), of what is not lost.
    bool may_name_known(context_id from, context_id id, bool made_there) {
        const std::shared_ptr<link> via = routes_.find(from);
        const std::shared_ptr<link> to = routes_.find(id);
        if (made_there && via)
            return to == via && routes_.steps_up(id, from, most_levels) > 0;
        if (has_authority(id)) return true; // over those above there is none to misuse
        if (to == via && (to || parent_)) return true;
        return handed_out_.has(via ? via->id : no_context, id) || handed_out_.has(id_, id);
    }

    /// A sign of life; its answer has a byte in it.
    void on_heartbeat(const message& m) {
        static constexpr std::byte here[1]{};
        if (m.head.wants_reply()) return reply(m.head, std::span<const std::byte>(here), 0);
        const std::shared_ptr<link> from = towards(m.src());
        if (!m.payload.empty() && from && from->id == m.src()) from->heartbeat_answered();
    }

    /// After its route has been removed: what is sent from then on fails by itself.
    MITOGEN_COLD void tell_lost(context_id id, const error& why) {
        outstanding_->fail_all(id, why);
        for (const registration& r : handlers_.take_bound(id)) deliver_dead(r, why);
        call_watchers(lost_peers_.take_watchers(id), why);
    }

    MITOGEN_COLD void call_watchers(std::vector<typename basic_lost_peers<Io>::watcher> told,
                                    const error& why) {
        const at_work here(named_work, "a callback of on_disconnect");
        for (auto& call : told) guarded(nullptr, {}, [&] { call(why); });
    }

    result<void> unreachable(context_id dst) {
        if (auto why = why_lost(dst)) return std::move(*why);
        return dead_message::no_route(dst, id_);
    }

    result<void> send_to_self(const header& h, outgoing_bytes payload) {
        auto copy = payload.whole ? std::make_unique<buffer>(std::move(*payload.whole))
                                  : std::make_unique<buffer>(payload.bytes);
        const bool accepted = broker_.defer([this, h, copy = std::move(copy)] {
            this->deliver(nullptr, message{h, *copy, copy.get()});
        });
        if (!accepted) return error(reason::broker_exited, "the broker has exited");
        return {};
    }

    /// On whose account a message is: basic_writer says what that means.
    enum class whose : std::uint8_t { own, own_if_room, far_ends };

    /// False if there is no room; else `sent` says whether it was sent.
    bool send(const header& h, outgoing_bytes payload, flush_mode when, whose account,
              result<void>& sent) {
        if (payload.size() > most_bytes(h)) {
            sent = dead_message::too_large_to_send(payload.size(), limits_.message_bytes);
            return true;
        }
        if (h.dst == id_) {
            sent = send_to_self(h, payload);
            return true;
        }
        const std::shared_ptr<link> below = routes_.find(h.dst);
        link* const via = below ? below.get() : parent_.get(); // the parent's link stays
        if (!via) {
            sent = unreachable(h.dst);
            return true;
        }
        basic_transport<Io>& over = *via->transport;
        if (account == whose::own_if_room && over.full()) return false;
        const void* lane = broker_.lane();
        const bool answers = account == whose::far_ends;
        const bool taken = payload.whole
                               ? over.send(h, std::move(*payload.whole), lane, when, answers)
                               : over.send(h, payload.bytes, lane, when, answers);
        if (taken || !via->up) return true;
        // A link that has just closed takes nothing; whoever waits is told when its end is looked
        // into. The parent's may have been already, and is still where everything unknown goes.
        if (std::optional<error> lost = lost_peers_.why_parent_lost()) sent = std::move(*lost);
        return true;
    }

    void send_dead(context_id dst, handle_id to, const error& why) {
        result<void> unheard{};
        (void)send(this->address(dst, to, is_dead), encode_error(why), flush_mode::soon,
                   whose::far_ends, unheard);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
