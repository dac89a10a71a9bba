// SPDX-License-Identifier: BSL-1.0
#pragma once
// router_engine.hpp: one node of the tree under one I/O policy, with everything that makes, serves
// and ends children.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/boot/staging.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/explain.hpp>
#include <mitogen/call/registry.hpp>
#include <mitogen/child/child.hpp>
#include <mitogen/child/child_pipes.hpp>
#include <mitogen/child/children.hpp>
#include <mitogen/child/listening.hpp>
#include <mitogen/child/shutdown_ladder.hpp>
#include <mitogen/child/subtree.hpp>
#include <mitogen/debug/debugging.hpp>
#include <mitogen/io/native_name.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/link/build_hash.hpp>
#include <mitogen/logging/forwarded_log.hpp>
#include <mitogen/logging/log_forwarder.hpp>
#include <mitogen/loop/broker_body.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/loop/watch_table.hpp>
#include <mitogen/loop/work_guard.hpp>
#include <mitogen/method/fork.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/node/status/activities_of.hpp>
#include <mitogen/node/status/activities_of.hpp>
#include <mitogen/node/status/status_of.hpp>
#include <mitogen/os/process/signal.hpp>
#include <mitogen/program/payload.hpp>
#include <mitogen/router/router.hpp>
#include <mitogen/router/router_options.hpp>
#include <mitogen/serve/program_id.hpp>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Its address tells I/O policies apart.
template <class Io>
inline constexpr char policy_tag = 0;

/// What a router is inside. The destructor ends all children and waits for them.
///
/// Threads: any, but for the destructor.
template <class Io>
class router_engine final : public basic_router_core<Io> {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;

    mitogen::router face_{*this};
    std::vector<payload> payloads_;
    prompt_callback on_prompt_;
    const std::uint32_t numbered_ = program_id::own().count(); // functions that have a number
    typename Io::mutex staging_mutex_{this->loop().io()};
    std::unique_ptr<detail::staging<Io>> staging_; // if the program names a method that needs it
    children<Io> children_;
    std::unique_ptr<listening<Io>> listening_; // once listen() was called
    detail::subtree<Io> subtree_{*this, children_, listening_};
    std::shared_ptr<debugging<Io>> debugger_; // if the program names it
    log_forwarder<Io> logs_{*this};
    forwarded_log<Io> logs_below_{*this, logs_};
    work_guard use_{[this] {
        closer_ = typename Io::thread(this->loop().io(), "mitogen-close", [this] { close(); });
    }};
    std::atomic<bool> closing_{false};
    typename Io::thread closer_{};     // closes this if the loop is asked to end before it was
    unique_function<void()> detached_; // empty: it cannot detach

public:
    /// `detached`: of whoever runs a child, called by detach() once the parent has agreed. Threads:
    /// any but the loop.
    explicit router_engine(detail::broker_engine<Io>& loop, router_options options = {},
                           unique_function<void()> detached = {})
        : core(loop, options.limits, options.rules), payloads_(std::move(options.payloads)),
          on_prompt_(std::move(options.on_prompt)),
          children_(*this, options.timeouts, options.pool_threads), detached_(std::move(detached)) {
        // a method names that of the native one only
        if constexpr (!std::is_same_v<Io, io::native>) name_staging<Io>();
        (void)staging(); // children may ask for programs before this context uses it itself
        if (const auto* const named = debugger_maker<Io>::named.load(std::memory_order_acquire))
            debugger_ = named->make(*this, !detached_);
        os::ignore_sigpipe();
        this->set_own_build(program_id::own().hash());
        loop.enter(use_);
    }

    ~router_engine() override {
        close();
        closer_ = {};
    }

    mitogen::router& as_router() noexcept override { return face_; }
    const void* policy_tag() const noexcept override { return &detail::policy_tag<Io>; }

    bool calls_by_number(context_id to, const void* function, std::uint32_t number) override {
        return number < numbered_ && registry::by_index(number) == function &&
               this->same_build(to);
    }
    result<std::uint64_t> key_of(const void* subject, context_id to) override {
        return key_across_builds(subject, to);
    }
    bool ask_about(basic_outstanding_call<Io>& answer, const error& why) override {
        return ask_what_is_wrong(*this, answer, why);
    }
    std::string subject_name(const void* subject) override { return name_of_subject(subject); }
    std::vector<context_status> status() override { return status_of(*this); }
    std::vector<activity> activities() override { return activities_of(*this); }

