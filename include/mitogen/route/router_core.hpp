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
#include <mitogen/route/error_notice.hpp>
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

/// Whose messages a handler takes.
enum class accept : std::uint8_t {
    parents, ///< only messages sent on the authority of this context or one above it
    anyone,  ///< every context of the tree
};

/// How a handler is registered.
struct handler_options {
    accept from = accept::parents;
    bool persist = true;                ///< false: removed before its one message
    context_id respondent = no_context; ///< only this context's messages; gets a dead message when that context is lost
};

/// The tree as one context sees it. Knows that contexts form a tree; creates no process and no descriptor.
///
/// Threads: send(), reply(), handlers and queries any; what takes a link, the loop.
template <class Io>
class basic_router_core {
public:
    using link = basic_link<Io>;
    using pending = basic_pending<Io>;
    using raw_handler = unique_function<void(const message&)>;

private:
    struct registration {
        handle_id number;
        handler_options options;
        std::shared_ptr<raw_handler> call;
    };
    struct disconnect_watch {
        context_id id;
        unique_function<void(const error&)> call;
    };

    basic_broker<Io>& broker_;
    context_id id_ = root_id;
    std::vector<context_id> ancestors_; // parent first, root last
    limits limits_;
    build_hash own_build_ = 0;
    basic_route_table<link, Io> routes_;
    std::shared_ptr<link> parent_;
    typename basic_pending_table<Io>::owner pending_;

    typename Io::mutex mutex_;           // guards what follows
    std::vector<registration> handlers_; // sorted by number
    std::vector<disconnect_watch> watches_;
    std::vector<std::pair<context_id, error>> lost_;
    std::optional<error> parent_lost_;
    handle_id next_handle_ = first_dynamic_handle;
    bool closed_ = false;

    static constexpr std::size_t lost_kept = 1024; // contexts whose end is remembered, to say later why a call to them fails

public:
    basic_router_core(basic_broker<Io>& loop, const limits& bounds)
        : broker_(loop), limits_(bounds), routes_(loop.io()),
          pending_(basic_pending_table<Io>::make(loop.io(), bounds.open_calls)), mutex_(loop.io()) {
        (void)add_raw_handler(handles::ping, {}, [this](const message& m) { reply(m.head, {}, 0); });
    }

    basic_router_core(basic_router_core&&) = delete;

    /// This context's id.
    context_id id() const noexcept { return id_; }
    /// The contexts above this one: parent first, root last.
    const std::vector<context_id>& ancestors() const noexcept { return ancestors_; }
    const limits& bounds() const noexcept { return limits_; }
    basic_broker<Io>& loop() noexcept { return broker_; }
    basic_pending_table<Io>& answers() noexcept { return *pending_; }
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

    /// True if `auth` is this context or one above it.
    bool has_authority(context_id auth) const noexcept {
        return auth == id_ || std::find(ancestors_.begin(), ancestors_.end(), auth) != ancestors_.end();
    }

    /// Hash of this program's build; 0 until it is known.
    build_hash own_build() const noexcept { return own_build_; }
    void set_own_build(build_hash build) noexcept { own_build_ = build; }

    /// True if `id` is known to run the same build as this context.
    bool same_build(context_id id) {
        build_hash theirs = routes_.build_of(id);
        if (theirs == 0 && parent_ && id == parent_->peer) theirs = parent_->build;
        return id == id_ || (theirs != 0 && theirs == own_build_);
    }

    // ---- handlers

    /// Registers `call` for raw messages. An error where the number is taken, or the router is closed. Threads: any. `call` runs
    /// on the loop.
    result<void> add_raw_handler(handle_id number, handler_options options, raw_handler call) {
        if (number > UINT32_MAX)
            return error(reason::misuse, "handle " + std::to_string(number) + " is too large: from 2^32 they belong to answers");
        const std::lock_guard lock(mutex_);
        if (closed_) return error(reason::broker_exited, "the router has been shut down");
        const auto at = find_handler(number);
        if (at != handlers_.end() && at->number == number) {
            return error(reason::misuse, "handle " + std::to_string(number) + " has a handler already");
        }
        handlers_.insert(at, {number, options, std::make_shared<raw_handler>(std::move(call))});
        return {};
    }

    /// A number that no handler of this run has had.
    handle_id new_handle() {
        const std::lock_guard lock(mutex_);
        for (;; ++next_handle_) { // the program chooses numbers from the same range
            const auto at = find_handler(next_handle_);
            if (at == handlers_.end() || at->number != next_handle_) return next_handle_++;
        }
    }

