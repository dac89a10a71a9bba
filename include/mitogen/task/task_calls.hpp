// SPDX-License-Identifier: BSL-1.0
#pragma once
// task_calls.hpp: the tasks that other contexts have called and that have not ended yet.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/serve/incoming_calls.hpp>
#include <mitogen/sync/waiter.hpp>
#include <mitogen/task/node_task_scope.hpp>
#include <mitogen/task/task_invocation.hpp>
#include <mitogen/task/task_scope.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Runs calls as tasks for a dispatcher, `Owner`: it has attach(invocation, call); invoke(entry,
/// invocation), which catches, as its guarded(entry, invocation, work) does; and finish(header,
/// invocation, chain, flush_mode). Calls of one chain run one after the other. Threads: loop, but
/// for join().
template <class Owner, class Io>
class basic_task_calls {
    using call = incoming_call;
    using chain = std::pair<context_id, std::uint64_t>;

    /// One of them.
    struct running final : node_task_scope {
        basic_task_calls& calls;
        call& request;
        reader arguments;
        buffer result{};
        task_invocation inv;
        running* previous = nullptr;
        running* next = nullptr;

        running(basic_task_calls& all, call& c, decode_environment& environment)
            : node_task_scope(all.node_, c.entry), calls(all), request(c),
              arguments(std::span<const std::byte>(c.payload).subspan(c.arguments_at),
                        all.node_.bounds(), &environment),
              inv{{arguments, result, environment, {c.head.src, c.head.auth}, c.flow}, {}} {}
        void ended() override { calls.end(*this); }
    };

    basic_router_core<Io>& node_;
    Owner& owner_;
    incoming_calls<Io>& calls_;
    running* first_ = nullptr;
    // those of which a task runs, with what waits behind it
    std::map<chain, std::deque<call*>> chains_;
    std::atomic<std::size_t> open_{0}; // that run, or wait for their chain
    waiter<Io> all_ended_;

public:
    basic_task_calls(basic_router_core<Io>& node, Owner& owner, incoming_calls<Io>& calls)
        : node_(node), owner_(owner), calls_(calls), all_ended_(node.loop().io()) {}
    basic_task_calls(basic_task_calls&&) = delete;

    /// Runs a call up to its first wait.
    void add(call& c, decode_environment& environment) {
        open_.fetch_add(1, std::memory_order_relaxed);
        if (c.chain) {
            const auto [at, first] = chains_.try_emplace({c.head.src, c.chain});
            if (!first) return at->second.push_back(&c);
        }
        start(c, environment);
    }

    /// The caller of one of them does not wait any more.
    void cancel(context_id src, handle_id reply_to, cancel_radius what) {
        if (task_scope* scope = calls_.task_of(src, reply_to))
            scope->cancel(cancelled_by_caller(src, what));
    }

    /// What they wait for ends.
    void cancel_all(const error& why) {
        for (running* r = first_; r;) {
            running* next = r->next;
            r->cancel(why); // ends none: it goes on later
            r = next;
        }
    }

    /// Cancels all and waits until they have ended. Threads: any but the loop.
    void join(const error& why) {
        const auto cancel = [&] { cancel_all(why); };
        const auto none = [this] { return open_.load(std::memory_order_acquire) == 0; };
        if (!node_.loop().run(cancel)) cancel(); // nobody else runs them any more
        if (none()) return;
        node_.loop().wait(all_ended_, never, true, none);
        node_.loop().run([] {}); // what has notified is through
    }

private:
    void start(call& c, decode_environment& environment) {
        auto* r = new running(*this, c, environment);
        if (r->next = first_; r->next) r->next->previous = r;
        first_ = r;
        Owner::attach(r->inv, c);
        if (std::optional<error> refusal = calls_.begin(c, *r)) {
            r->inv.failure = std::move(refusal);
            return end(*r);
        }
        owner_.invoke(*c.entry, r->inv);
        if (!r->inv.body) return end(*r);
        calls_.set_task(c, r);
        if (c.cancelled != cancel_radius::none)
            r->cancel(cancelled_by_caller(c.head.src, c.cancelled));
        r->inv.body->start(*r);
    }

    void end(running& r) {
        call& c = r.request;
        if (const std::unique_ptr<suspended_call> body = std::move(r.inv.body))
            owner_.guarded(*c.entry, r.inv, [&] { body->take(r.inv); });
        calls_.set_task(c, nullptr);
        calls_.end(c, r);
        owner_.finish(c.head, r.inv, c.chain, flush_mode::soon);
        const chain of{c.head.src, c.chain};
        decode_environment& environment = r.inv.environment;
        calls_.finish(c);
        (r.previous ? r.previous->next : first_) = r.next;
        if (r.next) r.next->previous = r.previous;
        delete &r;
        if (of.second && chains_.at(of).empty()) {
            chains_.erase(of);
        } else if (of.second) {
            // Not from here: it may end at once, and so may the next.
            node_.loop().defer([this, of, &environment] { go_on(of, environment); });
        }
        if (open_.fetch_sub(1, std::memory_order_acq_rel) == 1) all_ended_.notify();
    }

    void go_on(const chain& of, decode_environment& environment) {
        std::deque<call*>& waiting = chains_.at(of);
        call& next = *waiting.front();
        waiting.pop_front();
        start(next, environment);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
