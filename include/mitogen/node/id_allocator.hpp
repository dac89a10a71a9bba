// SPDX-License-Identifier: BSL-1.0
#pragma once
// id_allocator.hpp: numbers for new contexts, in blocks from the root.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/node/call_table.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/scope/cancel_scope.hpp>

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Gives out context ids. The root counts. Every other context asks its parent for a block of them,
/// which asks its own: for the first one when it needs an id, so that it costs nothing to have no
/// children; for the next one before the present one is used up, so that nobody waits. Ids are
/// unique in the tree and never given out twice; when they are used up it is an error.
///
/// Each context on the way notes over which link a block went: see basic_lease_table.
///
/// Threads: any. Blocks: next() alone, outside the root.
template <class Io>
class basic_id_allocator {
    using core = basic_router_core<Io>;
    using taker = unique_function<void(result<context_id>)>;

    struct block {
        context_id next = 0;
        context_id end = 0;

        context_id left() const noexcept { return end - next; }
    };
    struct serving {
        taker use;
        result<context_id> id;
    };

    core& router_;
    typename Io::mutex mutex_;
    block now_{root_id + 1, root_id + 1}; // empty; the root takes from it nevertheless
    block spare_{};                       // empty, or a whole one
    std::deque<taker> waiting_;           // while nothing is at hand
    bool asked_ = false;                  // the parent, for a block
    bool refused_ = false;                // asked again when somebody waits
    std::optional<error> closed_{};
    std::optional<block> last_{};     // of the parent's, if this context is about to leave it
    std::atomic<bool> alone_{false}; // it has left the tree, and counts as a root does

    static constexpr context_id block_size = 1000;
    static constexpr context_id low = 100; // where fewer are left, the next block is asked for

    // For those behind one link: a sixteenth of what the tree has, and no more at once than there
    // may be contexts.
    static constexpr std::uint32_t most_leases = no_context / block_size / 16;
    static constexpr std::uint32_t most_under_way = 1u << 16;

    static error exhausted() {
        return error(reason::overloaded, "all context ids of this tree are used up");
    }

    using link = basic_peer<Io>;

    /// A context directly below wants a block. Threads: loop.
    MITOGEN_COLD void on_request(const message& m) {
        const std::shared_ptr<link> from = router_.routes().find(m.head.src);
        if (!from || from->id != m.head.src) {
            return router_.reply_dead(
                m.head, error(reason::invalid_handle, "a context asks its parent for ids"));
        }
        if (from->leases >= most_leases || from->leases_under_way >= most_under_way) {
            router_.note_refusal(*from, [] { return std::string("more ids"); });
            return router_.reply_dead(
                m.head, error(reason::overloaded,
                              "the contexts behind this link have had all ids that they may have"));
        }
        ++from->leases;
        if (counts()) return answer(*from, m.head, next_block());
        ++from->leases_under_way;
        ask_parent([this, head = m.head, weak = std::weak_ptr(from)](const result<block>& got) {
            const auto pass_on = [this, head, weak, got] {
                const std::shared_ptr<link> to = weak.lock();
                if (!to || router_.routes().find(head.src) != to) return; // it has ended
                --to->leases_under_way;
                answer(*to, head, got);
            };
            if (router_.loop().on_loop()) return pass_on();
            (void)router_.loop().defer(pass_on);
        });
    }

    void answer(link& to, const header& request, const result<block>& got) {
        if (!got) return router_.reply_dead(request, got.error());
        router_.leases().grant(got->next, got->end, &to);
        router_.reply(request, encode(got->next), 0);
    }

    /// True if nobody above is to be asked.
    bool counts() const noexcept { return !router_.parent() || alone_.load(); }

    /// The root's next block.
    result<block> next_block() {
        const std::lock_guard lock(mutex_);
        if (now_.next > no_context - block_size) return exhausted();
        const context_id first = now_.next;
        now_.next += block_size;
        return block{first, now_.next};
    }

    /// An id that is at hand; nothing if the parent must be asked. Under mutex_.
    std::optional<result<context_id>> at_hand() {
        if (counts())
            return now_.next != no_context ? result<context_id>(now_.next++)
                                           : result<context_id>(exhausted());
        if (now_.left() == 0) now_ = std::exchange(spare_, {});
        if (now_.left() == 0) return std::nullopt;
        return now_.next++;
    }

    /// True if the parent is to be asked, by whoever hears it. Under mutex_.
    bool shall_ask() {
        if (counts() || asked_ || closed_) return false;
        asked_ = !waiting_.empty() || (!refused_ && now_.left() + spare_.left() < low);
        return asked_;
    }

