// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery.hpp: a scope that owns contexts and calls: none of them outlives it, and none of their errors is lost.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/context_connect.hpp>
#include <mitogen/connect/methods/fork.hpp>
#include <mitogen/connect/methods/local.hpp>
#include <mitogen/connect/methods/method.hpp>
#include <mitogen/connect/methods/ssh.hpp>
#include <mitogen/connect/router.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/kit/interrupt.hpp>
#include <mitogen/kit/nursery_state.hpp>
#include <mitogen/kit/nursery_task.hpp>
#include <mitogen/kit/restart.hpp>
#include <mitogen/rpc/context.hpp>
#include <mitogen/rpc/fwd.hpp>
#include <mitogen/rpc/making.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// How a nursery is made.
struct nursery_options {
    /// from asking tasks to stop, to ending the contexts in which they do not
    std::chrono::milliseconds grace{3'000};
    /// SIGINT (Ctrl-C) cancels the nursery, whose join() then says so; a second one skips the grace: see basic_on_interrupt
    bool interrupt = false;
#if defined(__cpp_lib_jthread)
    std::stop_token stop{}; ///< cancels the nursery, whose join() then says so: that of a function that has one, for instance
#endif
};

/// What basic_nursery::restarting returns. A cheap value; the nursery must outlive it.
template <class Io>
class basic_restarting {
    std::shared_ptr<detail::nursery_state<Io>> state_;
    restart_policy how_;

    template <auto F>
    auto make() const {
        return std::make_shared<detail::nursery_task<rpc::detail::result_of<F>, Io>>(state_);
    }

public:
    basic_restarting(std::shared_ptr<detail::nursery_state<Io>> state, restart_policy how)
        : state_(std::move(state)), how_(how) {}

    /// As basic_nursery::start.
    template <auto F, class Target, class... Args>
        requires(!connection_method<std::remove_cvref_t<Target>>)
    basic_nursery_task<rpc::detail::result_of<F>, Io> start(const Target& target, Args&&... args) const {
        auto t = make<F>();
        t->call_again(how_, target.id(), [target, given = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)] {
            return std::apply([&](const auto&... each) { return target.template call_async<F>(each...); }, given);
        });
        return basic_nursery_task<rpc::detail::result_of<F>, Io>(std::move(t));
    }
    template <auto F, connection_method Method, class... Args>
    basic_nursery_task<rpc::detail::result_of<F>, Io> start(const Method& method, Args&&... args) const {
        auto t = make<F>();
        t->template connect_and_call_again<F>(
            how_, [state = state_, method] { return state->connect(detail::plan_for(method, state->router())); },
            std::forward<Args>(args)...);
        return basic_nursery_task<rpc::detail::result_of<F>, Io>(std::move(t));
    }
};

/// Owns contexts and tasks. When join() returns, every task has ended and every process that it has started is reaped, whatever
/// happened meanwhile.
///
/// The first task that fails cancels the others, at once: their stop tokens fire, those that are still being connected are given
/// up. So does a context that is lost. The body of the scope is not interrupted: it goes on to join(), which ends the contexts
/// and throws what went wrong: one error as it was, several as error_group. What came only of being cancelled is not among them.
/// Where the body leaves by an exception, the destructor cancels, waits, and says nothing.
///
/// A task that does not stop within the grace is ended with its context, by force where it must be; one that runs in a context
/// that is not this nursery's is given up. Threads: any; join() and the destructor one. It blocks, and must not be used on the
/// loop. The router must outlive it.
template <class Io = io::native>
class basic_nursery : public making<basic_nursery<Io>, basic_context<Io>> {
    std::shared_ptr<detail::nursery_state<Io>> state_;
    int exceptions_ = std::uncaught_exceptions();
#if defined(__cpp_lib_jthread)
    struct canceller {
        detail::nursery_state<Io>* state;
        void operator()() const { state->cancel(state->cancelled_here("its stop token"), true); }
    };
    std::optional<std::stop_callback<canceller>> on_stop_;
#endif
    struct no_signals {};
    using interrupt_hook = typename std::conditional_t<io::has_local_sockets<Io>, detail::lazy_on_interrupt<Io>,
                                                       std::type_identity<no_signals>>::type;
    std::optional<interrupt_hook> on_interrupt_;

    void heed_interrupts() {
        if constexpr (io::has_local_sockets<Io>) {
            on_interrupt_.emplace(router(), [state = state_.get()](int count) {
                if (count == 1) return state->cancel(state->cancelled_here("SIGINT"), true);
                state->hurry();
            });
        } else {
            raise(error(reason::misuse, "this I/O policy knows no signals: nursery_options::interrupt cannot be set"));
        }
    }

    basic_router<Io>& router() const noexcept { return state_->router(); }

public:
    using context = basic_context<Io>;

    explicit basic_nursery(basic_router<Io>& node, nursery_options options = {})
        : state_(std::make_shared<detail::nursery_state<Io>>(node, to_ns(options.grace))) {
#if defined(__cpp_lib_jthread)
        if (options.stop.stop_possible()) on_stop_.emplace(std::move(options.stop), canceller{state_.get()});
#endif
        if (options.interrupt) heed_interrupts();
    }

