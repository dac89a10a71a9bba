// SPDX-License-Identifier: BSL-1.0
#pragma once
// outgoing_calls.hpp: the half of a router that asks: opens answers, waits for them, and gives them
// up in time. What class node promises.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/link/transport.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/call_table.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/sync/host.hpp>
#include <mitogen/sync/waiter.hpp>

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The base of `Core`, basic_router_core, which sends. Threads: any.
template <class Core, class Io>
class basic_outgoing_calls : public mitogen::node {
    using open_call = basic_outstanding_call<Io>;

protected:
    broker_engine<Io>& broker_;
    typename basic_call_table<Io>::owner outstanding_;

    basic_outgoing_calls(broker_engine<Io>& loop, const limits& bounds)
        : mitogen::node(bounds), broker_(loop),
          outstanding_(basic_call_table<Io>::make(
              loop.io(), bounds.open_calls,
              [this](error why, const void* subject, context_id respondent) {
                  return core().describe(std::move(why), subject, respondent);
              })) {}
    ~basic_outgoing_calls() = default;

public:
    broker_engine<Io>& loop() noexcept { return broker_; }
    basic_call_table<Io>& outstanding() noexcept { return *outstanding_; }

    /// An answer from `from` that is an error already.
    open_call* failed_answer(context_id from, error why, const void* subject = nullptr) {
        return outstanding_->open_failed(from, std::move(why), subject);
    }

    /// Fails an outstanding call at a given moment, and tells whoever was asked. Threads: any.
    void expire(outstanding_call& answer, instant at, error why) final {
        open_call& p = static_cast<open_call&>(answer);
        p.retain(); // until the timer is out of the way
        const bool accepted = broker_.defer([this, &p, at, why = std::move(why)] {
            if (p.done()) return;
            p.deadline.fire = [this, &p, why] { give_up(p, why); };
            broker_.set_timer(p.deadline, at);
        });
        outstanding_->then(p, [this, &p, accepted] {
            if (!accepted || !broker_.defer([this, &p] {
                    broker_.cancel_timer(p.deadline);
                    p.release();
                })) {
                p.release();
            }
        });
    }

    outstanding_call& ask(const question& what) final {
        using manner = question::manner;
        if (what.how == manner::wait && on_loop())
            return *failed_answer(what.to, waits_on_loop(), what.subject);
        if (what.how == manner::wait && !scopes_here().empty())
            if (std::optional<error> ended = why_interrupted(now()))
                return *failed_answer(what.to, std::move(*ended), what.subject); // not even sent
        std::optional<error> why;
        open_call* p = outstanding_->open(what.to, why, what.subject);
        if (!p) return *failed_answer(what.to, std::move(*why), what.subject);
        const bool may_wait =
            what.how == manner::wait || (what.how == manner::gather && !on_loop());
        result<void> sent{};
        while (!send_question(what, p->handle(), may_wait, sent)) [[unlikely]]
            if (!await_room(what, why)) {
                sent = std::move(*why);
                break;
            }
        if (!sent) {
            p->unsent = true;
            outstanding_->fail(*p, sent.error());
        }
        if (what.options && what.how == manner::gather) guard(*p, *what.options);
        return *p;
    }

    bool await(outstanding_call& answer, instant deadline) final {
        return await(answer, deadline, deadline == never);
    }
    void await_call(outstanding_call& answer, const call_options& options) final {
        const instant deadline = options.within == never ? never : after(now(), options.within);
#if defined(__cpp_lib_jthread)
        if (options.stop.stop_possible()) {
            const std::stop_callback on_stop(options.stop, [&] { give_up(answer, stopped()); });
            return await_until(answer, deadline, options);
        }
#endif
        await_until(answer, deadline, options);
    }

    outstanding_call& open_event() final { return outstanding_->open_event(id_); }

    outstanding_call& refuse_call(context_id from, error why) final {
        return *failed_answer(from, std::move(why));
    }

    void waits_for_self(outstanding_call& answer, bool for_ever) final {
        answer.set_for_ever(for_ever);
        if (!for_ever || !answer.subject) return;
        open_call& p = static_cast<open_call&>(answer);
        p.retain();
        // behind the call itself, which this context sends to itself
        if (!broker_.defer([this, &p] {
                std::optional<error> cycle = core().cycle_of(p.handle());
                if (cycle) give_up(p, std::move(*cycle));
                p.release();
            }))
            p.release();
    }

    void cancel_call(outstanding_call& p) final {
        (void)core().send(core().address(p.respondent(), handles::cancel_call), encode(p.handle()),
                          flush_mode::soon);
    }

    bool on_loop() const noexcept final { return broker_.on_loop(); }
    instant now() const noexcept final { return broker_.io().now(); }

    std::unique_ptr<foreign_mutex> make_mutex() const final {
        if constexpr (std::is_same_v<typename Io::mutex, io::posix_mutex>) {
            return nullptr;
        } else {
            struct of_policy final : foreign_mutex {
                typename Io::mutex of;
                explicit of_policy(Io& io) : of(io) {}
                void lock() override { of.lock(); }
                void unlock() override { of.unlock(); }
            };
            return std::make_unique<of_policy>(broker_.io());
        }
    }

