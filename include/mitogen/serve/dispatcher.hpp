// SPDX-License-Identifier: BSL-1.0
#pragma once
// dispatcher.hpp: takes calls from the loop to where they run, and their results back.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/call/registry.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/protocol/call_frame.hpp>
#include <mitogen/scope/thread_worker.hpp>
#include <mitogen/serve/elastic_threads.hpp>
#include <mitogen/serve/exception_info.hpp>
#include <mitogen/serve/incoming_calls.hpp>
#include <mitogen/serve/places.hpp>
#include <mitogen/serve/uncaught.hpp>
#include <mitogen/sync/latch.hpp>
#include <mitogen/sync/waiter.hpp>
#include <mitogen/task/task_calls.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Executes the calls that one context receives: on the loop at once or as tasks, on the main
/// thread in order, or on a pool.
///
/// The main thread drives the loop while it has nothing to execute, so that a call reaches it
/// without waking anybody; before it executes it leaves the loop to the broker's thread. That
/// thread therefore answers, routes, cancels and shuts down whatever the function does. What
/// exchanges items with its caller has a thread of its own. Threads: as marked. The router outlives
/// it.
template <class Io>
class basic_dispatcher {
    using core = basic_router_core<Io>;
    using call = incoming_call;

    core& router_;
    decode_environment environment_;
    std::string name_;
    on executor_;
    incoming_calls<Io> calls_;
    waiter<Io> main_wake_;
    typename Io::mutex stop_mutex_{router_.loop().io()};
    std::optional<error> cancellation_{}; // of what runs; there before stopping_ is set
    std::atomic<bool> stopping_{false};
    std::atomic<bool> retired_{false};
    basic_latch<call*, Io> pool_queue_;
    std::vector<typename Io::thread> pool_;
    std::size_t pool_limit_;
    std::atomic<std::size_t> pool_busy_{0};
    elastic_threads<call*, Io> threads_;
    friend class basic_task_calls<basic_dispatcher, Io>;
    basic_task_calls<basic_dispatcher, Io> tasks_{router_, *this, calls_};
    basic_places<Io> places_{router_, calls_, name_};
    buffer loop_result_; // reused by functions that run on the loop

public:
    /// Told of cancelled requests that are no calls known here: who asked, and where the answer was
    /// to go. On the loop.
    unique_function<void(context_id, handle_id)> on_other_cancelled;

    /// `executor`: where functions run that do not say.
    basic_dispatcher(core& node, std::string name, std::size_t pool_threads, on executor = on::main)
        : router_(node), environment_{&node}, name_(std::move(name)), executor_(executor),
          calls_(node.loop().io()), main_wake_(node.loop().io()), pool_queue_(node.loop().io()),
          pool_limit_(pool_threads),
          threads_(node.loop().io(), most_threads, [this](call* c) {
              buffer result;
              run(*c, result, flush_mode::now);
          }) {
        (void)router_.add_raw_handler(handles::call_function, {},
                                      [this](const message& m) { receive(m); });
        (void)router_.add_raw_handler(handles::cancel_call, {},
                                      [this](const message& m) { cancel(m); });
        (void)router_.add_raw_handler(handles::explain_call, {},
                                      [this](const message& m) { explain(m); });
        (void)router_.add_raw_handler(handles::forget_chain, {},
                                      [this](const message& m) { forget_chain(m); });
    }

    basic_dispatcher(basic_dispatcher&&) = delete;

    /// Executes main-thread calls on the calling thread until stop(). Threads: the main one.
    void serve() {
        broker_engine<Io>& loop = router_.loop();
        buffer result;
        std::optional<error> refusal;
        scope_worker& worker = worker_here();
        for (;;) {
            loop.wait(main_wake_, never, true,
                      [this] { return stopping() || retired() || calls_.main_waiting(); });
            if (stopping()) return;
            if (retired()) return;
            while (call* next = retired() ? nullptr : calls_.take_main(refusal, worker)) {
                if (loop.on_loop()) loop.release_reservation(); // it came just before
                const bool last = !calls_.main_waiting();
                execute(*next, refusal, result, last ? flush_mode::now : flush_mode::soon, last);
            }
        }
    }