    // ---- making children

    outstanding_call& make_child(const any_method& how, making_options options) override {
        result<boot_plan> plan = how.operations().plan(how.get(), this->bounds());
        if (plan) {
            plan->on_progress = std::move(options.on_progress);
            plan->keep_alive = std::move(options.keep_alive);
        }
        return connect_by(std::move(plan));
    }

    /// The same, if the method is not known any more.
    MITOGEN_COLD outstanding_call& connect_by(result<boot_plan>&& plan) {
        if (!plan) return refused(plan.error());
        auto owned = std::make_unique<boot_plan>(std::move(*plan));
        if (owned->forks) return fork_by(std::move(owned));
        if (owned->attached) return attach_by(std::move(owned));
        if (!this->loop().io().can_spawn_self() && owned->start.executable_fd >= 0 &&
            owned->start.path.empty()) {
            return refused(error(
                reason::misuse,
                "call mitogen::init(argc, argv) first thing in main (or use mitogen::run): a child "
                "executes this program again, and would not know that it is one"));
        }
        if (owned->staged || owned->prompts) {
            detail::staging<Io>* const stages = staging();
            if (!stages)
                return refused(
                    error(reason::misuse, owned->what +
                                              ": its method is given by connect(method) or "
                                              "the like, so that this program has what it needs"));
            stages->install(*owned);
        }
        return children_.make(std::move(owned));
    }

    // ---- the contexts below

    outstanding_call& shut_down(context_id id) override {
        return subtree_.shut_down(id, this->id());
    }
    void disconnect(context_id id) override { subtree_.disconnect(id, this->id()); }
    void terminate(context_id id, bool by_force) override {
        this->loop().defer(
            [this, id, by_force] { by_force ? subtree_.expedite(id) : subtree_.terminate(id); });
    }
    result<mitogen::boot_info> info_of_boot(context_id id) override {
        return subtree_.info_of_boot(id);
    }
    int child_pid(context_id id) override { return subtree_.pid(id); }

    /// The contexts below, to end them, or to cut them off.
    detail::subtree<Io>& subtree() noexcept { return subtree_; }

    // ---- the loop

    bool watches_descriptors() const noexcept override { return io::has_local_sockets<Io>; }
    long watch(event_source& source) override {
        long rc = -ENOTSUP;
        this->loop().run([&] { rc = this->loop().watch(source, io::interest::read); });
        return rc;
    }
    void unwatch(event_source& source) override {
        this->loop().run([&] { this->loop().unwatch(source); });
    }
    int loop_fd() override {
        if constexpr (io::has_outer_loop<Io>) return this->loop().fd();
        raise(no_outer_loop());
    }
    void poll_loop() override {
        if constexpr (io::has_outer_loop<Io>) return this->loop().poll();
        raise(no_outer_loop());
    }

    // ---- what init() and listen() need of it

    /// What children need that are sent their program; null if the program names no method that
    /// does so. Threads: any.
    MITOGEN_COLD detail::staging<Io>* staging() {
        const std::lock_guard lock(staging_mutex_);
        const auto* const named = staging_maker<Io>::named.load(std::memory_order_acquire);
        if (!staging_ && named) {
            staging_ = named->make(*this, {payloads_, on_prompt_, [this](context_id id) {
                                               const child* c = children_.find(id);
                                               return c && c->runs_this_program();
                                           }});
        }
        return staging_.get();
    }

    /// This context is about to end: what stands in a debugger here goes on, and what stands below
    /// cannot any more if it is the parent that is lost. Threads: loop.
    MITOGEN_COLD void end_stops(bool parent_lost) {
        if (parent_lost) subtree_.release_all();
        if (debugger_) debugger_->context_ends();
    }

    /// The way up of log records. Of use if there is a parent.
    log_forwarder<Io>& logs() noexcept { return logs_; }

    /// Who listens for programs that join; made by the first who asks, null once the router closes.
    /// Threads: loop.
    template <class Listening>
    Listening* listening_by() {
        if (children_.closed()) return nullptr;
        if (!listening_) listening_ = std::make_unique<Listening>(*this, children_);
        return static_cast<Listening*>(listening_.get());
    }