    /// Removes a handler; a call of it that is under way ends undisturbed. Threads: any.
    void remove_handler(handle_id number) {
        std::shared_ptr<raw_handler> gone; // destroyed without the lock: what it holds may come back here
        const std::lock_guard lock(mutex_);
        const auto at = find_handler(number);
        if (at == handlers_.end() || at->number != number) return;
        gone = std::move(at->call);
        handlers_.erase(at);
    }

    /// Runs `call` on the loop when `id` is lost; at once where it is lost already. Threads: any.
    void on_disconnect(context_id id, unique_function<void(const error&)> call) {
        std::optional<error> already;
        {
            const std::lock_guard lock(mutex_); // for both: it may be lost between the question and the entry
            already = remembered(id);
            if (!already) return watches_.push_back({id, std::move(call)});
        }
        broker_.defer([call = std::move(call), why = std::move(*already)]() mutable { call(why); });
    }

    /// Why `id` is gone, as far as it is remembered.
    std::optional<error> why_lost(context_id id) {
        const std::lock_guard lock(mutex_);
        return remembered(id);
    }

    // ---- sending

    /// The header of a message from this context, on its own authority.
    header address(context_id dst, handle_id handle, handle_id reply_to = 0) const noexcept {
        return {.dst = dst, .src = id_, .auth = id_, .handle = handle, .reply_to = reply_to};
    }

    /// Sends a message. On failure the error says why; nothing was sent. Threads: any. Never blocks.
    template <class Payload>
    result<void> send(const header& h, Payload&& payload, urgency when) {
        if (payload.size() > most_bytes(h)) {
            return error(reason::message_too_large, "the message has " + std::to_string(payload.size()) +
                                                        " bytes, more than limits::message_bytes (" +
                                                        std::to_string(limits_.message_bytes) + ") allows; send it in parts");
        }
        if (h.dst == id_) return send_to_self(h, std::forward<Payload>(payload));
        const std::shared_ptr<link> via = towards(h.dst);
        if (!via) return unreachable(h.dst);
        if (via->stream->send(h, std::forward<Payload>(payload), broker_.io().self(), when)) return {};
        // A link that has just closed takes nothing; whoever waits is told when its end is looked into. The parent's may have
        // been already, and is still where everything unknown goes.
        if (const std::lock_guard lock(mutex_); via->up && parent_lost_) return *parent_lost_;
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
    template <class Payload>
    void reply(const header& request, Payload&& payload, std::uint8_t flags, urgency when = urgency::soon) {
        if (!request.wants_reply()) return;
        (void)send(header{.dst = request.src, .src = id_, .auth = id_, .handle = request.reply_to, .reply_to = 0, .flags = flags},
                   std::forward<Payload>(payload), when);
    }
    void reply(const header& request, std::nullptr_t, std::uint8_t flags) { reply(request, std::span<const std::byte>(), flags); }

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

    /// An answer from `from` that is an error already.
    pending* failed_answer(context_id from, error why) { return pending_->open_failed(from, std::move(why)); }

    /// Fails an awaited answer at a given moment, and tells whoever was asked. Threads: any.
    void expire(pending& p, instant at, error why) {
        p.retain(); // until the timer is out of the way
        const bool accepted = broker_.defer([this, &p, at, why = std::move(why)] {
            if (p.done()) return;
            p.deadline.fire = [this, &p, why] {
                if (pending_->fail(p, why)) cancel_call(p);
            };
            broker_.set_timer(p.deadline, at);
        });
        pending_->then(p, [this, &p, accepted] {
            if (!accepted || !broker_.defer([this, &p] {
                    broker_.cancel_timer(p.deadline);
                    p.release();
                })) {
                p.release();
            }
        });
    }

    /// Tells whoever was asked that nobody waits for the answer any more.
    void cancel_call(pending& p) { (void)send(address(p.respondent(), handles::cancel_call), encode(p.handle()), urgency::soon); }

    // ---- receiving, on the loop

    /// True if `h` may have come on `from`: both who sent it and on whose authority must lie in that direction.
    bool may_come_from(const link& from, const header& h) {
        if (from.up) return h.src != id_;
        return (h.src == from.peer || routes_.leads(h.src, &from)) &&
               (h.auth == h.src || h.auth == from.peer || routes_.leads(h.auth, &from));
    }

    /// A message or fragment for another context.
    void forward(link& from, const header& h, std::span<const std::byte> payload) {
        if (!may_come_from(from, h)) return refuse_source(from, h);
        std::shared_ptr<link> to = routes_.find(h.dst);
        if (!to && !from.up) to = parent_;
        if (to && to.get() != &from && to->stream->forward(h, payload)) return;
        if (!answers_once(h)) return;
        send_dead_on(
            from, h,
            error(reason::no_route, "no route to context " + std::to_string(h.dst) + ", my id is " + std::to_string(id_)));
    }

    /// A message that arrived whole for this context. `from` is null where this context sent it.
    void deliver(link* from, const message& m) {
        if (m.head.handle > UINT32_MAX) return answer(from, m);
        std::shared_ptr<raw_handler> call;
        const char* refusal = nullptr;
        {
            const std::lock_guard lock(mutex_);
            const auto at = find_handler(m.head.handle);
            if (at == handlers_.end() || at->number != m.head.handle) {
                refusal = "";
            } else if (at->options.respondent != no_context && at->options.respondent != m.head.src) {
                refusal = "it takes messages from another context only";
            } else if (at->options.from == accept::parents && from && !has_authority(m.head.auth)) {
                // What comes down from the parent is no exception: it passes on what siblings send.
                refusal = "it takes messages from parents only";
            } else {
                call = at->call;
                if (!at->options.persist) handlers_.erase(at);
            }
        }
        if (call) return guarded(m, [&] { (*call)(m); });
        const std::string handle_text = "handle " + std::to_string(m.head.handle) + " of context " + std::to_string(id_);
        if (*refusal == 0) {
            reply_dead(m.head, error(reason::invalid_handle, "nothing is registered under " + handle_text));
        } else {
            log::write(log::level::warning,
                       "refused a message from context " + std::to_string(m.head.src) + " to " + handle_text + ": " + refusal);
            reply_dead(m.head, error(reason::refused_by_policy, handle_text + " refused the message: " + refusal));
        }
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
            {
                const std::lock_guard lock(mutex_);
                parent_lost_ = why;
            }
            pending_->fail_all(no_context, why);
        }
        return ids;
    }

