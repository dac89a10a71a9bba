// SPDX-License-Identifier: BSL-1.0
#pragma once
// router.hpp: one context's place in the tree, and its means to make children.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/connect/boot/boot_plan.hpp>
#include <mitogen/connect/boot/explain_plan.hpp>
#include <mitogen/connect/boot/staging.hpp>
#include <mitogen/connect/build_hash.hpp>
#include <mitogen/connect/child.hpp>
#include <mitogen/connect/child_pipes.hpp>
#include <mitogen/connect/children.hpp>
#include <mitogen/connect/descendants.hpp>
#include <mitogen/connect/ending.hpp>
#include <mitogen/connect/joining/listening.hpp>
#include <mitogen/connect/logs/forwarded_log.hpp>
#include <mitogen/connect/logs/log_uplink.hpp>
#include <mitogen/connect/methods/attach.hpp>
#include <mitogen/connect/methods/fork.hpp>
#include <mitogen/connect/methods/local.hpp>
#include <mitogen/connect/methods/method.hpp>
#include <mitogen/connect/methods/ssh.hpp>
#include <mitogen/connect/programs/payload.hpp>
#include <mitogen/connect/prompts/prompt.hpp>
#include <mitogen/connect/router_options.hpp>
#include <mitogen/connect/staged_children.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/loop/loop_users.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/route/status.hpp>
#include <mitogen/rpc/context.hpp>
#include <mitogen/rpc/explain.hpp>
#include <mitogen/rpc/making.hpp>
#include <mitogen/rpc/typed_handler.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/signal.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// One context's place in the tree. Every way to make a child is a member. The destructor ends all children and waits for them.
///
/// Threads: any, but for the destructor. Blocking members must not be called from functions that run on the loop.
template <class Io>
class basic_router final : public basic_router_core<Io>, public making<basic_router<Io>, basic_context<Io>> {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;

    std::vector<payload> payloads_;
    prompt_callback on_prompt_;
    typename Io::mutex staging_mutex_{this->loop().io()};
    std::unique_ptr<detail::staging<Io>> staging_; // where the program names a method that needs it
    detail::children<Io> children_;
    std::unique_ptr<detail::listening<Io>> listening_; // once listen() was called
    detail::descendants<Io> descendants_{*this, children_, listening_, environment()};
    detail::log_uplink<Io> logs_{*this};
    loop_user use_{};
    std::atomic<bool> closing_{false};
    typename Io::thread closer_{}; // closes this where the loop is asked to end before it was

public:
    using policy = Io;
    using context = basic_context<Io>;

    explicit basic_router(basic_broker<Io>& loop, router_options options = {})
        : core(loop, options.limits, options.rules), payloads_(std::move(options.payloads)),
          on_prompt_(std::move(options.on_prompt)), children_(*this, options.patience, options.pool_threads) {
        (void)staging(); // children may ask for programs before this context sends any
        sys::ignore_sigpipe();
        this->set_own_build(hash_build(sys::build_id()));
        detail::receive_forwarded_logs(*this, logs_);
        explain_unknown_functions(*this);
        use_.end = [this] { closer_ = typename Io::thread(this->loop().io(), "mitogen-close", [this] { close(); }); };
        loop.enter(use_);
    }

    ~basic_router() {
        close();
        closer_ = {};
    }

    // ---- making children. The try_ forms return the error that the others throw; connect_async returns at once.

    /// A new process on this machine, running this program.
    context local(local_options options = {}) { return try_local(std::move(options)).value(); }
    result<context> try_local(local_options options = {}) { return try_connect(options); }

    /// A copy of this process, made by fork(): has its memory, but none of its threads. Cheaper to start than local() for small
    /// processes.
    context fork(fork_options options = {})
        requires io::can_fork<Io>
    {
        return try_fork(std::move(options)).value();
    }
    result<context> try_fork(fork_options options = {})
        requires io::can_fork<Io>
    {
        if (this->loop().on_loop()) return detail::waits_for_child();
        return begin_fork(std::move(options)).try_get();
    }
    /// The same, but does not wait until the child is up. `held`: as boot_plan::held.
    basic_future<context, Io> begin_fork(fork_options options, std::shared_ptr<void> held = {})
        requires io::can_fork<Io>
    {
        return start_fork(std::move(options), std::move(held));
    }

    /// A process on another machine, reached with the system's ssh; nothing of ours needs to be there.
    context ssh(ssh_options options) { return try_ssh(std::move(options)).value(); }
    result<context> try_ssh(ssh_options options) { return try_connect(options); }

    // Those that run a tool, docker() and the like, are members of `making`.

