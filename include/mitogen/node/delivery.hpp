// SPDX-License-Identifier: BSL-1.0
#pragma once
// delivery.hpp: the half of a router that receives: a message is delivered here, passed on, or
// answered with the reason why not.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/link/correspondents.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/node/call_table.hpp>
#include <mitogen/node/dead_messages.hpp>
#include <mitogen/node/handler_table.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A base of `Core`, basic_router_core, which knows the tree and sends. Threads: loop, unless
/// marked.
template <class Core, class Io>
class basic_delivery {
    using open_call = basic_outstanding_call<Io>;

public:
    using link = basic_peer<Io>;
    using raw_handler = typename basic_handler_table<Io>::raw_handler;

protected:
    using registration = typename basic_handler_table<Io>::registration;

    basic_handler_table<Io> handlers_;
    basic_correspondents<link> correspondents_;
    std::uint64_t late_frames_ = 0;

    explicit basic_delivery(Io& io) : handlers_(io) {}
    ~basic_delivery() = default;

public:
    // ---- what a link brings

    /// True if `h` may have come on `from`: both who sent it and on whose authority must lie in
    /// that direction.
    bool may_come_from(const link& from, const header& h) {
        if (from.up) return h.src != core().id();
        auto& routes = core().routes();
        return (h.src == from.id || routes.leads(h.src, &from)) &&
               (h.auth == h.src || h.auth == from.id ||
                (h.auth == from.authority && h.auth != no_context) || routes.leads(h.auth, &from));
    }

    /// A message or fragment for another context.
    void forward(link& from, const header& h, std::span<const std::byte> payload) {
        if (!may_come_from(from, h)) return refuse_source(from, h);
        std::shared_ptr<link> to = core().routes().find(h.dst);
        if (!to && !from.up) to = core().parent();
        if (to && core().rules().unidirectional && between_siblings(from, *to)) {
            if (answers_once(h))
                send_dead_on(from, h, dead_message::between_siblings(h, core().id()));
            return;
        }
        if (to && to.get() != &from && pass_on(from, *to, h, payload)) {
            if (!from.up) correspondents_.note(from, h.dst);
            return;
        }
        if (answers_once(h)) send_dead_on(from, h, dead_message::no_route(h.dst, core().id()));
    }

    /// A message that arrived whole for this context. `from` is null if this context sent it.
    void deliver(link* from, const message& m) {
        if (is_reply_handle(m.head.handle)) return answer(from, m);
        // What comes down from the parent is no exception: it passes on what siblings send.
        const auto authorised = [&] { return !from || core().has_authority(m.head.auth); };
        const auto on_the_way = [&](context_id respondent) {
            return from && core().towards(respondent).get() == from;
        };
        const auto taker = handlers_.select(m.head, authorised, on_the_way);
        if (taker.call) return guarded(from, m, [&] { (*taker.call)(m); });
        const context_id here = core().id();
        if (m.head.handle == handles::call_function && !authorised()) {
            refused(from, log::level::warning, [] { return std::string("a call"); });
            return core().reply_dead(m.head, dead_message::upward_call(m.head, here));
        }
        if (m.head.handle >= first_dynamic_handle && !taker.refusal) core().count_late_frame();
        if (taker.closed) return core().reply_dead(m.head, dead_message::closed(here));
        if (!taker.refusal)
            return core().reply_dead(m.head, dead_message::no_handler(m.head, here));
        const error why = dead_message::not_taken(m.head, here, taker.refusal);
        refused(from, log::level::warning,
                [&] { return "a message (" + std::string(why.message()) + ")"; });
        core().reply_dead(m.head, why);
    }

    /// A message whose sender or authority does not lie in the direction that it came from.
    void refuse_source(link& from, const header& h) {
        if (!answers_once(h)) return;
        const error why = dead_message::false_source(h, from.id);
        refused(&from, log::level::warning,
                [&] { return "a message (" + std::string(why.message()) + ")"; });
        send_dead_on(from, h, why);
    }

    /// A message whose announced size is over the limit.
    void refuse_size(link& from, const header& h) {
        refuse(from, h, dead_message::too_large(core().bounds().message_bytes, core().id()));
    }

    /// A large message that begins while too many others are under way on that link.
    void refuse_number(link& from, const header& h) {
        refuse(from, h, dead_message::too_many(core().id()));
    }

    /// How many messages have come for a call, dialog or flow that had ended here. They are
    /// dropped.
    std::uint64_t late_frames() const noexcept { return late_frames_; }

    /// That link is to be told when that context is lost.
    void add_partner(link& who, context_id of) { correspondents_.note(who, of); }

