// SPDX-License-Identifier: BSL-1.0
#pragma once
// children.hpp: the children of one context: numbers and processes for new ones, and who is there.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/connect/boot_plan.hpp>
#include <mitogen/connect/child.hpp>
#include <mitogen/connect/child_pipes.hpp>
#include <mitogen/connect/ending.hpp>
#include <mitogen/connect/handshake.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/route/id_allocator.hpp>
#include <mitogen/route/route_monitor.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/sync/waiter.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/machine.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a router has below it: makes children, announces and withdraws them, and ends them.
///
/// A child is made in three steps: prepare() gives it a number and a future's slot; launch() starts its process, where that is
/// what its plan is about; adopt() hands it to the loop.
/// Threads: any but where marked.
template <class Io>
class children : private basic_child<Io>::events {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;
    using pending = basic_pending<Io>;

    core& node_;
    ending_patience patience_;
    std::uint32_t pool_threads_;
    basic_route_monitor<Io> monitor_;
    basic_id_allocator<Io> ids_;
    std::vector<std::shared_ptr<child>> all_; // loop's
    std::atomic<std::size_t> child_count_{0};
    waiter<Io> all_gone_;
    std::atomic<bool> closed_{false};

public:
    /// Everything but the process: numbers, names, and the future that the child will answer.
    struct birth {
        handshake::welcome welcome;
        pending* answer;
    };

    children(core& node, ending_patience patience, std::uint32_t pool_threads)
        : node_(node), patience_(patience), pool_threads_(pool_threads), monitor_(node), ids_(node), all_gone_(node.loop().io()) {
    }

    children(children&&) = delete;

    /// The first step. The plan says what it is called and how much it may take.
    result<birth> prepare(boot_plan& plan) {
        if (closed_) return closing();
        const result<context_id> id = ids_.next();
        if (!id) return id.error();
        birth b;
        b.welcome.id = *id;
        b.welcome.ancestors.push_back(node_.id());
        b.welcome.ancestors.insert(b.welcome.ancestors.end(), node_.ancestors().begin(), node_.ancestors().end());
        b.welcome.name = plan.name;
        b.welcome.title = "mitogen:" + plan.name + " (" + node_.loop().io().own_name() + ")";
        b.welcome.build = sys::build_id();
        b.welcome.log_level = static_cast<std::uint8_t>(log::threshold());
        b.welcome.pool_threads = pool_threads_;
        b.welcome.grace_ns = patience_.grace;
        b.welcome.bounds = plan.bounds;
        std::optional<error> why;
        b.answer = node_.answers().open(node_.id(), why);
        if (!b.answer) return std::move(*why);
        return b;
    }

    /// Starts the process of a child that has its numbers. Where that fails, its slot says so.
    void launch(boot_plan plan, birth b) {
        result<child_pipes<Io>> pipes = make_child_pipes(node_.loop().io());
        if (!pipes) return (void)node_.answers().fail(*b.answer, pipes.error());
        plan.start.in = pipes->child_in.get();
        plan.start.out = pipes->child_out.get();
        plan.start.err = pipes->child_err.get();
        result<typename Io::process> process = node_.loop().io().spawn(plan.start);
        if (process) return adopt(std::move(plan), std::move(b), std::move(*process), std::move(*pipes));
        // out of descriptors
        node_.answers().fail(*b.answer, error(process.error().kind() == kind::overloaded ? reason::overloaded
                                              : plan.staged ? reason::connect // the client here is missing
                                                            : reason::payload,
                                              plan.what + ": cannot start: " + std::string(process.error().message())));
    }

    /// The loop takes over a process that was started.
    void adopt(boot_plan plan, birth b, typename Io::process process, child_pipes<Io> pipes) {
        b.answer->retain();
        auto c = std::make_shared<child>(
            node_, static_cast<typename child::events&>(*this), std::move(plan), std::move(b.welcome), patience_,
            std::move(process), typename child::plumbing{std::move(pipes.in), std::move(pipes.out), std::move(pipes.err)},
            b.answer);
        child_count_.fetch_add(1, std::memory_order_relaxed);
        node_.loop().defer([this, c = std::move(c)] {
            all_.push_back(c);
            c->begin();
            if (closed_) c->shut_down(closing());
        });
    }

    /// The child of that number, or null. Threads: loop.
    child* find(context_id id) {
        for (const auto& c : all_)
            if (c->id() == id) return c.get();
        return nullptr;
    }

    /// Ends all of them and waits until they are gone; makes no more. False where that was done before.
    bool close() {
        if (closed_.exchange(true)) return false;
        node_.loop().defer([this] {
            const auto all = all_; // a child that goes removes itself
            for (const auto& c : all) c->shut_down(closing());
        });
        node_.loop().wait(all_gone_, never, true, [this] { return child_count_.load(std::memory_order_acquire) == 0; });
        node_.loop().run([] {}); // the loop has left the callback that woke us
        return true;
    }

    /// In a child made by fork(): closes their descriptors and forgets their processes.
    void abandon() noexcept
        requires io::can_fork<Io>
    {
        for (const auto& c : all_) c->abandon();
    }

private:
    static error closing() { return error(reason::broker_exited, "the router is shutting down"); }

    void child_up(child& c) override {
        const route<basic_link<Io>> added{c.id(), node_.id(), c.name(), c.edge->build, c.edge};
        node_.routes().add(added);
        monitor_.announce(added);
    }

    void child_lost(child& c, const error& why) override {
        for (const context_id gone : node_.link_lost(*c.edge, why)) monitor_.withdraw(gone, why);
    }

    void child_gone(child& c) override {
        std::erase_if(all_, [&](const auto& held) { return held.get() == &c; });
        if (child_count_.fetch_sub(1, std::memory_order_acq_rel) == 1) all_gone_.notify();
    }

    void child_again(boot_plan plan, handshake::welcome welcome, pending* connecting) override {
        birth b{std::move(welcome), connecting};
        if (closed_) {
            node_.answers().fail(*connecting, closing());
        } else {
            launch(std::move(plan), std::move(b));
        }
        connecting->release();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