    /// A child that is there already: a program that calls mitogen::init, started by whoever and wherever with the one argument
    /// `mitogen::child_argument`, whose stdin and stdout are the far end of a byte stream (a socket, a serial line, another
    /// library's connection). `fd_in` is what it says, `fd_out` what it hears; both may be one. They are taken over, closed also
    /// where this fails, and become nonblocking. No process of it is known here: it ends with its link, and the exit status is 0.
    context attach(int fd_in, int fd_out, link_options options = {})
        requires io::has_local_sockets<Io>
    {
        return try_attach(fd_in, fd_out, std::move(options)).value();
    }
    MITOGEN_COLD result<context> try_attach(int fd_in, int fd_out, link_options options = {})
        requires io::has_local_sockets<Io>
    {
        result<detail::stream_ends> ends = detail::take_stream(this->loop().io(), fd_in, fd_out);
        if (!ends) return ends.error();
        if (this->loop().on_loop()) return detail::waits_for_child();
        using descriptor = typename Io::descriptor;
        return basic_future<context, Io>(&children_.attach(detail::plan_to_attach(options, this->bounds()),
                                                           descriptor(ends->in.release()), descriptor(ends->out.release())),
                                         *this, environment())
            .try_get();
    }

    /// Any method, by its options: `router.connect(mitogen::ssh{.hostname = "web1"})`.
    template <connection_method Method>
    context connect(const Method& method) {
        return try_connect(method).value();
    }
    template <connection_method Method>
    result<context> try_connect(const Method& method) {
        if (this->loop().on_loop()) return detail::waits_for_child();
        return connect_async(method).try_get();
    }

    /// Begins to connect and returns at once: start hundreds, then wait for each. Errors come out of the future. To drop it
    /// before the child is up is to end the child.
    template <connection_method Method>
    basic_future<context, Io> connect_async(const Method& method) {
        return connect_by(detail::plan_for(method, *this));
    }

    /// The same; `progress` is called on the loop whenever there is news, and must not block.
    template <connection_method Method>
    basic_future<context, Io> connect_async(const Method& method, unique_function<void(const connect_progress&)> progress) {
        result<boot_plan> plan = detail::plan_for(method, *this);
        if (plan) plan->on_progress = std::move(progress);
        return connect_by(std::move(plan));
    }

    /// The same, where the method is not known by its type any more.
    MITOGEN_COLD basic_future<context, Io> connect_by(result<boot_plan> plan) {
        if (!plan) return failed<context>(plan.error());
        if (!this->loop().io().can_spawn_self() && plan->start.executable_fd >= 0 && plan->start.path.empty()) {
            return failed<context>(error(reason::misuse,
                                         "call mitogen::init(argc, argv) first thing in main (or use mitogen::run): a child "
                                         "executes this program again, and would not know that it is one"));
        }
        if (plan->staged || plan->prompts) {
            detail::staging<Io>* const stages = staging();
            if (!stages)
                return failed<context>(error(
                    reason::misuse, plan->what + ": give its method to connect(), connect_async() or the "
                                                 "like, so that this program has what it needs"));
            stages->attend(*plan);
        }
        return basic_future<context, Io>(&children_.make(std::move(*plan)), *this, environment());
    }

    /// What connect(method) would run, as text: the command quoted for a shell, the context's name, the program and its size, the
    /// time that it may take. Of several methods: what each would run in the context that the one before makes. Runs nothing.
    /// Errors: those of the options.
    template <connection_method Method, connection_method... Further>
    std::string explain(const Method& method, const Further&... further) {
        return try_explain(method, further...).value();
    }
    template <connection_method Method, connection_method... Further>
    result<std::string> try_explain(const Method& method, const Further&... further) {
        if constexpr (sizeof...(further) == 0) return detail::explain_method(method);
        else return detail::explain_path(method, further...);
    }

    // ---- programs that join: see listener.hpp

    /// Lets programs of this user join the tree, through a socket at `path`: see mitogen::join. Its directory must be 0700 and
    /// this user's, and is made where it is missing. It stays open until it is closed, or the router is. A root executes calls
    /// from then on, for those who have the authority.
    basic_listener<Io> listen(const std::string& path, listen_options options = {})
        requires io::has_local_sockets<Io>;
    result<basic_listener<Io>> try_listen(const std::string& path, listen_options options = {})
        requires io::has_local_sockets<Io>;

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

    /// This context, its parent and all below it, with how their links fare. Empty once the loop has ended.
    std::vector<context_status> status() { return detail::status_of(*this); }

