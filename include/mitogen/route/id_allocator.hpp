// SPDX-License-Identifier: BSL-1.0
#pragma once
// id_allocator.hpp: numbers for new contexts, in blocks from the root.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/handle.hpp>

#include <mutex>
#include <optional>
#include <span>
#include <string>

namespace mitogen::inline MITOGEN_ABI {

/// Gives out context ids. The root counts; every other context asks the root for a block when it has used one up, so that ids are
/// unique in the tree and most children are made without asking anyone. An id is never given out twice; when they are used up it
/// is an error. Threads: any. Blocks: next(), outside the root, once in block_size children.
template <class Io>
class basic_id_allocator {
    using core = basic_router_core<Io>;

    core& router_;
    typename Io::mutex mutex_;
    context_id next_ = root_id + 1;
    context_id end_ = 0; // of the block; unused in the root

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
                if (!router_.parent()) {
                    if (next_ == no_context) return exhausted();
                    return next_++;
                }
                if (next_ < end_) return next_++;
            }
            if (result<void> block = fetch_block(); !block) return block.error();
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI
