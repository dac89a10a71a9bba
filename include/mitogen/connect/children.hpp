// SPDX-License-Identifier: BSL-1.0
#pragma once
// children.hpp: the children of one context: numbers and processes for new ones, and who is there.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/boot/handshake.hpp>
#include <mitogen/connect/child.hpp>
#include <mitogen/connect/child_pipes.hpp>
#include <mitogen/connect/ending.hpp>
#include <mitogen/connect/programs/program_source.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/route/id_allocator.hpp>
#include <mitogen/route/peer.hpp>
#include <mitogen/route/route_monitor.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/sync/wait_group.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/machine.hpp>

#include <algorithm>
#include <atomic>
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
/// make() is all that most need: a slot for the answer, a number, a process, and then the loop takes over. A fork child is made
/// in two steps: prepare(), and adopt() when its process exists. Threads: any but where marked.
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
    basic_wait_group<Io> alive_;              // children; those that are only being made as well
    std::atomic<bool> closed_{false};

public:
    /// A plan stays where it is from here on, until its child is gone: it is large, and much refers
    /// to it.
    using plan_owner = std::unique_ptr<boot_plan>;

    /// Everything but the process: numbers, names, and one reference to what the child will answer. Ends in adopt() or
    /// miscarry().
    struct birth {
        handshake::welcome welcome;
        pending* answer;
    };

    children(core& node, ending_patience patience, std::uint32_t pool_threads)
        : node_(node), patience_(patience), pool_threads_(pool_threads), monitor_(node), ids_(node),
          alive_(node.loop().io()) {
        (void)node.add_raw_handler(handles::detaching, {.from = senders::anyone}, [this](const message& m) { let_go(m); });
    }

    children(children&&) = delete;

    /// Makes a child by starting a process as the plan says. The caller holds one reference to the answer: its id, or why it did
    /// not come up. Where nobody waits for the answer any more, the child ends. Never blocks.
    MITOGEN_COLD pending& make(plan_owner plan) {
        return make(std::move(plan), [this](plan_owner p, birth b) {
            if (!p->staged) return launch(std::move(p), std::move(b));
            boot_plan& completed = *p;
            completed.source->complete(completed, [this, p = std::move(p), b = std::move(b)]() mutable {
                if (closed_) return miscarry(b, closing());
                launch(std::move(p), std::move(b));
            });
        });
    }

    /// The same, of one that is there already, at the far end of these. It has no process here.
    pending& attach(plan_owner plan, typename Io::descriptor in, typename Io::descriptor out) {
        child_pipes<Io> ends;
        ends.in = std::move(in);
        ends.out = std::move(out);
        return make(std::move(plan), [this, ends = std::move(ends)](plan_owner p, birth b) mutable {
            adopt(std::move(p), std::move(b), typename Io::process(), std::move(ends));
        });
    }

    /// Number and answer for a child whose process the caller makes. The caller holds one reference more to the answer. Blocks
    /// while the root is asked for numbers.
    MITOGEN_COLD result<birth> prepare(const boot_plan& plan) {
        std::optional<error> why;
        birth b{{}, begin(plan, why)};
        if (!b.answer) return std::move(*why);
        const result<context_id> id = ids_.next();
        if (!id) {
            pending* answer = b.answer;
            miscarry(b, id.error());
            answer->release();
            return id.error();
        }
        b.welcome = welcome_for(*id, plan);
        return b;
    }

    /// There will be no such child.
    void miscarry(const birth& b, const error& why) {
        node_.answers().fail(*b.answer, why);
        end_birth(b);
    }

    /// The loop takes over a process that was started.
    MITOGEN_COLD void adopt(plan_owner plan, birth b, typename Io::process process, child_pipes<Io> pipes) {
        typename child::plumbing ends{std::move(pipes.in), std::move(pipes.out), std::move(pipes.err), {}};
        if (!pipes.terminal.empty()) ends.terminal = std::move(pipes.child_err);
        auto c = std::make_shared<child>(node_, static_cast<typename child::events&>(*this), std::move(plan),
                                         std::move(b.welcome), patience_, std::move(process), std::move(ends), b.answer);
        node_.loop().defer([this, c = std::move(c)] {
            all_.push_back(c);
            c->begin();
            if (closed_) c->shut_down(closing());
        });
    }

    // For those who come by themselves, too.
    basic_id_allocator<Io>& ids() noexcept { return ids_; }
    const ending_patience& patience() const noexcept { return patience_; }
    std::uint32_t pool_threads() const noexcept { return pool_threads_; }
    bool closed() const noexcept { return closed_; }
    static error closing() { return error(reason::broker_exited, "the router is shutting down"); }

    /// A context directly below is reachable from now on. Threads: loop.
    void neighbour_up(const std::string& name, const std::shared_ptr<basic_peer<Io>>& link) {
        const route<basic_peer<Io>> added{link->id, node_.id(), name, link->build, link};
        node_.routes().add(added);
        monitor_.announce(added);
    }

    /// It is lost, with all that are below it. Threads: loop.
    void neighbour_lost(basic_peer<Io>& link, const error& why) {
        for (const context_id gone : node_.link_lost(link, why)) monitor_.withdraw(gone, why);
    }

    /// The child of that number, or null. Threads: loop.
    child* find(context_id id) {
        for (const auto& c : all_)
            if (c->id() == id && !c->detached()) return c.get();
        return nullptr;
    }

    /// Ends all of them and waits until they are gone; makes no more. Called once.
    MITOGEN_COLD void close() {
        closed_ = true;
        ids_.close(closing());
        node_.loop().defer([this] {
            const auto all = all_; // a child that goes removes itself
            for (const auto& c : all) c->shut_down(closing());
        });
        alive_.wait(node_.loop());
        node_.loop().run([this] {
            for (const auto& c : std::exchange(all_, {})) c->forget(); // what has detached
        });
    }

    /// Ends all of them as fast as may be, and says how many levels of contexts that are. Threads: loop.
    std::uint32_t hurry() {
        const auto all = all_; // a child that goes removes itself
        std::uint32_t levels = 0;
        for (const auto& c : all) {
            c->hurry(closing());
            levels = std::max(levels, 1 + (c->link ? c->link->levels : 0));
        }
        return levels;
    }

    /// In a child made by fork(): closes their descriptors and forgets their processes.
    void abandon() noexcept
        requires io::can_fork<Io>
    {
        for (const auto& c : all_) c->abandon();
    }

    /// The same of a child whose process the caller makes: by `start(plan, birth)`, called at once or, if the root must be
    /// asked for a number, on the loop when it has answered. It ends in adopt() or miscarry(), as prepare() does. Never blocks.
    template <class Start>
    MITOGEN_COLD pending& make(plan_owner plan, Start start) {
        std::optional<error> why;
        pending* answer = begin(*plan, why);
        if (!answer) return *node_.failed_answer(node_.id(), std::move(*why));
        ids_.next([this, answer, plan = std::move(plan), start = std::move(start)](const result<context_id>& id) mutable {
            birth b{{}, answer};
            if (!id) return miscarry(b, id.error());
            if (answer->done()) return end_birth(b); // given up
            b.welcome = welcome_for(*id, *plan);
            start(std::move(plan), std::move(b));
        });
        return *answer;
    }