    /// An id that is at hand, or why there is none. Else nothing: `use`, where given, waits. Sees
    /// to it that more come in time.
    MITOGEN_COLD std::optional<result<context_id>> take(taker* use) {
        std::optional<result<context_id>> id;
        bool ask = false;
        {
            const std::lock_guard lock(mutex_);
            if (closed_)
                id.emplace(*closed_);
            else
                id = at_hand();
            if (!id && use) waiting_.push_back(std::move(*use));
            ask = shall_ask();
        }
        if (ask) ask_for_more();
        return id;
    }

    /// Asks for a block; `use` gets it, normally on the loop.
    template <class Use>
    void ask_parent(Use use) {
        outstanding_call& p = ask_for_block();
        p.then([&p, use = std::move(use)]() mutable { use(block_of(p)); });
    }
    outstanding_call& ask_for_block() {
        return router_.ask({.to = router_.parent()->id,
                            .handle = handles::allocate_id,
                            .how = question::manner::pass});
    }
    /// What was answered; lets go of the answer.
    static result<block> block_of(outstanding_call& p) {
        result<block> got = p.failure() ? result<block>(*p.failure()) : block_from(p.payload());
        p.release();
        return got;
    }

    void ask_for_more() {
        ask_parent([this](const result<block>& got) { arrive(got); });
    }

    static result<block> block_from(const buffer& payload) {
        const result<context_id> first = decode<context_id>(payload);
        if (!first) return first.error();
        if (*first == root_id || *first > no_context - block_size)
            return error(reason::codec, "what the parent answered is no block of context ids");
        return block{*first, *first + block_size};
    }

    /// The parent has answered: those who wait get theirs. If they are more than a block has ids,
    /// it is asked again.
    MITOGEN_COLD void arrive(const result<block>& got) {
        std::vector<serving> served;
        bool ask = false;
        {
            const std::lock_guard lock(mutex_);
            asked_ = false;
            refused_ = !got;
            if (got) (now_.left() ? spare_ : now_) = *got;
            while (!waiting_.empty()) {
                std::optional<result<context_id>> id = at_hand();
                if (!id && got) break;
                served.push_back({std::move(waiting_.front()),
                                  id ? std::move(*id) : result<context_id>(got.error())});
                waiting_.pop_front();
            }
            ask = shall_ask();
        }
        if (ask) ask_for_more();
        for (serving& s : served) s.use(std::move(s.id));
    }

public:
    explicit basic_id_allocator(core& node) : router_(node), mutex_(node.loop().io()) {
        (void)router_.add_raw_handler(handles::allocate_id, {.from = senders::anyone},
                                      [this](const message& m) { on_request(m); });
    }

    /// An id that no context of this tree has had. On the loop it is an error if the parent must be
    /// asked first.
    MITOGEN_COLD result<context_id> next() {
        if (std::optional<result<context_id>> id = take(nullptr)) return std::move(*id);
        if (router_.loop().on_loop())
            return error(reason::misuse, "a function that runs on the loop makes a child and would "
                                         "have to wait for an id; run it on::main or on::pool");
        std::optional<error> why;
        basic_outstanding_call<Io>* p = router_.outstanding().open(router_.id(), why);
        if (!p) return std::move(*why);
        p->retain();
        next([this, p](const result<context_id>& id) {
            if (id)
                router_.outstanding().complete(*p, encode(*id), nullptr);
            else
                p->fail(id.error());
            p->release();
        });
        const shielded wait;
        router_.await(*p, never);
        result<context_id> id =
            p->failure() ? result<context_id>(*p->failure()) : decode<context_id>(p->payload());
        p->release();
        return id;
    }

    /// As next(), without waiting: calls `use` at once or, if the parent must be asked, when it has
    /// answered, normally on the loop.
    void next(taker use) {
        if (std::optional<result<context_id>> id = take(&use)) use(std::move(*id));
    }

    /// This context is about to leave its tree, and will count as a root does: behind all ids that
    /// any context below it may have. So it takes one more block, as the root gives them out in
    /// order. Not on the loop.
    MITOGEN_COLD result<void> prepare_alone() {
        outstanding_call& p = ask_for_block();
        const shielded wait;
        router_.await(p, never);
        const result<block> got = block_of(p);
        if (!got) return got.error();
        const std::lock_guard lock(mutex_);
        last_ = *got;
        return {};
    }

    /// It has left. After prepare_alone().
    void stand_alone() {
        const std::lock_guard lock(mutex_);
        now_ = *last_;
        spare_ = {};
        alone_.store(true);
    }

    /// From now on there are no more ids, nor for those who wait.
    void close(const error& why) {
        std::deque<taker> waiting;
        {
            const std::lock_guard lock(mutex_);
            closed_ = why;
            waiting.swap(waiting_);
        }
        for (taker& use : waiting) use(why);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
