// SPDX-License-Identifier: BSL-1.0
#pragma once
// router.hpp: one context's place in the tree, and its means to make children.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/connect/child.hpp>
#include <mitogen/connect/fork.hpp>
#include <mitogen/connect/forwarded_log.hpp>
#include <mitogen/connect/local.hpp>
#include <mitogen/connect/methods.hpp>
#include <mitogen/connect/process_state.hpp>
#include <mitogen/connect/ssh.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/route/id_allocator.hpp>
#include <mitogen/route/route_monitor.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/rpc/context.hpp>
#include <mitogen/rpc/explain.hpp>
#include <mitogen/rpc/typed_handler.hpp>
#include <mitogen/sync/waiter.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/machine.hpp>
#include <mitogen/sys/signal.hpp>

#include <algorithm>
#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// How a router is made.
struct router_options {
    mitogen::limits limits{};       ///< for this context and all below it
    ending_patience patience{};     ///< how long children may take to end
    std::uint32_t pool_threads = 4; ///< most threads that a child gives to on::pool functions
};

/// One context's place in the tree. Every way to make a child is a member. The destructor ends all children and waits for them.
///
/// Threads: any, but for the destructor. Blocking members must not be called from functions that run on the loop.
template <class Io>
class basic_router : public basic_router_core<Io>, private basic_child<Io>::events {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;
    using pending = basic_pending<Io>;

    router_options options_;
    basic_route_monitor<Io> monitor_;
    basic_id_allocator<Io> ids_;
    std::vector<std::shared_ptr<child>> children_; // loop's
    std::atomic<std::size_t> child_count_{0};
    waiter<Io> all_gone_;
    std::atomic<bool> closed_{false};

public:
    using policy = Io;
    using context = basic_context<Io>;

    explicit basic_router(basic_broker<Io>& loop, router_options options = {})
        : core(loop, options.limits), options_(options), monitor_(*this), ids_(*this), all_gone_(loop.io()) {
        sys::ignore_sigpipe();
        this->set_own_build(hash_build(sys::build_id()));
        detail::receive_forwarded_logs(*this);
        explain_unknown_functions(*this);
    }

    ~basic_router() { close(); }

    // ---- making children. The try_ forms return the error that the others throw; connect_async returns at once.

    /// A new process on this machine, running this program.
    context local(local_options options = {}) { return try_local(std::move(options)).value(); }
    result<context> try_local(local_options options = {}) { return try_connect(options); }

    /// A copy of this process, made by fork(): has its memory, but none of its threads. Cheaper to start than local() for small
    /// processes.
    context fork(fork_options options = {}) { return try_fork(std::move(options)).value(); }
    result<context> try_fork(fork_options options = {}) {
        if (this->loop().on_loop()) return would_wait();
        return start_fork(std::move(options)).try_get();
    }

    /// A process on another machine, reached with the system's ssh; nothing of ours needs to be there.
    context ssh(ssh_options options) { return try_ssh(std::move(options)).value(); }
    result<context> try_ssh(ssh_options options) { return try_connect(options); }

    /// Any method, by its options: `router.connect(mitogen::ssh{.hostname = "web1"})`.
    template <connection_method Method>
    context connect(const Method& method) {
        return try_connect(method).value();
    }
    template <connection_method Method>
    result<context> try_connect(const Method& method) {
        if (this->loop().on_loop()) return would_wait();
        return connect_async(method).try_get();
    }

    /// Begins to connect and returns at once: start hundreds, then wait for each. Errors come out of the future.
    template <connection_method Method>
    basic_future<context, Io> connect_async(const Method& method) {
        result<boot_plan> plan = method.plan();
        if (!plan) return failed<context>(plan.error());
        if (!method.limits) plan->bounds = this->bounds();
        return start(std::move(*plan));
    }

    // ---- the tree

    /// This context.
    context myself() noexcept { return context(*this, this->id()); }

    /// The context of that id, known or not.
    context context_by_id(context_id id) noexcept { return context(*this, id); }

    /// All contexts below this one.
    std::vector<context> contexts() {
        std::vector<context> all;
        for (const auto& r : this->below()) all.push_back(context(*this, r.id));
        return all;
    }

    // ---- messages