    /// One context, whose route is removed already, is lost.
    void forget(context_id id, const error& why) {
        {
            const std::lock_guard lock(mutex_);
            if (lost_.size() == lost_kept) lost_.erase(lost_.begin());
            lost_.emplace_back(id, why);
        }
        context_lost(id, why);
    }

    /// Everything that waits is told that the router is at its end; every handler gets a dead message. Threads: any but the loop.
    void close() {
        const error why(reason::broker_exited, "the router has been shut down");
        pending_->refuse();
        pending_->fail_all(no_context, why);
        std::vector<registration> handlers;
        std::vector<disconnect_watch> watches;
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(closed_, true)) return;
            handlers.swap(handlers_);
            watches.swap(watches_);
        }
        // On the loop, as every call of a handler. It is also the last that the loop does for this router: what was deferred
        // before has then run.
        const auto tell = [&] {
            for (const registration& r : handlers)
                if (r.number >= first_dynamic_handle) deliver_dead(r, why);
        };
        if (!broker_.run(tell)) tell();
    }

    /// The contexts below, and what is known about them.
    std::vector<route<link>> below() { return routes_.all(); }

private:
    auto find_handler(handle_id number) {
        return std::lower_bound(handlers_.begin(), handlers_.end(), number,
                                [](const registration& r, handle_id wanted) { return r.number < wanted; });
    }

    std::optional<error> remembered(context_id id) const { // under mutex_
        for (const auto& [gone, why] : lost_)
            if (gone == id) return why;
        return std::nullopt;
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

    result<void> send_to_self(const header& h, std::span<const std::byte> payload) {
        auto copy = std::make_unique<buffer>(payload);
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

    void context_lost(context_id id, const error& why) {
        pending_->fail_all(id, why);
        std::vector<registration> bound;
        std::vector<disconnect_watch> watches;
        {
            const std::lock_guard lock(mutex_);
            std::erase_if(handlers_, [&](registration& r) {
                if (r.options.respondent != id) return false;
                bound.push_back(std::move(r));
                return true;
            });
            std::erase_if(watches_, [&](disconnect_watch& w) {
                if (w.id != id) return false;
                watches.push_back(std::move(w));
                return true;
            });
        }
        for (const registration& r : bound) deliver_dead(r, why);
        for (disconnect_watch& w : watches) guarded({}, [&] { w.call(why); });
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