    bool sleep(condition& on, std::unique_lock<mutex>& lock, instant deadline,
               predicate ready, const wait_subject& what) final {
        struct sleeper final : condition::sleeper {
            waiter<Io> wake;
            explicit sleeper(Io& io) : wake(io) {}
            void notify() noexcept override { wake.notify(); }
        };
        sleeper self(broker_.io());
        on.enter(self);
        const typename basic_waits<Io>::entry here(broker_.waits(), what, now());
        mutex& mutex = *lock.mutex();
        do { // again if another thread has taken away what this one was woken for
            lock.unlock();
            broker_.wait_in_scope(self.wake, deadline, true, [&] {
                const std::lock_guard held(mutex);
                return ready();
            });
            lock.lock();
        } while (!ready() && (deadline == never || now() < deadline) &&
                 !scopes_here().look(now()).ended);
        on.leave(self);
        return ready();
    }

    bool defer(unique_function<void()> work) final { return broker_.defer(std::move(work)); }
    bool add_work(unique_function<void()> work) final { return broker_.add(std::move(work)); }
    bool post(loop_task& step) final { return broker_.post_to_end(step); }
    bool stopping() const noexcept final { return broker_.stopping(); }
    void set_timer(timer& t, instant at) final { broker_.set_timer(t, at); }
    void cancel_timer(timer& t) noexcept final { broker_.cancel_timer(t); }

private:
    Core& core() noexcept { return static_cast<Core&>(*this); }

    static error waits_on_loop() {
        return error(
            reason::misuse,
            "a function that runs on the loop makes a call and waits for it, which would stop the "
            "loop; run it on::main or on::pool, or co_await call_async");
    }
    error stopped() const {
        return cancelled_by(id_, cancel_radius::call, "cancelled by its caller's stop token");
    }

    /// `to_its_end`: who waits has no more use for the answer after `deadline`.
    bool await(outstanding_call& answer, instant deadline, bool to_its_end) {
        answer.set_awaited_by(this_worker);
        if (answer.respondent() == id_) [[unlikely]]
            waits_for_self(answer, to_its_end);
        const bool done = broker_.wait_in_scope(static_cast<open_call&>(answer).wake, deadline,
                                                true, [&answer] { return answer.done(); });
        answer.set_awaited_by(nullptr);
        return done;
    }

    /// False if there is no room for it. Of one that is waited for the leadership is kept.
    bool send_question(const question& what, handle_id answer, bool may_wait, result<void>& sent) {
        const bool waited_for = what.how == question::manner::wait;
        // Before the answer can come: else it finds the gate open, and wakes the broker's thread.
        typename broker_engine<Io>::reservation leadership(broker_, waited_for);
        const bool room = core().send(core().address(what.to, what.handle, answer), what.payload,
                                      waited_for ? flush_mode::now : flush_mode::soon, may_wait,
                                      sent);
        if (room) leadership.keep();
        return room;
    }

    /// For as long as the call may last. False with `why` if it is not sent.
    MITOGEN_COLD bool await_room(const question& what, std::optional<error>& why) {
        const bool limited = what.options && what.options->within != never;
        const instant deadline = limited ? after(now(), what.options->within) : never;
        if (core().wait_for_room(what.to, deadline)) return true;
        why = why_interrupted(now(), deadline);
        if (!why && limited) why = what.options->too_late(false);
        return !why;
    }

    void give_up(outstanding_call& p, error why) {
        if (outstanding_->fail(p, std::move(why))) cancel_call(p);
    }

    void await_until(outstanding_call& answer, instant deadline, const call_options& options) {
        if (await(answer, deadline, true)) return;
        std::optional<error> ended = why_interrupted(now(), deadline);
        give_up(answer, ended ? std::move(*ended) : options.too_late(false));
        // the answer has come at this very moment, and is being stored
        const shielded wait;
        if (!answer.done()) (void)await(answer, never);
    }

    /// Deadline and stop token of a call that nobody waits for yet.
    void guard(open_call& p, const call_options& options) {
        const duration_ns left =
            in_timed_scope() ? time_left(options.within, now()) : options.within;
        if (left != never)
            expire(p, after(after(now(), left), options.grace),
                   options.too_late(left != options.within));
#if defined(__cpp_lib_jthread)
        if (!options.stop.stop_possible()) return;
        p.retain();
        const auto on_stop = [this, &p] {
            basic_outgoing_calls& self = *this; // failing the call destroys this object
            open_call& call = p;
            call.retain();
            self.give_up(call, stopped());
            call.release();
        };
        auto callback =
            std::make_unique<std::stop_callback<decltype(on_stop)>>(options.stop, on_stop);
        outstanding_->then(p, [callback = std::move(callback), &p]() mutable {
            callback.reset();
            p.release();
        });
#endif
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