    /// Registers `call(const message&, Args...)` for a typed handle; it runs on the loop and must not block. A logic_error where
    /// the number is taken.
    template <class... Args, class F>
    void add_handler(handle<Args...> number, F call, handler_options options = {}) {
        this->add_raw_handler(number.number, options,
                              typed_handler<Args...>(
                                  std::move(call), [this](const message& m, const error& why) { this->reply_dead(m.head, why); },
                                  this->bounds(), environment()))
            .value();
    }

    decode_environment environment() noexcept { return {this, &policy_tag<Io>}; }

    // ---- the end

    /// Ends every child and waits until all are gone, by force where they do not go; fails everything that waits. The destructor
    /// does it too.
    void close() {
        if (closed_.exchange(true)) return;
        const error why(reason::broker_exited, "the router is shutting down");
        this->loop().defer([this, why] {
            const auto all = children_; // a child that goes removes itself
            for (const auto& c : all) c->shut_down(why);
        });
        this->loop().wait(all_gone_, never, true, [this] { return child_count_.load(std::memory_order_acquire) == 0; });
        this->loop().run([] {}); // the loop has left the callback that woke us
        core::close();
    }

    /// Begins to end one child; see basic_context::shutdown.
    basic_future<exit_status, Io> shutdown_child(context_id id) {
        return with_child<exit_status>(id, [](child& c, pending* p) {
            c.await_exit(p);
            c.shut_down(error(reason::cancelled, "it was shut down"));
        });
    }

    /// See basic_context::disconnect.
    void disconnect_child(context_id id) {
        this->loop().defer([this, id] {
            if (child* c = find_child(id)) c->cut("disconnected by its parent");
        });
    }

    /// Process id of a direct child; -1 where there is none of that id.
    int child_pid(context_id id) {
        int pid = -1;
        this->loop().run([&] {
            if (child* c = find_child(id)) pid = static_cast<int>(c->pid());
        });
        return pid;
    }

    /// In a child made by fork(): closes every descriptor of the library and forgets every process.
    void abandon() noexcept {
        for (const auto& c : children_) c->abandon();
        if (this->parent()) this->parent()->stream->abandon();
        this->loop().abandon();
    }

private:
    static error would_wait() {
        return error(reason::misuse,
                     "a function that runs on the loop makes a child and waits for it; run it on::main or on::pool, "
                     "or use connect_async");
    }

    template <class T>
    basic_future<T, Io> failed(error why) {
        return basic_future<T, Io>(this->failed_answer(this->id(), std::move(why)), *this, environment());
    }

    /// Everything but the process: numbers, names, and the future that the child will answer.
    struct birth {
        handshake::welcome welcome;
        pending* answer;
    };

    result<birth> prepare(boot_plan& plan) {
        if (closed_) return error(reason::broker_exited, "the router is shutting down");
        const result<context_id> id = ids_.next();
        if (!id) return id.error();
        birth b;
        b.welcome.id = *id;
        b.welcome.ancestors.push_back(this->id());
        b.welcome.ancestors.insert(b.welcome.ancestors.end(), this->ancestors().begin(), this->ancestors().end());
        b.welcome.name = plan.name;
        b.welcome.title = "mitogen:" + plan.name + " (" + sys::identity_text() + ")";
        b.welcome.build = sys::build_id();
        b.welcome.log_level = static_cast<std::uint8_t>(log::threshold());
        b.welcome.pool_threads = options_.pool_threads;
        b.welcome.grace_ns = options_.patience.grace;
        b.welcome.bounds = plan.bounds;
        std::optional<error> why;
        b.answer = this->answers().open(this->id(), why);
        if (!b.answer) return std::move(*why);
        return b;
    }

    basic_future<context, Io> start(boot_plan plan) {
        if (!detail::this_process.initialised && !plan.staged && plan.start.path.empty()) {
            return failed<context>(error(reason::misuse,
                                         "call mitogen::init(argc, argv) first thing in main (or use mitogen::run): a child "
                                         "executes this program again, and would not know that it is one"));
        }
        result<birth> b = prepare(plan);
        if (!b) return failed<context>(b.error());
        basic_future<context, Io> up(b->answer, *this, environment());
        launch(std::move(plan), std::move(*b));
        return up;
    }