private:
    /// Counts one more and opens its answer, with a reference for the caller and one for its birth. Null with `why` where there
    /// can be no more.
    MITOGEN_COLD pending* begin(const boot_plan& plan, std::optional<error>& why) {
        alive_.add(); // first: close() waits for whoever has not seen that it is closed
        pending* answer = nullptr;
        if (closed_) {
            why.emplace(closing());
        } else if (plan.executor != on::main && plan.executor != on::pool && plan.executor != on::loop) {
            why.emplace(reason::misuse, plan.what + ": .executor must be on::main, on::pool or on::loop");
        } else if ((answer = node_.answers().open(node_.id(), why))) {
            answer->retain();
            return answer;
        }
        alive_.done();
        return nullptr;
    }

    void end_birth(const birth& b) {
        b.answer->release();
        alive_.done();
    }

    MITOGEN_COLD handshake::welcome welcome_for(context_id id, const boot_plan& plan) {
        handshake::welcome w;
        w.id = id;
        w.ancestors = node_.path();
        w.name = plan.name;
        w.title = "mitogen:" + plan.name + " (" + node_.loop().io().own_name() + ")";
        w.build = sys::build_id();
        w.log_level = static_cast<std::uint8_t>(log::threshold());
        w.pool_threads = pool_threads_;
        w.grace_ns = patience_.grace;
        w.bounds = plan.bounds;
        w.rules = node_.rules();
        w.logs = log::current_bounds();
        w.executor = plan.executor;
        return w;
    }

    /// Starts the process of a child that has its numbers. Where that fails, its answer says so.
    MITOGEN_COLD void launch(plan_owner plan, birth b) {
        result<child_pipes<Io>> pipes = make_child_pipes(node_.loop().io(), plan->prompts != nullptr);
        if (!pipes) return miscarry(b, pipes.error());
        plan->start.in = pipes->child_in.get();
        plan->start.out = pipes->child_out.get();
        plan->start.err = pipes->child_err.get();
        plan->start.terminal = pipes->terminal;
        result<typename Io::process> process = node_.loop().io().spawn(plan->start);
        if (process) return adopt(std::move(plan), std::move(b), std::move(*process), std::move(*pipes));
        // out of descriptors
        miscarry(b, error(process.error().kind() == kind::overloaded ? reason::overloaded
                          : plan->staged ? reason::connect // the client here is missing
                                         : reason::payload,
                          plan->what + ": cannot start: " + std::string(process.error().message()) +
                              (plan->if_missing.empty() ? "" : "; " + plan->if_missing)));
    }

    void child_up(child& c) override { neighbour_up(c.name(), c.link); }

    void child_lost(child& c, const error& why) override { neighbour_lost(*c.link, why); }

    void child_gone(child& c) override {
        std::erase_if(all_, [&](const auto& held) { return held.get() == &c; });
        if (!c.detached()) alive_.done();
    }

    void child_detached(child&) override { alive_.done(); }

    /// A child wants to go on alone.
    MITOGEN_COLD void let_go(const message& m) {
        child* c = find(m.src());
        if (!c || !c->up()) {
            return node_.reply_dead(
                m.head, error(reason::refused_by_policy,
                              "context " + std::to_string(m.src()) + " is not a child of context " + std::to_string(node_.id())));
        }
        c->let_go();
        node_.reply(m.head, {}, 0);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