    // ---- the end

    MITOGEN_COLD void close() final {
        if (closing_.exchange(true)) return;
        if (listening_) listening_->close();
        detail::staging<Io>* const stages = staging();
        if (stages) stages->begin_closing();
        if (debugger_) debugger_->context_ends();
        children_.close();
        if (debugger_) debugger_->close();
        if (stages) stages->close();
        logs_below_.close();
        logs_.close();
        this->close_messages();
        if (listening_) listening_->finish();
        this->loop().leave(use_);
    }

    result<void> detach() override {
        if (!detached_)
            return error(reason::misuse, "only a context that its parent has started can detach");
        if (this->loop().on_loop()) return waits_for_child();
        if (const result<void> ids = children_.ids().prepare_alone(); !ids) return ids.error();
        outstanding_call& p = this->ask({.to = this->parent()->id,
                                         .handle = handles::detaching,
                                         .how = question::manner::pass});
        const result<void> agreed = future<void>(&p, *this, decode_environment{this}).try_get();
        if (!agreed) return agreed;
        children_.ids().stand_alone();
        detached_();
        return {};
    }

    /// In a child made by fork(): closes every descriptor of the library and forgets every process.
    void abandon() noexcept
        requires io::can_fork<Io>
    {
        children_.abandon();
        if (debugger_) debugger_->abandon();
        if (staging_) staging_->abandon();
        closer_.forget();
        if (listening_) listening_->abandon();
        if (this->parent()) this->parent()->transport->abandon();
        if (on_abandon) on_abandon();
        this->loop().abandon();
    }

    /// Closes what belongs to this process and not to its router.
    unique_function<void()> on_abandon{};

private:
    outstanding_call& refused(error why) {
        return *this->failed_answer(this->id(), std::move(why));
    }

    MITOGEN_COLD outstanding_call& attach_by(std::unique_ptr<boot_plan> plan) {
        if constexpr (io::has_local_sockets<Io>) {
            typename Io::descriptor in(plan->attached_in.release());
            typename Io::descriptor out(plan->attached_out.release());
            for (const auto* end : {&in, &out})
                if (const long rc = this->loop().io().set_nonblocking(end->get(), true); rc < 0)
                    return refused(os::failure("attach", rc, end->get()));
            return children_.attach(std::move(plan), std::move(in), std::move(out));
        } else {
            return refused(
                error(reason::misuse,
                      "this I/O policy has no descriptors of the system: nothing can be attached"));
        }
    }

    MITOGEN_COLD outstanding_call& fork_by(std::unique_ptr<boot_plan> plan) {
        if constexpr (io::can_fork<Io>) {
            const auto go_on = [this](std::unique_ptr<boot_plan> p,
                                      typename children<Io>::pending_child b) {
                fork_as(std::move(p), std::move(b));
            };
            // The loop waits for nothing, not for a number either. Elseif the copy is of the
            // thread that asks for it.
            if (this->loop().on_loop()) return children_.make(std::move(plan), go_on);
            auto b = children_.prepare(*plan);
            if (!b) return refused(b.error());
            outstanding_call& up = *b->answer;
            go_on(std::move(plan), std::move(*b));
            return up;
        } else {
            return refused(error(reason::misuse, "this I/O policy cannot fork"));
        }
    }

    void fork_as(std::unique_ptr<boot_plan> plan,
                 typename children<Io>::pending_child b)
                     requires io::can_fork<Io>
                 {
        Io& io = this->loop().io();
        auto pipes = make_child_pipes(io);
        if (!pipes) return children_.fail(b, pipes.error());
        result<int> pid = error(reason::system, "");
        this->loop().paused(
            [&] { pid = fork_child(io, *pipes, plan->on_start, [this] { abandon(); }); });
        if (!pid) return children_.fail(b, pid.error());
        children_.adopt(std::move(plan), std::move(b), typename Io::process(*pid),
                        std::move(*pipes));
    }
};

/// The engine behind a router that is known to run under `Io`.
template <class Io>
router_engine<Io>& engine_of(mitogen::node& node) noexcept {
    return static_cast<router_engine<Io>&>(node);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