    /// Starts the process of a child that has its numbers.
    void launch(boot_plan plan, birth b) {
        result<detail::child_pipes> pipes = detail::make_child_pipes();
        if (!pipes) return (void)this->answers().fail(*b.answer, pipes.error());
        plan.start.in = pipes->child_in.get();
        plan.start.out = pipes->child_out.get();
        plan.start.err = pipes->child_err.get();
        result<typename Io::process> process = this->loop().io().spawn(plan.start);
        if (process) return adopt(std::move(plan), std::move(b), std::move(*process), std::move(*pipes));
        // out of descriptors
        this->answers().fail(*b.answer, error(process.error().kind() == kind::overloaded ? reason::overloaded
                                              : plan.staged ? reason::connect // the client here is missing
                                                            : reason::payload,
                                              plan.what + ": cannot start: " + std::string(process.error().message())));
    }

    basic_future<context, Io> start_fork(fork_options options) {
        boot_plan plan;
        plan.what = "fork child";
        plan.name = "fork";
        plan.bounds = this->bounds();
        detail::apply_common(options, plan);
        result<detail::child_pipes> pipes = detail::make_child_pipes();
        if (!pipes) return failed<context>(pipes.error());
        result<birth> b = prepare(plan);
        if (!b) return failed<context>(b.error());
        basic_future<context, Io> up(b->answer, *this, environment());
        result<int> pid = error(reason::system, "");
        this->loop().paused([&] { pid = detail::fork_child<Io>(*pipes, options, [this] { abandon(); }); });
        if (!pid) {
            this->answers().fail(*b->answer, pid.error());
            return up;
        }
        adopt(std::move(plan), std::move(*b), typename Io::process(*pid), std::move(*pipes));
        return up;
    }

    /// The loop takes over.
    void adopt(boot_plan plan, birth b, typename Io::process process, detail::child_pipes pipes) {
        b.answer->retain();
        auto c = std::make_shared<child>(
            static_cast<core&>(*this), static_cast<typename child::events&>(*this), std::move(plan), std::move(b.welcome),
            options_.patience, std::move(process),
            typename child::plumbing{std::move(pipes.in), std::move(pipes.out), std::move(pipes.err)}, b.answer);
        child_count_.fetch_add(1, std::memory_order_relaxed);
        this->loop().defer([this, c = std::move(c)] {
            children_.push_back(c);
            c->begin();
            if (closed_) c->shut_down(error(reason::broker_exited, "the router is shutting down"));
        });
    }

    void child_up(child& c) override {
        const route<basic_link<Io>> added{c.id(), this->id(), c.name(), c.edge->build, c.edge};
        this->routes().add(added);
        monitor_.announce(added);
    }

    void child_lost(child& c, const error& why) override {
        for (const context_id gone : this->link_lost(*c.edge, why)) monitor_.withdraw(gone, why);
    }

    void child_gone(child& c) override {
        std::erase_if(children_, [&](const auto& held) { return held.get() == &c; });
        if (child_count_.fetch_sub(1, std::memory_order_acq_rel) == 1) all_gone_.notify();
    }

    void child_again(boot_plan plan, handshake::welcome welcome, pending* connecting) override {
        birth b{std::move(welcome), connecting};
        if (closed_) {
            this->answers().fail(*connecting, error(reason::broker_exited, "the router is shutting down"));
        } else {
            launch(std::move(plan), std::move(b));
        }
        connecting->release();
    }

    child* find_child(context_id id) {
        for (const auto& c : children_)
            if (c->id() == id) return c.get();
        return nullptr;
    }

    /// Hands the direct child `id` and a future's slot to `work`, on the loop.
    template <class T, class Work>
    basic_future<T, Io> with_child(context_id id, Work work) {
        std::optional<error> why;
        pending* p = this->answers().open(this->id(), why);
        if (!p) raise(*why);
        p->retain();
        const bool accepted = this->loop().defer([this, id, p, work] {
            if (child* c = find_child(id)) return work(*c, p);
            const std::optional<error> lost = this->why_lost(id);
            this->answers().fail(
                *p, lost ? *lost : error(reason::no_route, "context " + std::to_string(id) + " is not a child of this context"));
            p->release();
        });
        if (!accepted) {
            this->answers().fail(*p, error(reason::broker_exited, "the broker has exited"));
            p->release();
        }
        return basic_future<T, Io>(p, *this, environment());
    }
};

} // namespace mitogen::inline MITOGEN_ABI
