// SPDX-License-Identifier: BSL-1.0
#pragma once
// router_core.hpp: decides what happens to each message: delivered here, passed on, or answered with the reason why not.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/route/asking.hpp>
#include <mitogen/route/call_port.hpp>
#include <mitogen/route/conversations.hpp>
#include <mitogen/route/departures.hpp>
#include <mitogen/route/error_notice.hpp>
#include <mitogen/route/handler_table.hpp>
#include <mitogen/route/link.hpp>
#include <mitogen/route/pending.hpp>
#include <mitogen/route/route_table.hpp>
#include <mitogen/wire/handle.hpp>
#include <mitogen/wire/message.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// The tree as one context sees it. Knows that contexts form a tree; creates no process and no descriptor.
///
/// Threads: send(), reply(), handlers and queries any; what takes a link, the loop.
template <class Io>
class basic_router_core : public basic_asking<basic_router_core<Io>, Io> {
    using asking = basic_asking<basic_router_core<Io>, Io>;
    friend asking;

public:
    using link = basic_link<Io>;
    using pending = basic_pending<Io>;
    using raw_handler = typename basic_handler_table<Io>::raw_handler;

private:
    using asking::broker_;
    using asking::id_;
    using asking::limits_;
    using asking::pending_;

    std::vector<context_id> ancestors_; // parent first, root last
    build_hash own_build_ = 0;
    tree_rules rules_;
    basic_route_table<link, Io> routes_;
    std::shared_ptr<link> parent_;
    basic_handler_table<Io> handlers_;
    basic_departures<Io> departures_;
    basic_conversations<link> conversations_;

public:
    basic_router_core(basic_broker<Io>& loop, const limits& bounds, const tree_rules& rules = {.heartbeat = {0, 0}})
        : asking(loop, bounds), rules_(rules), routes_(loop.io()), handlers_(loop.io()), departures_(loop.io()) {
        (void)add_raw_handler(handles::ping, {}, [this](const message& m) { reply(m.head, {}, 0); });
        (void)add_raw_handler(handles::heartbeat, {.from = accept::anyone}, [this](const message& m) { on_heartbeat(m); });
    }

    basic_router_core(basic_router_core&&) = delete;

    /// The contexts above this one: parent first, root last.
    const std::vector<context_id>& ancestors() const noexcept { return ancestors_; }
    basic_route_table<link, Io>& routes() noexcept { return routes_; }
    /// The link to the parent; null in a root.
    const std::shared_ptr<link>& parent() const noexcept { return parent_; }

    /// Makes this the context `id` below `ancestors`. Before any message. Threads: loop.
    void become(context_id id, std::vector<context_id> ancestors, std::shared_ptr<link> parent, const limits& bounds) {
        id_ = id;
        ancestors_ = std::move(ancestors);
        parent_ = std::move(parent);
        limits_ = bounds;
    }

    /// What holds for the whole tree.
    const tree_rules& rules() const noexcept { return rules_; }

    /// True if `auth` is this context or one above it.
    bool has_authority(context_id auth) const noexcept {
        return auth == id_ || std::find(ancestors_.begin(), ancestors_.end(), auth) != ancestors_.end();
    }

    /// Hash of this program's build; 0 until it is known.
    build_hash own_build() const noexcept { return own_build_; }
    void set_own_build(build_hash build) noexcept { own_build_ = build; }

    /// True if `id` is known to run the same build as this context.
    bool same_build(context_id id) final {
        build_hash theirs = routes_.build_of(id);
        if (theirs == 0 && parent_ && id == parent_->peer) theirs = parent_->build;
        return id == id_ || (theirs != 0 && theirs == own_build_);
    }

    // ---- handlers

    /// Registers `call` for raw messages. An error where the number is taken, or the router is closed. Threads: any. `call` runs
    /// on the loop.
    result<void> add_raw_handler(handle_id number, handler_options options, raw_handler call) {
        return handlers_.add(number, options, std::move(call));
    }

    /// A number that no handler of this run has had.
    handle_id new_handle() { return handlers_.new_handle(); }

    /// Removes a handler; a call of it that is under way ends undisturbed. Threads: any.
    void remove_handler(handle_id number) { handlers_.remove(number); }

    /// Runs `call` on the loop when `id` is lost; at once where it is lost already. Threads: any.
    void on_disconnect(context_id id, unique_function<void(const error&)> call) {
        if (std::optional<error> already = departures_.watch(id, call))
            broker_.defer([call = std::move(call), why = std::move(*already)]() mutable { call(why); });
    }

    /// Why `id` is gone, as far as it is remembered.
    std::optional<error> why_lost(context_id id) { return departures_.why_lost(id); }

    // ---- sending