    /// Ends serve(); fires the stop token of every call that runs, and answers those that do not
    /// run yet with `why`, which says who has ended the context: the first time. Threads: any.
    void stop(const error& why) {
        {
            const std::lock_guard lock(stop_mutex_);
            if (!cancellation_)
                cancellation_.emplace(cancelled_by(why.canceller(), cancel_radius::context,
                                                   std::string(why.message())));
            stopping_.store(true, std::memory_order_release);
        }
        for (call* c : calls_.stop_all(why, *cancellation_)) {
            router_.reply_dead(c->head, why);
            calls_.finish(*c);
        }
        if (router_.loop().on_loop()) {
            tasks_.cancel_all(shutting_down());
        } else {
            router_.loop().defer([this] { tasks_.cancel_all(shutting_down()); });
        }
        main_wake_.notify();
    }

    /// Ends the pool's threads and waits for what they execute, and for tasks. Threads: any but
    /// those and the loop.
    void join_pool() {
        tasks_.join(shutting_down());
        // What still waits is answered, not dropped: begin() refuses it.
        buffer none;
        while (result<call*> left = pool_queue_.try_get_until(0))
            run(**left, none, flush_mode::soon);
        threads_.drain([&](call* left) { run(*left, none, flush_mode::soon); });
        pool_queue_.close();
        threads_.join();
        for (auto& t : pool_) t.join();
        pool_.clear();
    }

    /// serve() returns after the call that runs; what waits is not run. Nobody is told: nobody
    /// hears it. Threads: any.
    void retire() {
        retired_.store(true, std::memory_order_release);
        main_wake_.notify();
    }

    bool stopping() const noexcept { return stopping_.load(std::memory_order_acquire); }

    /// Dialogs and generators that run at once, at most: each holds a thread.
    static constexpr std::size_t most_threads = 4096;

    /// Calls that are queued or running.
    std::size_t open_calls() { return calls_.size(); }

private:
    bool retired() const noexcept { return retired_.load(std::memory_order_acquire); }

    error shutting_down() const {
        if (stopping()) return *cancellation_;
        return cancelled_by(router_.id(), cancel_radius::context,
                            "context " + name_ + " is shutting down");
    }

    /// A call has arrived. On the loop.
    void receive(const message& m) {
        reader r(m.payload, router_.bounds());
        call_frame frame;
        if (!frame.read(r))
            return router_.reply_dead(
                m.head, error(reason::bad_arguments, "not a call: " + r.failure_text()));
        const function_entry* entry =
            frame.flags & call_frame::by_key
                ? registry::by_key(frame.function)
                : registry::by_index(static_cast<std::uint32_t>(frame.function));
        if (!entry) {
            return router_.reply_dead(
                m.head,
                error(reason::unknown_function,
                      "this program has no remote function of " +
                          std::string(frame.flags & call_frame::by_key ? "key " : "number ") +
                          std::to_string(frame.function)));
        }
        if (stopping())
            return router_.reply_dead(
                m.head, ended_by(reason::broker_exited, cancellation_->canceller(),
                                 "context " + name_ + " is shutting down"));
        const on where = entry->where == on::context ? executor_ : entry->where;
        if (where == on::loop) return run_on_loop(m, *entry, r.offset(), frame);
        bool behind = false;
        call* c = calls_.add(m, *entry, frame, r.offset(), router_.bounds().queue_bytes, where,
                             behind);
        if (!c)
            return router_.reply_dead(
                m.head, error(reason::overloaded,
                              "context " + name_ +
                                  " has too many calls waiting, or too many bytes of them"));
        if (where == on::thread) {
            if (threads_.submit(c)) return;
            calls_.finish(*c);
            router_.reply_dead(m.head,
                               error(reason::overloaded, "context " + name_ +
                                                             " has no thread left for another "
                                                             "dialog or generator"));
        } else if (where == on::pool) {
            enqueue_pool(c);
        } else if (where == on::task) {
            tasks_.add(*c, environment_);
        } else {
            main_wake_.notify();
            if (behind) places_.watch();
        }
    }