    /// The same as text: a line for each.
    std::string describe() {
        std::string all;
        for (const context_status& s : status()) all += s.text() + "\n";
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

    /// The way up of log records. Of use where there is a parent.
    detail::log_uplink<Io>& logs() noexcept { return logs_; }

    decode_environment environment() noexcept { return {this, &policy_tag<Io>}; }

    // ---- for a loop that the program has anyway: see basic_broker::process

    /// Of a router whose broker has no thread: a descriptor that is readable when process() has something to do.
    int fd() noexcept
        requires io::has_outer_loop<Io>
    {
        return this->loop().fd();
    }
    /// Does what there is to do, and does not wait.
    void process()
        requires io::has_outer_loop<Io>
    {
        this->loop().process();
    }

    // ---- the end

    /// Ends every child and waits until all are gone, by force where they do not go; fails everything that waits. The destructor
    /// does it too, and so does basic_broker::shutdown(), without waiting. Returns at once where another thread is at it.
    MITOGEN_COLD void close() {
        if (closing_.exchange(true)) return;
        if (listening_) listening_->close();
        detail::staging<Io>* const stages = staging();
        if (stages) stages->begin_closing();
        children_.close();
        if (stages) stages->close();
        logs_.close();
        core::close();
        if (listening_) listening_->finish();
        this->loop().leave(use_);
    }

    /// Leaves the tree: this process goes on without its parent, which neither waits for it nor ends it. Its own children stay
    /// its own. It loses its standard error and its session, sends no logs any more, and ends when the functions that run now
    /// have returned: what they return reaches nobody, and whoever waits for it is told that this context has detached, so let it
    /// be called with call_no_reply. Its former parent reaps it as long as it has a router; later, its process stays to be waited
    /// for until that program ends. Blocks until the parent has agreed. Errors, thrown: logic_error in a root, in a program that
    /// has joined, and on the loop; channel_error where the parent is lost.
    void detach() { try_detach().value(); }
    /// The same, with the error as a value.
    result<void> try_detach() {
        if (!on_detached) return error(reason::misuse, "only a context that its parent has started can detach");
        if (this->loop().on_loop()) return detail::waits_for_child();
        awaited& p = this->ask({.to = this->parent()->peer, .handle = handles::detaching, .how = question::manner::pass});
        const result<void> agreed = basic_future<void, Io>(&p, *this, environment()).try_get();
        if (agreed) on_detached();
        return agreed;
    }

    /// What detach() does once the parent has agreed; for whoever runs a child. Threads: any but the loop.
    unique_function<void()> on_detached;

    /// The contexts below, to end them, or to cut them off.
    detail::descendants<Io>& descendants() noexcept { return descendants_; }

    /// What children need that are sent their program; null if this program names no method that
    /// does so. Threads: any.
    MITOGEN_COLD detail::staging<Io>* staging() {
        const std::lock_guard lock(staging_mutex_);
        const auto* const named = detail::staging_maker<Io>::named.load(std::memory_order_acquire);
        if (!staging_ && named) {
            staging_ = named->make(*this, {payloads_, on_prompt_, [this](context_id id) {
                                               const child* c = children_.find(id);
                                               return c && c->runs_this_program();
                                           }});
        }
        return staging_.get();
    }

    /// Process id of a direct child; -1 where there is none of that id.
    int child_pid(context_id id) { return descendants_.pid(id); }

    /// In a child made by fork(): closes every descriptor of the library and forgets every process.
    void abandon() noexcept
        requires io::can_fork<Io>
    {
        children_.abandon();
        if (staging_) staging_->abandon();
        closer_.forget();
        if (listening_) listening_->abandon();
        if (this->parent()) this->parent()->stream->abandon();
        this->loop().abandon();
    }

private:
    template <class T>
    basic_future<T, Io> failed(error why) {
        return basic_future<T, Io>(this->failed_answer(this->id(), std::move(why)), *this, environment());
    }

    MITOGEN_COLD
    basic_future<context, Io> start_fork(fork_options options, std::shared_ptr<void> held)
        requires io::can_fork<Io>
    {
        boot_plan plan;
        plan.what = "fork child";
        plan.name = "fork";
        plan.bounds = this->bounds();
        detail::apply_common(options, plan);
        plan.held = std::move(held);
        Io& io = this->loop().io();
        auto pipes = detail::make_child_pipes(io);
        if (!pipes) return failed<context>(pipes.error());
        auto b = children_.prepare(plan);
        if (!b) return failed<context>(b.error());
        basic_future<context, Io> up(b->answer, *this, environment());
        result<int> pid = error(reason::system, "");
        this->loop().paused([&] { pid = detail::fork_child(io, *pipes, options, [this] { abandon(); }); });
        if (!pid) {
            children_.miscarry(*b, pid.error());
            return up;
        }
        children_.adopt(std::move(plan), std::move(*b), typename Io::process(*pid), std::move(*pipes));
        return up;
    }
};

} // namespace mitogen::inline MITOGEN_ABI
