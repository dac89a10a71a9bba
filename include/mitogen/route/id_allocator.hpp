// SPDX-License-Identifier: BSL-1.0
#pragma once
// id_allocator.hpp: numbers for new contexts, in blocks from the root.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/handle.hpp>

#include <algorithm>
#include <cstddef>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// Gives out context ids. The root counts; every other context asks the root for a block when it has used one up, so that ids are
/// unique in the tree and most children are made without asking anyone. An id is never given out twice; when they are used up it
/// is an error. Threads: any. Blocks: next() alone, outside the root, once in block_size children.
template <class Io>
class basic_id_allocator {
    using core = basic_router_core<Io>;
    using taker = unique_function<void(result<context_id>)>;

    core& router_;
    typename Io::mutex mutex_;
    context_id next_ = root_id + 1;
    context_id end_ = 0;         // of the block; unused in the root
    std::vector<taker> waiting_; // for the block that the root was asked for
    std::optional<error> closed_{};

    static constexpr context_id block_size = 1000;

    static error exhausted() { return error(reason::overloaded, "all context ids of this tree are used up"); }

    void on_request(const message& m) {
        if (router_.parent()) return router_.reply_dead(m.head, error(reason::invalid_handle, "ids are allocated by the root"));
        context_id first;
        {
            const std::lock_guard lock(mutex_);
            if (next_ > no_context - block_size) return router_.reply_dead(m.head, exhausted());
            first = next_;
            next_ += block_size;
        }
        router_.reply(m.head, encode(first), 0);
    }

    result<void> fetch_block() {
        if (router_.loop().on_loop())
            return error(
                reason::misuse,
                "a function that runs on the loop makes a child and would have to wait for an id; run it on::main or on::pool");
        std::optional<error> why;
        basic_pending<Io>* p = router_.answers().open(root_id, why);
        if (!p) return std::move(*why);
        const result<void> sent =
            router_.send(router_.address(root_id, handles::allocate_id, p->handle()), std::span<const std::byte>(), urgency::now);
        if (!sent) router_.answers().fail(*p, sent.error());
        router_.loop().wait(p->wake, never, true, [p] { return p->done(); });
        result<context_id> first = p->failure() ? result<context_id>(*p->failure()) : decode<context_id>(p->payload());
        p->release();
        if (!first) return first.error();
        const std::lock_guard lock(mutex_);
        next_ = *first;
        end_ = *first + block_size;
        return {};
    }

    /// An id that is at hand; nothing where the root must be asked. Under mutex_.
    std::optional<result<context_id>> at_hand() {
        if (router_.parent() ? next_ < end_ : next_ != no_context) return next_++;
        if (!router_.parent()) return exhausted();
        return std::nullopt;
    }

    void ask_root() {
        awaited& p = router_.ask({.to = root_id, .handle = handles::allocate_id, .how = question::manner::pass});
        p.then([this, &p] {
            const result<context_id> first = p.failure() ? result<context_id>(*p.failure()) : decode<context_id>(p.payload());
            p.release();
            hand_out(first);
        });
    }

    /// The root has answered: all who wait get theirs. More of them than a block has ids ask for another.
    void hand_out(const result<context_id>& first) {
        std::vector<taker> served;
        std::vector<result<context_id>> ids;
        bool more = false;
        {
            const std::lock_guard lock(mutex_);
            if (first) {
                next_ = *first;
                end_ = *first + block_size;
            }
            const std::size_t count = first ? std::min<std::size_t>(waiting_.size(), block_size) : waiting_.size();
            for (std::size_t i = 0; i < count; ++i) {
                served.push_back(std::move(waiting_[i]));
                ids.push_back(first ? result<context_id>(next_++) : result<context_id>(first.error()));
            }
            waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
            more = !waiting_.empty();
        }
        if (more) ask_root();
        for (std::size_t i = 0; i < served.size(); ++i) served[i](std::move(ids[i]));
    }

public:
    explicit basic_id_allocator(core& node) : router_(node), mutex_(node.loop().io()) {
        (void)router_.add_raw_handler(handles::allocate_id, {.from = accept::anyone},
                                      [this](const message& m) { on_request(m); });
    }

    /// An id that no context of this tree has had.
    result<context_id> next() {
        for (;;) {
            {
                const std::lock_guard lock(mutex_);
                if (auto id = at_hand()) return std::move(*id);
            }
            if (result<void> block = fetch_block(); !block) return block.error();
        }
    }

    /// As next(), without waiting: calls `use` at once or, where the root must be asked, when it has answered, normally on the
    /// loop.
    void next(taker use) {
        std::optional<result<context_id>> id;
        bool first = false;
        {
            const std::lock_guard lock(mutex_);
            if (closed_) {
                id.emplace(*closed_);
            } else if (id = at_hand(); !id) {
                first = waiting_.empty();
                waiting_.push_back(std::move(use));
            }
        }
        if (id) return use(std::move(*id));
        if (first) ask_root();
    }

    /// From now on next(use) fails, for those who wait as well.
    void close(const error& why) {
        std::vector<taker> waiting;
        {
            const std::lock_guard lock(mutex_);
            closed_ = why;
            waiting.swap(waiting_);
        }
        for (taker& use : waiting) use(why);
    }
};

} // namespace mitogen::inline MITOGEN_ABI