    /// The links below that have sent to a context which is lost: they are to be told.
    std::vector<std::shared_ptr<link>> partners_of(context_id gone) {
        return correspondents_.end(gone);
    }

protected:
    /// A handler that throws hurts nobody else: it is logged, and the sender is told.
    template <class Work>
    void guarded(link* from, const message& m, Work&& work) {
#if MITOGEN_HAS_EXCEPTIONS
        std::string what;
        try {
            return work();
        } catch (const std::exception& e) {
            what = e.what();
        } catch (...) {
            what = "not a std::exception";
        }
        refused(from, log::level::error,
                [&] { return "a message, whose handler threw " + what + ","; });
        core().reply_dead(m.head, dead_message::handler_threw(what));
#else
        (void)from, (void)m;
        work();
#endif
    }

    /// Tells a handler that there will be no more messages for it.
    void deliver_dead(const registration& r, const error& why) {
        const context_id here = core().id();
        const buffer notice = encode_error(why);
        message m;
        m.head = {.dst = here,
                  .src = r.options.respondent == no_context ? here : r.options.respondent,
                  .auth = here,
                  .handle = r.number,
                  .reply_to = is_dead};
        m.payload = notice;
        guarded(nullptr, m, [&] { (*r.call)(m); });
    }

private:
    Core& core() noexcept { return static_cast<Core&>(*this); }

    /// Said in the log: of a link now and then, of this context itself each time.
    template <class What>
    MITOGEN_COLD void refused(link* from, log::level how, What what) {
        if (from) return core().note_refusal(*from, what, how);
        log::write(how, "refused " + what() + " from this context");
    }

    /// True if both lead down, and neither was given an authority of its own.
    static bool between_siblings(const link& from, const link& to) noexcept {
        return !from.up && !to.up && from.authority == no_context && to.authority == no_context;
    }

    /// An answer is on the account of who has asked for it, anything else on that of its sender.
    bool pass_on(link& from, link& to, const header& h, std::span<const std::byte> payload) {
        const bool answers = is_reply_handle(h.handle) && !to.up && from.to_answer.any(to.id);
        if (!to.transport->forward(h, payload, *from.transport, answers)) return false;
        constexpr std::uint8_t part = message_flags::fragment;
        if (answers && (h.flags & (part | message_flags::last)) != part) {
            from.to_answer.remove(to.id);
        } else if (h.wants_reply() && answers_once(h) && !from.up) {
            to.to_answer.add(from.id);
            if (to.to_answer.askers() > open_requests::many) [[unlikely]]
                to.to_answer.forget([&](context_id id) { return !core().routes().find(id); });
        }
        return true;
    }

    /// Of a fragmented message only the first part is answered.
    static bool answers_once(const header& h) noexcept {
        return !(h.flags & message_flags::fragment) || (h.flags & message_flags::first);
    }

    /// Back to whoever sent a frame that is refused: the true sender is the neighbour, whatever the
    /// frame says.
    void send_dead_on(link& from, const header& h, const error& why) {
        if (!h.wants_reply()) return;
        const context_id to = from.up || core().routes().leads(h.src, &from) ? h.src : from.id;
        from.transport->send(core().address(to, h.reply_to, is_dead), encode_error(why),
                             core().loop().lane(), flush_mode::soon, true);
    }

    /// A message that this context does not take: its sender is told or, if it is an answer,
    /// whoever waits for it here.
    void refuse(link& from, const header& h, const error& why) {
        if (!is_reply_handle(h.handle)) return send_dead_on(from, h, why);
        const buffer notice = encode_error(why);
        header in_its_place = h;
        in_its_place.flags = message_flags::failed;
        answer(&from, message{in_its_place, notice, nullptr});
    }

    /// A message to a pending answer's handle.
    void answer(link* from, const message& m) {
        if (m.head.dead() || (m.head.flags & message_flags::failed)) return answer_failure(from, m);
        const arrival what =
            core().outstanding().complete(m.head.handle, m.head.src, m.payload, m.whole);
        if (what != arrival::expected) not_awaited(from, m, what);
    }

    /// The same, of one that is an error.
    void answer_failure(link* from, const message& m) {
        basic_call_table<Io>& calls = core().outstanding();
        context_id source = m.head.src;
        if (m.head.dead() && from) {
            // A dead message comes from the hop where delivery failed: it must lie on the way to
            // whoever was asked.
            source = calls.respondent_of(m.head.handle);
            if (source == no_context) return core().count_late_frame();
            if (core().towards(source).get() != from) return not_awaited(from, m, arrival::strange);
        }
        arrival what;
        open_call* p = calls.find(m.head.handle, source, what);
        if (!p) return not_awaited(from, m, what);
        error why = decode_error(m.payload, core().paths());
        if (!core().ask_about(*p, why)) calls.fail(*p, std::move(why));
        p->release();
    }

    /// An answer that nobody here wants.
    void not_awaited(link* from, const message& m, arrival what) {
        if (what == arrival::late) core().count_late_frame();
        if (what != arrival::strange)
            return core().reply_dead(m.head, dead_message::late_answer());
        refused(from, log::level::warning, [] { return std::string("an unexpected answer"); });
        core().reply_dead(m.head, dead_message::unexpected_answer());
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
