// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery.hpp: a scope that owns contexts and calls: none of them outlives it, and none of their
// errors is lost.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/connect_methods.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/nursery/nursery_call.hpp>
#include <mitogen/nursery/nursery_hub.hpp>
#include <mitogen/nursery/nursery_task.hpp>
#include <mitogen/nursery/nursery_watch.hpp>
#include <mitogen/nursery/on_signal.hpp>
#include <mitogen/nursery/restart.hpp>
#include <mitogen/os/process/signal_set.hpp>
#include <mitogen/router/router.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/scope/thread_worker.hpp>
#include <mitogen/task/task.hpp>

#include <csignal>
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
    /// the time that all of it may take, from its construction to the end of the last task: then it
    /// is cancelled, and join() says reason::timeout; 0: any
    std::chrono::milliseconds within{0};
    /// SIGINT (Ctrl-C) cancels the nursery, whose join() then says so; a second one skips the
    /// grace, a third one ends the process if the program has no handler: see on_interrupt
    bool interrupt = false;
    /// these do as well, and are counted together: `.signals = {SIGINT, SIGTERM, SIGHUP}`
    signal_set signals{};
#if defined(__cpp_lib_jthread)
    /// cancels the nursery, whose join() then says so: that of a function that has one, for
    /// instance
    std::stop_token stop{};
#endif
};

/// What nursery::restarting returns. A cheap value; the nursery must outlive it.
class restarting_tasks {
    std::shared_ptr<detail::nursery_hub> state_;
    restart_policy how_;

    template <auto F>
    auto make() const {
        return std::make_shared<detail::nursery_call<detail::result_of<F>>>(state_);
    }

public:
    restarting_tasks(std::shared_ptr<detail::nursery_hub> state, restart_policy how)
        : state_(std::move(state)), how_(how) {}

    /// As nursery::start.
    template <auto F, class Target, class... Args>
        requires(!detail::method_or_any<std::remove_cvref_t<Target>>)
    nursery_task<detail::result_of<F>> start(const Target& target, Args&&... args)
    const {
        auto t = make<F>();
        t->call_again(
            how_, target,
            [given = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)](
                const auto& to) {
                return std::apply(
                    [&](const auto&... each) { return to.template call_async<F>(each...); }, given);
            });
        return nursery_task<detail::result_of<F>>(std::move(t));
    }
    template <auto F, detail::method_or_any Method, class... Args>
    nursery_task<detail::result_of<F>> start(const Method& method, Args&&... args) const {
        auto t = make<F>();
        t->connect_and_call_again(
            how_, [state = state_, how = any_method(method)] { return state->connect(how); },
            [given = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)](
                const auto& up) {
                return std::apply(
                    [&](const auto&... each) { return up.template call_async<F>(each...); }, given);
            });
        return nursery_task<detail::result_of<F>>(std::move(t));
    }

    /// A dialog with `F(args…)` that is opened again: see restarted_dialog. Waits until the
    /// function has called started(), in whichever run; if none does, fails with the last one's
    /// error. Not on the loop.
    template <auto F, class Target, class... Args>
    auto open(const Target& target, Args&&... args) const;
    /// The same, with the error as a value.
    template <auto F, class Target, class... Args>
    auto try_open(const Target& target, Args&&... args) const;
};

/// Owns contexts and tasks. When join() returns, every task has ended and every process that it has
/// started is reaped, whatever happened meanwhile.
///
/// The first task that fails cancels the others, at once: their stop tokens fire, those that are
/// still being connected are given up. So does a context that is lost. The body of the scope is
/// interrupted as well: what its thread or task waits for then, and later, ends with
/// cancelled_error, whose text says what has failed; what it asks of the nursery itself (start(),
/// a context, the value of a task) with that failure. join() ends the contexts and throws what went
/// wrong: one error as it was, several as error_group. What came only of being cancelled is not
/// among them. If the body leaves by an exception, the destructor cancels, waits, and says nothing;
/// else, without join(), it logs what no task has told yet.
/// If the scope around the nursery ends, so does join(), which then cancels all.
///
/// A task that does not stop within the grace is ended with its context, by force if it must be;
/// one that runs in a context that is not this nursery's is given up. Threads: any; join() and the
/// destructor one. It blocks, and must not be used on the loop. The router must outlive it.
class nursery : public connect_methods<nursery> {
    friend class connect_methods<nursery>;