    void run_on_loop(const message& m, const function_entry& entry, std::size_t arguments_at,
                     const call_frame& frame) {
        if (frame.flags & call_frame::has_chain) {
            if (const auto broken = calls_.chain_error(m.head.src, frame.chain))
                return answer_error(m.head, *broken, flush_mode::soon);
        }
        reader arguments(m.payload.subspan(arguments_at), router_.bounds(), &environment_);
        loop_result_.clear();
        invocation inv{
            arguments, loop_result_, environment_, {m.head.src, m.head.auth}, frame.flow};
#if defined(__cpp_lib_jthread)
        inv.stop = [](invocation&) { return std::stop_token(); };
#endif
        {
            const at_work here(function_work, &entry);
            invoke(entry, inv);
        }
        finish(m.head, inv, frame.flags & call_frame::has_chain ? frame.chain : 0,
               flush_mode::soon);
    }

    /// Runs a call that waits for a thread on this one, or answers it with what refuses it.
    void run(call& c, buffer& result, flush_mode when) {
        execute(c, calls_.begin(c, worker_here()), result, when);
    }

    /// Runs a queued call on this thread and answers it, or answers it with what refuses it.
    /// `result`: kept by this thread from one call to the next. `waits_next`: this thread is about
    /// to wait for the next call, and so leads before the answer makes the caller send it.
    void execute(call& c, const std::optional<error>& refusal, buffer& result, flush_mode when,
                 bool waits_next = false) {
        if (refusal) {
            calls_.end(c, worker_here());
            answer_error(c.head, *refusal, when);
            return calls_.finish(c);
        }
        reader arguments(std::span<const std::byte>(c.payload).subspan(c.arguments_at),
                         router_.bounds(), &environment_);
        result.clear();
        invocation inv{arguments, result, environment_, {c.head.src, c.head.auth}, c.flow};
        attach(inv, c);
        invoke(*c.entry, inv);
        // Cancelling finds the call no longer: from here on it is answered.
        calls_.end(c, worker_here());
        if (waits_next && !calls_.main_waiting()) (void)router_.loop().reserve_leadership();
        finish(c.head, inv, c.chain, when);
        calls_.finish(c);
        if (result.capacity() > incoming_calls<Io>::kept_bytes) result.reset();
    }

    /// Gives the function of a call its way to those who cancel it, and to where its items go.
    static void attach(invocation& inv, call& c) noexcept {
        inv.call = &c;
        inv.why_stopped = [](invocation& i) {
            call& running = *static_cast<call*>(i.call);
            return static_cast<incoming_calls<Io>*>(running.owner)->why_stopped(running);
        };
#if defined(__cpp_lib_jthread)
        inv.stop = [](invocation& i) {
            call& running = *static_cast<call*>(i.call);
            return static_cast<incoming_calls<Io>*>(running.owner)->token(running);
        };
#endif
    }

    /// What `work`, which is of that function, throws or returns as its error becomes the failure
    /// of the call.
    template <class Work>
    void guarded(const function_entry& entry, invocation& inv, Work&& work) {
#if MITOGEN_HAS_EXCEPTIONS
        try {
            work();
        } catch (...) {
            inv.failure.emplace(current_exception_as_error(hop_of(entry)));
            return show_uncaught(entry.name(), *inv.failure);
        }
#else
        work();
#endif
        if (inv.failure) inv.failure.emplace(with_hop(*inv.failure, hop_of(entry)));
    }

