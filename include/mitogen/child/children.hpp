// SPDX-License-Identifier: BSL-1.0
#pragma once
// children.hpp: the children of one context: numbers and processes for new ones, and who is there.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/child/child.hpp>
#include <mitogen/child/child_pipes.hpp>
#include <mitogen/child/shutdown_ladder.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/id_allocator.hpp>
#include <mitogen/node/route_monitor.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/machine.hpp>
#include <mitogen/program/program_source.hpp>
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/serve/program_id.hpp>
#include <mitogen/sync/wait_group.hpp>

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
/// make() is all that most need: a slot for the answer, a number, a process, and then the loop
/// takes over. A fork child is made in two steps: prepare(), and adopt() when its process exists.
/// Threads: any but where marked.
template <class Io>
class children : private basic_child<Io>::events {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;
    using open_call = basic_outstanding_call<Io>;

    core& node_;
    shutdown_timeouts timeouts_;
    context_id ended_by_ = no_context; // loop: who has asked for the end of this context
    std::uint32_t pool_threads_;
    basic_route_monitor<Io> monitor_;
    basic_id_allocator<Io> ids_;
    std::vector<std::shared_ptr<child>> all_; // loop's
    basic_wait_group<Io> alive_;              // children; those that are only being made as well
    std::atomic<bool> closed_{false};

public:
    /// A plan stays if it is from here on, until its child is gone: it is large, and much refers
    /// to it.
    using plan_owner = std::unique_ptr<boot_plan>;

    /// Everything but the process: numbers, names, and one reference to what the child will answer.
    /// Ends in adopt() or fail().
    struct pending_child {
        handshake::welcome welcome;
        open_call* answer;
    };

    children(core& node, shutdown_timeouts timeouts, std::uint32_t pool_threads)
        : node_(node), timeouts_(timeouts), pool_threads_(pool_threads), monitor_(node), ids_(node),
          alive_(node.loop().io()) {
        (void)node.add_raw_handler(handles::detaching, {.from = senders::anyone},
                                   [this](const message& m) { let_go(m); });
        (void)node.add_raw_handler(handles::farewell, {.from = senders::anyone},
                                   [this](const message& m) {
                                       if (child* c = find(m.src())) c->farewell();
                                   });
        (void)node.add_raw_handler(handles::hold, {}, [this](const message& m) { hold(m); });
    }

    children(children&&) = delete;

    /// Makes a child by starting a process as the plan says. The caller holds one reference to the
    /// answer: its id, or why it did not come up. If nobody waits for the answer any more, the
    /// child ends. Never blocks.
    MITOGEN_COLD open_call& make(plan_owner plan) {
        return make(std::move(plan), [this](plan_owner p, pending_child b) {
            if (!p->staged) return launch(std::move(p), std::move(b));
            boot_plan& completed = *p;
            completed.source->complete(completed,
                                       [this, p = std::move(p), b = std::move(b)]() mutable {
                                           if (closed_) return fail(b, closing());
                                           launch(std::move(p), std::move(b));
                                       });
        });
    }

    /// The same, of one that is there already, at the far end of these. It has no process here.
    open_call& attach(plan_owner plan, typename Io::descriptor in, typename Io::descriptor out) {
        child_pipes<Io> ends;
        ends.in = std::move(in);
        ends.out = std::move(out);
        return make(std::move(plan),
                    [this, ends = std::move(ends)](plan_owner p, pending_child b) mutable {
                        adopt(std::move(p), std::move(b), typename Io::process(), std::move(ends));
                    });
    }

    /// Number and answer for a child whose process the caller makes. The caller holds one reference
    /// more to the answer. Blocks while the root is asked for numbers.
    MITOGEN_COLD result<pending_child> prepare(const boot_plan& plan) {
        std::optional<error> why;
        pending_child b{{}, begin(plan, why)};
        if (!b.answer) return std::move(*why);
        const result<context_id> id = ids_.next();
        if (!id) {
            open_call* answer = b.answer;
            fail(b, id.error());
            answer->release();
            return id.error();
        }
        b.welcome = welcome_for(*id, plan);
        return b;
    }