    /// The header of a message from this context, on its own authority.
    header address(context_id dst, handle_id handle, handle_id reply_to = 0) const noexcept {
        return {.dst = dst, .src = id_, .auth = id_, .handle = handle, .reply_to = reply_to};
    }

    /// Sends a message. On failure the error says why; nothing was sent. Threads: any. Never blocks.
    result<void> send(const header& h, outgoing_bytes payload, urgency when) {
        if (payload.size() > most_bytes(h)) return too_large(payload.size());
        if (h.dst == id_) return send_to_self(h, payload);
        const std::shared_ptr<link> via = towards(h.dst);
        if (!via) return unreachable(h.dst);
        const void* lane = broker_.io().self();
        const bool taken = payload.whole ? via->stream->send(h, std::move(*payload.whole), lane, when)
                                         : via->stream->send(h, payload.bytes, lane, when);
        if (taken) return {};
        // A link that has just closed takes nothing; whoever waits is told when its end is looked into. The parent's may have
        // been already, and is still where everything unknown goes.
        if (via->up) {
            if (std::optional<error> lost = departures_.why_parent_lost()) return std::move(*lost);
        }
        return {};
    }

    /// Largest payload of a message with that header.
    std::uint64_t most_bytes(const header& h) const noexcept {
        const bool is_error = h.dead() || (h.flags & message_flags::failed);
        return is_error ? std::max<std::uint64_t>(limits_.message_bytes, error_notice_bytes) : limits_.message_bytes;
    }

    /// The link that messages to `dst` leave on, or null.
    std::shared_ptr<link> towards(context_id dst) {
        if (auto below = routes_.find(dst)) return below;
        return parent_;
    }

    /// Answers a message. Threads: any.
    void reply(const header& request, outgoing_bytes payload, std::uint8_t flags, urgency when = urgency::soon) {
        if (!request.wants_reply()) return;
        (void)send(header{.dst = request.src, .src = id_, .auth = id_, .handle = request.reply_to, .reply_to = 0, .flags = flags},
                   payload, when);
    }

    /// Answers a message with a dead message. Nothing happens where no answer is wanted.
    void reply_dead(const header& request, const error& why) {
        if (request.wants_reply()) send_dead(request.src, request.reply_to, why);
    }

    /// Sleeps while the link to `dst` holds more unsent bytes than limits::queue_bytes. Not on the loop, where it returns at
    /// once.
    void wait_for_room(context_id dst) {
        if (broker_.on_loop()) return;
        if (const auto via = towards(dst)) via->stream->wait_for_room(never);
    }

    result<void> tell(context_id to, handle_id handle, outgoing_bytes payload, bool for_room) final {
        if (for_room) wait_for_room(to);
        return send(address(to, handle), payload, urgency::soon);
    }

    // ---- receiving, on the loop

    /// True if `h` may have come on `from`: both who sent it and on whose authority must lie in that direction.
    bool may_come_from(const link& from, const header& h) {
        if (from.up) return h.src != id_;
        return (h.src == from.peer || routes_.leads(h.src, &from)) &&
               (h.auth == h.src || h.auth == from.peer || (h.auth == from.authority && h.auth != no_context) ||
                routes_.leads(h.auth, &from));
    }

    /// A message or fragment for another context.
    void forward(link& from, const header& h, std::span<const std::byte> payload) {
        if (!may_come_from(from, h)) return refuse_source(from, h);
        std::shared_ptr<link> to = routes_.find(h.dst);
        if (!to && !from.up) to = parent_;
        if (to && rules_.unidirectional && between_siblings(from, *to)) return refuse_mode(from, h);
        bool crowded = false;
        if (to && to.get() != &from && to->stream->forward(h, payload, crowded)) {
            if (crowded) to->stream->hold(*from.stream);
            if (!from.up) conversations_.note(from, h.dst);
            return;
        }
        if (!answers_once(h)) return;
        send_dead_on(
            from, h,
            error(reason::no_route, "no route to context " + std::to_string(h.dst) + ", my id is " + std::to_string(id_)));
    }

    /// A message that arrived whole for this context. `from` is null where this context sent it.
    void deliver(link* from, const message& m) {
        if (m.head.handle > UINT32_MAX) return answer(from, m);
        // What comes down from the parent is no exception: it passes on what siblings send.
        const auto taker = handlers_.select(m.head, [&] { return !from || has_authority(m.head.auth); });
        if (taker.call) return guarded(m, [&] { (*taker.call)(m); });
        if (!taker.call && m.head.handle == handles::call_function && from && !has_authority(m.head.auth))
            return refuse_upward_call(m);
        const std::string handle_text = "handle " + std::to_string(m.head.handle) + " of context " + std::to_string(id_);
        if (!taker.refusal)
            return reply_dead(m.head, error(reason::invalid_handle, "nothing is registered under " + handle_text));
        log::write(log::level::warning,
                   "refused a message from context " + std::to_string(m.head.src) + " to " + handle_text + ": " + taker.refusal);
        reply_dead(m.head, error(reason::refused_by_policy, handle_text + " refused the message: " + taker.refusal));
    }