    error_hop hop_of(const function_entry& entry) const {
        return {router_.id(), name_, entry.name()};
    }

    void invoke(const function_entry& entry, invocation& inv) {
        guarded(entry, inv, [&] { entry.invoke(inv); });
        if (inv.wrong != invocation::fault::none && !inv.failure)
            inv.failure.emplace(inv.fault_of_call(entry.name()));
    }

    void finish(const header& request, invocation& inv, std::uint64_t chain, flush_mode when) {
        if (inv.failure) {
            if (chain) calls_.break_chain(request.src, chain, *inv.failure);
            answer_error(request, *inv.failure, when);
            // what ends with its context, the program has ended itself
            const bool ended = stopping() && inv.failure->reason() == reason::cancelled &&
                               inv.failure->radius() == cancel_radius::context;
            if (!request.wants_reply() && !ended)
                log::write(log::level::warning,
                           std::string("a call without reply failed: ") + inv.failure->what());
            return;
        }
        if (inv.result.size() > router_.bounds().message_bytes) {
            return answer_error(request,
                                error(reason::message_too_large,
                                      "the result has " + std::to_string(inv.result.size()) +
                                          " bytes, more than limits::message_bytes allows"),
                                when);
        }
        if (inv.result.size() > fragment_bytes || inv.result.is_secret()) {
            router_.reply(request, std::move(inv.result), 0, when);
        } else {
            router_.reply(request, std::span<const std::byte>(inv.result), 0, when);
        }
    }

    void answer_error(const header& request, const error& why, flush_mode when) {
        router_.reply(request, encode_error(why), message_flags::failed, when);
    }

    /// The caller of one of its calls does not wait any more. On the loop.
    void cancel(const message& m) {
        reader r(m.payload, router_.bounds());
        handle_id which = 0;
        bool begins = false;     // what nothing keeps from beginning shall begin
        std::uint8_t radius = 0; // a cancel_radius
        if (!mitogen::decode(r, which) ||
            (r.remaining() > 0 && !mitogen::decode(r, begins, radius)) || !r.finish())
            return;
        const cancel_radius what = radius == static_cast<std::uint8_t>(cancel_radius::nursery)
                                       ? cancel_radius::nursery
                                       : cancel_radius::call;
        if (call* c =
                calls_.cancel(m.head.src, which, what, begins, pool_busy_.load() <= pool_limit_)) {
            answer_error(c->head, cancelled_by_caller(m.head.src, what, " before it began"),
                         flush_mode::soon);
            calls_.finish(*c);
        } else {
            tasks_.cancel(m.head.src, which, what);
            if (on_other_cancelled) on_other_cancelled(m.head.src, which);
        }
    }

    /// A caller of another build asks what is wrong with a key. The payload is the name and the
    /// signature of the function.
    void explain(const message& m) {
        reader r(m.payload, router_.bounds());
        std::string_view name;
        std::string_view signature;
        if (!mitogen::decode(r, name, signature) || !r.finish())
            return router_.reply_dead(m.head, error(reason::bad_arguments, r.failure_text()));
        router_.reply_dead(m.head, registry::why_unknown(name, signature));
    }

    void forget_chain(const message& m) {
        if (const result<std::uint64_t> which = decode<std::uint64_t>(m.payload))
            calls_.forget_chain(m.head.src, *which);
    }

    void enqueue_pool(call* c) {
        if (pool_busy_.load() >= pool_limit_) places_.watch();
        // Threads are made as they are needed, up to the limit. On the loop, so only one at a time.
        if (pool_busy_.fetch_add(1) >= pool_.size() && pool_.size() < pool_limit_) {
            pool_.emplace_back(router_.loop().io(), "mitogen-pool", [this] {
                buffer kept;
                while (result<call*> next = pool_queue_.try_get()) {
                    run(**next, kept, flush_mode::now);
                    pool_busy_.fetch_sub(1);
                }
            });
        }
        pool_queue_.put(std::move(c));
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