    /// There will be no such child.
    void fail(const pending_child& b, const error& why) {
        node_.outstanding().fail(*b.answer, why);
        end_pending(b);
    }

    /// The loop takes over a process that was started.
    MITOGEN_COLD void adopt(plan_owner plan, pending_child b, typename Io::process process,
                            child_pipes<Io> pipes) {
        typename child::plumbing ends{
            std::move(pipes.in), std::move(pipes.out), std::move(pipes.err), {}};
        if (!pipes.terminal.empty()) ends.terminal = std::move(pipes.child_err);
        auto c = std::make_shared<child>(node_, static_cast<typename child::events&>(*this),
                                         std::move(plan), std::move(b.welcome), timeouts_,
                                         std::move(process), std::move(ends), b.answer);
        node_.loop().defer([this, c = std::move(c)] {
            all_.push_back(c);
            c->begin();
            if (closed_) c->shut_down(ending());
        });
    }

    // For those who come by themselves, too.
    basic_id_allocator<Io>& ids() noexcept { return ids_; }
    const shutdown_timeouts& timeouts() const noexcept { return timeouts_; }
    std::uint32_t pool_threads() const noexcept { return pool_threads_; }
    bool closed() const noexcept { return closed_; }
    static error closing() { return error(reason::broker_exited, "the router is shutting down"); }
    /// This context is being ended, by `who`: its children will hear of that. Threads: loop.
    void ends_for(context_id who) noexcept { ended_by_ = who; }

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
            for (const auto& c : all) c->shut_down(ending());
        });
        alive_.wait(node_.loop());
        node_.loop().run([this] {
            for (const auto& c : std::exchange(all_, {})) c->forget(); // what has detached
        });
    }

    /// True while a context below stands in a debugger. Threads: loop.
    bool held() const {
        return std::any_of(all_.begin(), all_.end(), [](const auto& c) { return c->held(); });
    }

    /// Nobody can stand in a debugger any more: the way to it is cut. Threads: loop.
    MITOGEN_COLD void release_all() {
        const auto all = all_; // a child that goes removes itself
        for (const auto& c : all) c->release();
    }

    /// Ends all of them as fast as may be, and says how many levels of contexts that are. Threads:
    /// loop.
    std::uint32_t expedite() {
        const auto all = all_; // a child that goes removes itself
        std::uint32_t levels = 0;
        for (const auto& c : all) {
            c->expedite(ending());
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

    /// The same of a child whose process the caller makes: by `start(plan, pending_child)`, called
    /// at once or, if the root must be asked for a number, on the loop when it has answered. It
    /// ends in adopt() or fail(), as prepare() does. Never blocks.
    template <class Start>
    MITOGEN_COLD open_call& make(plan_owner plan, Start start) {
        std::optional<error> why;
        open_call* answer = begin(*plan, why);
        if (!answer) return *node_.failed_answer(node_.id(), std::move(*why));
        ids_.next([this, answer, plan = std::move(plan),
                   start = std::move(start)](const result<context_id>& id) mutable {
            pending_child b{{}, answer};
            if (!id) return fail(b, id.error());
            if (answer->done()) return end_pending(b); // given up
            b.welcome = welcome_for(*id, *plan);
            start(std::move(plan), std::move(b));
        });
        return *answer;
    }

private:
    error ending() const {
        return ended_by(reason::broker_exited, ended_by_, "the router is shutting down");
    }

    /// Counts one more and opens its answer, with a reference for the caller and one for its
    /// pending_child. Null with `why` if there can be no more.
    MITOGEN_COLD open_call* begin(const boot_plan& plan, std::optional<error>& why) {
        alive_.add(); // first: close() waits for whoever has not seen that it is closed
        open_call* answer = nullptr;
        if (closed_) {
            why.emplace(closing());
        } else if (plan.executor != on::main && plan.executor != on::pool &&
                   plan.executor != on::loop) {
            why.emplace(reason::misuse,
                        plan.what + ": .executor must be on::main, on::pool or on::loop");
        } else if (plan.name.size() > most_name) {
            why.emplace(reason::misuse, plan.what + ": .name may have 256 bytes");
        } else if ((answer = node_.outstanding().open(node_.id(), why))) {
            answer->retain();
            return answer;
        }
        alive_.done();
        return nullptr;
    }

    void end_pending(const pending_child& b) {
        b.answer->release();
        alive_.done();
    }

    MITOGEN_COLD handshake::welcome welcome_for(context_id id, const boot_plan& plan) {
        handshake::welcome w;
        w.id = id;
        w.ancestors = node_.path();
        const std::string number = plan.name_takes_id ? "." + std::to_string(id) : std::string();
        w.name = visible_name(plan.name, most_name - number.size()) + number;
        w.title = "mitogen:" + w.name + " (" + node_.loop().io().own_name() + ")";
        w.build = program_id::own().text();
        w.log_level = static_cast<std::uint8_t>(log::threshold());
        w.pool_threads = pool_threads_;
        w.grace_ns = timeouts_.grace;
        w.bounds = plan.bounds;
        w.rules = node_.rules();
        w.logs = log::current_bounds();
        w.executor = plan.executor;
        w.above = node_.own_path();
        return w;
    }

    /// Starts the process of a child that has its numbers. If that fails, its answer says so.
    MITOGEN_COLD void launch(plan_owner plan, pending_child b) {
        result<child_pipes<Io>> pipes =
            make_child_pipes(node_.loop().io(), plan->prompts != nullptr);
        if (!pipes) return fail(b, pipes.error());
        plan->start.in = pipes->child_in.get();
        plan->start.out = pipes->child_out.get();
        plan->start.err = pipes->child_err.get();
        plan->start.terminal = pipes->terminal;
        result<typename Io::process> process = node_.loop().io().spawn(plan->start);
        if (process)
            return adopt(std::move(plan), std::move(b), std::move(*process), std::move(*pipes));
        // out of descriptors
        fail(b, error(process.error().kind() == kind::overloaded ? reason::overloaded
                      : plan->staged ? reason::connect // the client here is missing
                                     : reason::payload,
                      plan->what + ": cannot start: " + std::string(process.error().message()) +
                          (plan->if_missing.empty() ? "" : "; " + plan->if_missing)));
    }

    void child_up(child& c) override { neighbour_up(c.name(), c.link); }

    void child_lost(child& c, const error& why) override { neighbour_lost(*c.link, why); }

    void child_gone(child& c) override {
        std::erase_if(all_, [&](const auto& entry) { return entry.get() == &c; });
        if (!c.detached()) alive_.done();
    }

    void child_detached(child&) override { alive_.done(); }

    /// A child, or one below it, stands in a debugger, or does no more.
    MITOGEN_COLD void hold(const message& m) {
        reader r(m.payload);
        context_id which{};
        bool stands{};
        if (!decode(r, which, stands) || !r.finish()) return;
        if (child* c = find(which)) c->hold(stands);
    }

    /// A child wants to go on alone.
    MITOGEN_COLD void let_go(const message& m) {
        child* c = find(m.src());
        if (!c || !c->up()) {
            return node_.reply_dead(
                m.head, error(reason::refused_by_policy, "context " + std::to_string(m.src()) +
                                                             " is not a child of context " +
                                                             std::to_string(node_.id())));
        }
        if (!c->may_detach())
            return node_.reply_dead(
                m.head,
                error(reason::refused_by_policy,
                      c->name() + " may not detach: its method does not say .may_detach = true"));
        c->let_go();
        node_.reply(m.head, {}, 0);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