    /// A message whose sender or authority does not lie where it came from.
    void refuse_source(link& from, const header& h) {
        if (!answers_once(h)) return;
        log::write(log::level::warning, "context " + std::to_string(from.peer) + " sent a message as context " +
                                            std::to_string(h.src) + " on the authority of context " + std::to_string(h.auth) +
                                            ": refused");
        send_dead_on(from, h,
                     error(reason::unauthorised, "context " + std::to_string(from.peer) + " may not send as context " +
                                                     std::to_string(h.src) + " on the authority of context " +
                                                     std::to_string(h.auth)));
    }

    /// A message whose announced size is over the limit.
    void refuse_size(link& from, const header& h) {
        refuse(from, h,
               error(reason::message_too_large, "the message is larger than the " + std::to_string(limits_.message_bytes) +
                                                    " bytes that context " + std::to_string(id_) + " accepts"));
    }

    /// A large message that begins while too many others are under way on that link.
    void refuse_number(link& from, const header& h) {
        refuse(from, h,
               error(reason::overloaded, "context " + std::to_string(id_) + " receives too many large messages at once"));
    }

    /// The neighbour behind `gone`, and everything behind it, is lost: whoever waits for any of it is told why.
    /// Returns the ids that are lost.
    std::vector<context_id> link_lost(link& gone, const error& why) {
        std::vector<context_id> ids = routes_.remove_via(&gone);
        for (const context_id id : ids) forget(id, why);
        if (gone.up) {
            departures_.lose_parent(why);
            pending_->fail_all(no_context, why);
        }
        return ids;
    }

    /// One context, whose route is removed already, is lost.
    void forget(context_id id, const error& why) {
        std::vector<typename basic_departures<Io>::watcher> watchers = departures_.lose(id, why);
        pending_->fail_all(id, why);
        for (const registration& r : handlers_.take_bound(id)) deliver_dead(r, why);
        for (auto& call : watchers) guarded({}, [&] { call(why); });
    }

    /// Everything that waits is told that the router is at its end; every handler gets a dead message. Threads: any but the loop.
    void close() {
        const error why(reason::broker_exited, "the router has been shut down");
        pending_->refuse();
        pending_->fail_all(no_context, why);
        bool first = false;
        const std::vector<registration> handlers = handlers_.close(first);
        if (!first) return;
        departures_.close();
        // On the loop, as every call of a handler. It is also the last that the loop does for this router: what was deferred
        // before has then run.
        const auto tell = [&] {
            for (const registration& r : handlers)
                if (r.number >= first_dynamic_handle) deliver_dead(r, why);
        };
        if (!broker_.run(tell)) tell();
    }

    /// The links below that have sent to a context which is lost: they are to be told.
    std::vector<std::shared_ptr<link>> partners_of(context_id gone) { return conversations_.end(gone); }

    /// The contexts below, and what is known about them.
    std::vector<route<link>> below() { return routes_.all(); }

private:
    using registration = typename basic_handler_table<Io>::registration;

    /// A sign of life; its answer has a byte in it.
    void on_heartbeat(const message& m) {
        static constexpr std::byte here[1]{};
        if (m.head.wants_reply()) return reply(m.head, std::span<const std::byte>(here), 0);
        const std::shared_ptr<link> from = towards(m.src());
        if (!m.payload.empty() && from && from->peer == m.src()) from->heartbeat_answered();
    }

    /// True where both lead down, and neither was given an authority of its own.
    static bool between_siblings(const link& from, const link& to) noexcept {
        return !from.up && !to.up && from.authority == no_context && to.authority == no_context;
    }

    void refuse_mode(link& from, const header& h) {
        if (!answers_once(h)) return;
        send_dead_on(from, h,
                     error(reason::unidirectional, "routing mode prevents forward from context " + std::to_string(h.src) +
                                                       " to context " + std::to_string(h.dst) + " via context " +
                                                       std::to_string(id_)));
    }

    /// Functions are called from above only, whether this context has any or not.
    void refuse_upward_call(const message& m) {
        const std::string here = "context " + std::to_string(id_);
        const std::string caller = "context " + std::to_string(m.head.src);
        log::write(log::level::warning, "refused a call from " + caller);
        reply_dead(m.head, error(reason::refused_by_policy,
                                 caller + " may not call functions of " + here + ": only contexts above " + here + " may"));
    }