    basic_nursery(basic_nursery&&) = delete;

    ~basic_nursery() {
        if (state_->over()) return;
        if (std::uncaught_exceptions() > exceptions_) cancel();
        if (router().on_loop()) { // where it cannot wait; all of it ends nevertheless
            cancel();
            state_->close();
        } else if (const result<void> ended = try_join(); !ended) {
            log::write(log::level::error, std::string("a nursery ended without join(), and with: ") + ended.error().what());
        }
    }

    // ---- contexts: as the members of basic_router. They end with the nursery.

    /// A new process on this machine, running this program.
    context local(local_options options = {}) { return connect(options); }
    result<context> try_local(local_options options = {}) { return try_connect(options); }

    /// A copy of this process, made by fork().
    context fork(fork_options options = {}) requires io::can_fork<Io> { return try_fork(std::move(options)).value(); }
    result<context> try_fork(fork_options options = {}) requires io::can_fork<Io> {
        if (router().on_loop()) return detail::waits_for_child();
        if (const std::optional<error> why = state_->refusal()) return *why;
        auto coming = router().begin_fork(std::move(options), state_->hold());
        state_->expect(coming);
        return coming.try_get();
    }

    /// A process on another machine, reached with the system's ssh.
    context ssh(ssh_options options) { return connect(options); }
    result<context> try_ssh(ssh_options options) { return try_connect(options); }

    // Those that run a tool, docker() and the like, are members of `making`.

    /// Any method, by its options.
    template <connection_method Method>
    context connect(const Method& method) {
        return try_connect(method).value();
    }
    template <connection_method Method>
    result<context> try_connect(const Method& method) {
        if (router().on_loop()) return detail::waits_for_child();
        return connect_async(method).try_get();
    }

    /// Begins to connect and returns at once. What has not come up when the nursery ends is given up, and reaped as well. An
    /// error is the future's, and no failure of the nursery.
    template <connection_method Method>
    basic_future<context, Io> connect_async(const Method& method) {
        return state_->connect(detail::plan_for(method, router()));
    }

    // ---- tasks

    /// Begins to call `F(args…)` in a context, or with how the calls of a context are made (within(), with()), of this nursery
    /// or not. Blocks only while the link's queue is full.
    template <auto F, class Target, class... Args>
        requires(!connection_method<std::remove_cvref_t<Target>>)
    basic_nursery_task<rpc::detail::result_of<F>, Io> start(const Target& target, Args&&... args) {
        auto t = std::make_shared<detail::nursery_task<rpc::detail::result_of<F>, Io>>(state_);
        t->call(target.id(), [&] { return target.template call_async<F>(std::forward<Args>(args)...); });
        return basic_nursery_task<rpc::detail::result_of<F>, Io>(std::move(t));
    }

    /// The same in a context that is made for it, by that method. It belongs to the nursery. Where it does not come up, that is
    /// how the task fails. Never blocks.
    template <auto F, connection_method Method, class... Args>
    basic_nursery_task<rpc::detail::result_of<F>, Io> start(const Method& method, Args&&... args) {
        auto t = std::make_shared<detail::nursery_task<rpc::detail::result_of<F>, Io>>(state_);
        t->template connect_and_call<F>([&] { return connect_async(method); }, std::forward<Args>(args)...);
        return basic_nursery_task<rpc::detail::result_of<F>, Io>(std::move(t));
    }

    /// For tasks that are begun again when they have ended: `n.restarting({.limit = 3}).start<&serve>(method, …)`. Their
    /// arguments are copied. With a method each run has a new context, and the former one ends; the loss of such a context is a
    /// failure of its task and not of the nursery. In a context that was there before, its loss is the end. join() waits for the
    /// last run; the task's value is that of the last, too. To cancel during a pause ends it at once.
    basic_restarting<Io> restarting(restart_policy how) const { return basic_restarting<Io>(state_, how); }

    // ---- the end

    /// Waits until every task has ended; ends all contexts; throws what went wrong. Nothing can be added afterwards.
    void join() { try_join().value(); }

    /// The same, with the error as a value: members() of it are the single ones, where there are several.
    result<void> try_join() {
        if (!state_->over()) {
            if (router().on_loop())
                return error(reason::misuse, "a function that runs on the loop joins a nursery; run it on::main or on::pool");
            state_->finish();
        }
        return state_->verdict();
    }

    /// Asks everything to stop, and gives up what is being connected; nothing can be added afterwards. Does not wait: join() and
    /// the destructor do. That it was cancelled so is no error of join().
    void cancel() { state_->cancel(state_->cancelled_here("cancel()"), false); }

    /// True once something has failed or it was cancelled: the body of the scope may as well go to join().
    bool stopping() const { return state_->stopped(); }
};

/// A nursery on the router with this platform's best poller.
using nursery = basic_nursery<>;

} // namespace mitogen::inline MITOGEN_ABI