    std::shared_ptr<detail::nursery_hub> state_;
    int exceptions_ = std::uncaught_exceptions();
#if defined(__cpp_lib_jthread)
    struct canceller {
        detail::nursery_hub* state;
        void operator()() const { state->cancel(state->cancelled_here("its stop token"), true); }
    };
    std::optional<std::stop_callback<canceller>> on_stop_;
#endif
    std::optional<on_signal> on_signal_;

    void heed(router& node, signal_set which) {
        on_signal_.emplace(node, which,
                           unique_function<void(int, int)>(
                               [state = state_.get()](int number, int count) {
                                   if (count > 1) return state->expedite();
                                   const std::string by = detail::signal_text(number);
                                   state->cancel(state->cancelled_here(by.c_str()), true);
                               }),
                           true);
    }

    mitogen::node& node() const noexcept { return state_->node(); }
    void watch(outstanding_call& call) {
        std::make_shared<detail::nursery_watch>(state_, call)->begin();
    }

    template <class Method>
    using accepts = std::true_type;
    std::optional<error> cannot_wait() const {
        if (!node().on_loop()) return std::nullopt;
        return detail::waits_for_child();
    }
    future<context> begin_child(const any_method& how, detail::making_options options) const {
        return state_->connect(how, std::move(options));
    }
    /// What has stopped the nursery has kept it from coming up, and is told as it is.
    result<context> arrived(result<context> up) const {
        const std::optional<error> cause = up ? std::nullopt : state_->stopped_for();
        if (!cause) return up;
        state_->saw(*cause);
        return *cause;
    }

public:
    explicit nursery(router& node, nursery_options options = {})
        : state_(detail::nursery_hub::make(node.node(), detail::to_ns(options.grace))) {
#if defined(__cpp_lib_jthread)
        if (options.stop.stop_possible())
            on_stop_.emplace(std::move(options.stop), canceller{state_.get()});
#endif
        if (options.interrupt) options.signals.add(SIGINT);
        if (!options.signals.empty()) heed(node, options.signals);
        const bool waits = !this->node().on_loop() || detail::this_worker;
        state_->begin(waits ? &detail::worker_here() : nullptr,
                      options.within.count() > 0 ? detail::to_ns(options.within) : never);
    }

    nursery(nursery&&) = delete;

    ~nursery() {
        state_->leave_body();
        if (state_->over()) return;
        const bool leaving = std::uncaught_exceptions() > exceptions_;
        if (leaving) cancel();
        if (node().on_loop()) { // if it cannot wait; all of it ends nevertheless
            cancel();
            state_->close();
            return;
        }
        if (try_join() || leaving) return; // it says nothing then
        if (const result<void> ended = state_->unseen(); !ended)
            log::write(log::level::error,
                       std::string("a nursery ended without join(), and with: ") +
                           ended.error().what());
    }

    // Contexts are made by the members of `connect_methods`, as those of router. They end with the
    // nursery. What has not come up when it ends is given up, and reaped as well. The error of
    // connect_async is the future's, and no failure of the nursery.

    // ---- tasks

    /// Begins to call `F(args…)` in a context, or with how the calls of a context are made
    /// (within(), with()), of this nursery or not. Blocks only while the link's queue is full.
    template <auto F, class Target, class... Args>
        requires(!detail::method_or_any<std::remove_cvref_t<Target>>)
    nursery_task<detail::result_of<F>> start(const Target& target, Args&&... args) {
        auto t = std::make_shared<detail::nursery_call<detail::result_of<F>>>(state_);
        t->call(target, [&](const auto& to) {
            return to.template call_async<F>(std::forward<Args>(args)...);
        });
        return nursery_task<detail::result_of<F>>(std::move(t));
    }

    /// The same in a context that is made for it, by that method. It belongs to the nursery. If it
    /// does not come up, that is how the task fails. Never blocks.
    template <auto F, detail::method_or_any Method, class... Args>
    nursery_task<detail::result_of<F>> start(const Method& method, Args&&... args) {
        auto t = std::make_shared<detail::nursery_call<detail::result_of<F>>>(state_);
        t->template connect_and_call<F>([&] { return state_->connect(method); },
                                        std::forward<Args>(args)...);
        return nursery_task<detail::result_of<F>>(std::move(t));
    }