    error too_large(std::size_t size) const {
        return error(reason::message_too_large, "the message has " + std::to_string(size) +
                                                    " bytes, more than limits::message_bytes (" +
                                                    std::to_string(limits_.message_bytes) + ") allows; send it in parts");
    }

    /// A message that this context does not take: its sender is told or, where it is an answer, whoever waits for it here.
    void refuse(link& from, const header& h, const error& why) {
        if (h.handle <= UINT32_MAX) return send_dead_on(from, h, why);
        const buffer notice = encode_error(why);
        header in_its_place = h;
        in_its_place.flags = message_flags::failed;
        answer(&from, message{in_its_place, notice, nullptr});
    }

    result<void> unreachable(context_id dst) {
        if (auto why = why_lost(dst)) return std::move(*why);
        return error(reason::no_route, "no route to context " + std::to_string(dst) + ", my id is " + std::to_string(id_));
    }

    result<void> send_to_self(const header& h, outgoing_bytes payload) {
        auto copy = payload.whole ? std::make_unique<buffer>(std::move(*payload.whole)) : std::make_unique<buffer>(payload.bytes);
        const bool accepted = broker_.defer([this, h, copy = std::move(copy)] {
            deliver(nullptr, message{h, *copy, copy.get()});
        });
        if (!accepted) return error(reason::broker_exited, "the broker has exited");
        return {};
    }

    void send_dead(context_id dst, handle_id to, const error& why) {
        (void)send(address(dst, to, is_dead), encode_error(why), urgency::soon);
    }

    /// Back to whoever sent a frame that is refused: the true sender is the neighbour, whatever the frame says.
    void send_dead_on(link& from, const header& h, const error& why) {
        if (!h.wants_reply()) return;
        const context_id to = from.up || routes_.leads(h.src, &from) ? h.src : from.peer;
        from.stream->send(address(to, h.reply_to, is_dead), encode_error(why), broker_.io().self(), urgency::soon);
    }

    /// Of a fragmented message only the first part is answered.
    static bool answers_once(const header& h) noexcept {
        return !(h.flags & message_flags::fragment) || (h.flags & message_flags::first);
    }

    /// A message to a pending answer's handle.
    void answer(link* from, const message& m) {
        bool stranger = false;
        context_id source = m.head.src;
        if (m.head.dead() && from) {
            // A dead message comes from the hop where delivery failed: it must lie on the way to whoever was asked.
            source = pending_->respondent_of(m.head.handle);
            if (source == no_context) return;
            if (towards(source).get() != from) stranger = true;
        }
        pending* p = stranger ? nullptr : pending_->find(m.head.handle, source, stranger);
        if (!p) {
            // Nobody waits any more: normal after a timeout. A stranger's answer is not normal.
            if (stranger) {
                log::write(log::level::warning,
                           "refused an answer from context " + std::to_string(m.head.src) + ", which was not asked");
                reply_dead(m.head, error(reason::unexpected_reply, "this context was not asked"));
            } else {
                reply_dead(m.head, error(reason::invalid_handle, "nobody waits for this answer any more"));
            }
            return;
        }
        if (m.head.dead() || (m.head.flags & message_flags::failed)) {
            error why = decode_error(m.payload);
            if (!on_failure || !on_failure(*p, why)) pending_->fail(*p, std::move(why));
        } else {
            pending_->complete(*p, m.payload, m.whole);
        }
        p->release();
    }

    void deliver_dead(const registration& r, const error& why) {
        const buffer notice = encode_error(why);
        message m;
        m.head = {.dst = id_,
                  .src = r.options.respondent == no_context ? id_ : r.options.respondent,
                  .auth = id_,
                  .handle = r.number,
                  .reply_to = is_dead};
        m.payload = notice;
        guarded(m, [&] { (*r.call)(m); });
    }

    /// A handler that throws hurts nobody else: it is logged, and the sender is told.
    template <class Work>
    void guarded(const message& m, Work&& work) {
#if MITOGEN_HAS_EXCEPTIONS
        std::string what;
        try {
            return work();
        } catch (const std::exception& e) {
            what = e.what();
        } catch (...) {
            what = "not a std::exception";
        }
        log::write(log::level::error, "a message handler threw: " + what);
        reply_dead(m.head, error(reason::remote_exception, "the handler threw: " + what));
#else
        (void)m;
        work();
#endif
    }

public:
    /// Asked, on the loop, before an answer that is an error completes its call; true: it is not the last word, go on waiting.
    unique_function<bool(pending&, const error&)> on_failure;
};

} // namespace mitogen::inline MITOGEN_ABI