    /// Opens a dialog with `F(args…)` in a context: as context::open. It belongs to the nursery: if
    /// that stops the function is cancelled, and if the function fails the nursery does. The
    /// dialog, which is the caller's, must not outlive join().
    template <auto F, class Target, class... Args>
    auto open(const Target& target, Args&&... args) {
        auto opened = target.template open<F>(std::forward<Args>(args)...);
        opened.reported_elsewhere();
        watch(*opened.state());
        return opened;
    }
    /// Streams what `F(args…)` yields in a context: as context::stream, and as open().
    template <auto F, class Target, class... Args>
    auto stream(const Target& target, Args&&... args) {
        auto items = target.template stream<F>(std::forward<Args>(args)...);
        watch(*items.state());
        return items;
    }
    /// Runs a task on the loop of this program, beside everything else. It belongs to the nursery
    /// as a call does: cancelled, its waits end. Never blocks.
    template <class T>
    nursery_task<T> spawn(task<T> body) {
        auto t = std::make_shared<detail::nursery_spawn<T>>(state_, std::move(body));
        t->begin();
        return nursery_task<T>(std::move(t));
    }

    /// For tasks that are begun again when they have ended:
    /// `n.restarting({.limit = 3}).start<&serve>(method, …)`. Their arguments are copied. With a
    /// method each run has a new context, and the former one ends; the loss of such a context is a
    /// failure of its task and not of the nursery. In a context that was there before, its loss is
    /// the end. join() waits for the last run; the task's value is that of the last, too. To cancel
    /// during a pause ends it at once. Dialogs as well: `.open<&talk>(context or method, …)` gives
    /// a restarted_dialog.
    restarting_tasks restarting(restart_policy how) const { return restarting_tasks(state_, how); }

    // ---- the end

    /// Waits until every task has ended; ends all contexts; throws what went wrong. Nothing can be
    /// added afterwards.
    void join() { try_join().value(); }

    /// The same, with the error as a value: members() of it are the single ones, if there are
    /// several.
    result<void> try_join() {
        if (!state_->over()) {
            if (node().on_loop())
                return error(reason::misuse, "a function that runs on the loop joins a nursery; "
                                             "run it on::main or on::pool");
            state_->finish();
        }
        return state_->verdict();
    }

    /// As join(), but waits at most `span` for the tasks: then it throws timeout_error, and the
    /// nursery goes on.
    template <class Rep, class Period>
    void join_for(std::chrono::duration<Rep, Period> span) {
        try_join_for(span).value();
    }
    /// The same, with the error as a value: reason::timeout.
    template <class Rep, class Period>
    result<void> try_join_for(std::chrono::duration<Rep, Period> span) {
        const instant deadline = detail::after(node().now(), detail::to_ns(span));
        if (!state_->over() && !node().on_loop() && !state_->wait_for_tasks(deadline))
            return detail::wait_ended(node().now(), deadline,
                                      "tasks of the nursery have not ended within the time given");
        return try_join();
    }

    /// In a task: `co_await n.async_join()`, as join(), without blocking the loop. A nursery that a
    /// task makes is joined so: its destructor cannot wait there, and cancels.
    template <class = void> // g++ compiles any other inline coroutine in each file that includes it
    task<void> async_join() {
        const result<void> ended = co_await async_try_join();
        ended.value();
    }
    /// The same, with the error as a value.
    template <class = void>
    task<result<void>> async_try_join() {
        const std::shared_ptr<detail::nursery_hub> hub = state_;
        if (!hub->over()) {
            if (std::optional<error> why = co_await std::move(*hub->finish_step(0)))
                hub->cancel(std::move(*why), true);
            const detail::shielded wait_for_all;
            for (int number = 1;; ++number) {
                std::optional<detail::task_condition::until> next = hub->finish_step(number);
                if (!next) break;
                static_cast<void>(co_await std::move(*next));
            }
        }
        co_return hub->verdict();
    }

#if defined(__cpp_lib_jthread)
    /// Is requested to stop when the nursery stops: for what is not a wait of this library, and for
    /// context::with().
    std::stop_token stop_token() const { return state_->stop_token(); }
#endif

    /// Asks everything to stop, and gives up what is being connected; nothing can be added
    /// afterwards. Does not wait: join() and the destructor do. That it was cancelled so is no
    /// error of join().
    void cancel() { state_->cancel(state_->cancelled_here("cancel()"), false); }

    /// True once something has failed or it was cancelled: the body of the scope may as well go to
    /// join().
    bool stopping() const { return state_->stopped(); }
};

} // namespace mitogen::inline MITOGEN_ABI
