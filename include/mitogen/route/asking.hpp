// SPDX-License-Identifier: BSL-1.0
#pragma once
// asking.hpp: the half of a router that asks: opens answers, waits for them, and gives them up in time. What call_port promises.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/loop/stream.hpp>
#include <mitogen/route/call_port.hpp>
#include <mitogen/route/pending.hpp>
#include <mitogen/sync/host.hpp>
#include <mitogen/sync/waiter.hpp>
#include <mitogen/sys/mutex.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/handle.hpp>

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

/// The base of `Core`, basic_router_core, which sends. Threads: any.
template <class Core, class Io>
class basic_asking : public call_port {
    using pending = basic_pending<Io>;

protected:
    detail::broker_engine<Io>& broker_;
    typename basic_pending_table<Io>::owner pending_;

    basic_asking(detail::broker_engine<Io>& loop, const limits& bounds)
        : call_port(bounds), broker_(loop), pending_(basic_pending_table<Io>::make(loop.io(), bounds.open_calls)) {}
    ~basic_asking() = default;

public:
    detail::broker_engine<Io>& loop() noexcept { return broker_; }
    basic_pending_table<Io>& answers() noexcept { return *pending_; }

    /// An answer from `from` that is an error already.
    pending* failed_answer(context_id from, error why) { return pending_->open_failed(from, std::move(why)); }

    /// Fails an awaited answer at a given moment, and tells whoever was asked. Threads: any.
    void expire(awaited& answer, instant at, error why) final {
        pending& p = static_cast<pending&>(answer);
        p.retain(); // until the timer is out of the way
        const bool accepted = broker_.defer([this, &p, at, why = std::move(why)] {
            if (p.done()) return;
            p.deadline.fire = [this, &p, why] { give_up(p, why); };
            broker_.set_timer(p.deadline, at);
        });
        pending_->then(p, [this, &p, accepted] {
            if (!accepted || !broker_.defer([this, &p] {
                    broker_.cancel_timer(p.deadline);
                    p.release();
                })) {
                p.release();
            }
        });
    }

    awaited& ask(const question& what) final {
        using manner = question::manner;
        if (what.how == manner::wait && on_loop()) return *failed_answer(what.to, waits_on_loop());
        if (what.how == manner::gather) (void)core().wait_for_room(what.to, never);
        std::optional<error> why;
        pending* p = pending_->open(what.to, why);
        if (!p) return *failed_answer(what.to, std::move(*why));
        p->subject = what.subject;
        // Before the answer can come: else it finds the gate open, and wakes the broker's thread.
        typename detail::broker_engine<Io>::ahead lead(broker_, what.how == manner::wait);
        const result<void> sent = core().send(core().address(what.to, what.handle, p->handle()), what.payload,
                                              what.how == manner::wait ? urgency::now : urgency::soon);
        lead.keep();
        if (!sent) pending_->fail(*p, sent.error());
        if (what.options) guard(*p, *what.options);
        return *p;
    }

    bool await(awaited& answer, instant deadline) final {
        return broker_.wait(static_cast<pending&>(answer).wake, deadline, true, [&answer] { return answer.done(); });
    }

    void await_call(awaited& answer, const call_options& options) final {
        const instant deadline = options.within == never ? never : after(now(), options.within);
#if defined(__cpp_lib_jthread)
        if (options.stop.stop_possible()) {
            const std::stop_callback on_stop(options.stop, [&] { give_up(answer, stopped()); });
            return await_until(answer, deadline, options);
        }
#endif
        await_until(answer, deadline, options);
    }

    awaited& open_event() final { return pending_->open_event(id_); }

    awaited& refuse_call(context_id from, error why) final { return *failed_answer(from, std::move(why)); }

    void cancel_call(awaited& p) final {
        (void)core().send(core().address(p.respondent(), handles::cancel_call), encode(p.handle()), urgency::soon);
    }

    bool on_loop() const noexcept final { return broker_.on_loop(); }
    instant now() const noexcept final { return broker_.io().now(); }

    std::unique_ptr<detail::foreign_mutex> make_mutex() const final {
        if constexpr (std::is_same_v<typename Io::mutex, io::posix_mutex>) {
            return nullptr;
        } else {
            struct of_policy final : detail::foreign_mutex {
                typename Io::mutex of;
                explicit of_policy(Io& io) : of(io) {}
                void lock() override { of.lock(); }
                void unlock() override { of.unlock(); }
            };
            return std::make_unique<of_policy>(broker_.io());
        }
    }

    bool sleep(detail::condition& on, std::unique_lock<detail::mutex>& lock, instant deadline, detail::predicate ready) final {
        struct sleeper final : detail::condition::sleeper {
            waiter<Io> wake;
            explicit sleeper(Io& io) : wake(io) {}
            void notify() noexcept override { wake.notify(); }
        };
        sleeper self(broker_.io());
        on.enter(self);
        detail::mutex& mutex = *lock.mutex();
        do { // again where another thread has taken away what this one was woken for
            lock.unlock();
            broker_.wait(self.wake, deadline, true, [&] {
                const std::lock_guard held(mutex);
                return ready();
            });
            lock.lock();
        } while (!ready() && (deadline == never || now() < deadline));
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
        return error(reason::misuse, "a function that runs on the loop makes a call and waits for it, which would stop the "
                                     "loop; run it on::main or on::pool, or co_await call_async");
    }
    static error out_of_time(const call_options& options) {
        return error(reason::timeout, "no answer within " + std::to_string(options.within / 1'000'000) + " ms");
    }
    error stopped() const { return cancelled_by(id_, cancel_radius::call, "cancelled by its caller's stop token"); }

    void give_up(awaited& p, error why) {
        if (pending_->fail(p, std::move(why))) cancel_call(p);
    }

    void await_until(awaited& answer, instant deadline, const call_options& options) {
        if (await(answer, deadline)) return;
        give_up(answer, out_of_time(options));
        if (!answer.done()) (void)await(answer, never); // the answer has come at this very moment, and is being stored
    }

    /// Deadline and stop token of a call that nobody waits for yet.
    void guard(pending& p, const call_options& options) {
        if (options.within != never) expire(p, after(now(), options.within), out_of_time(options));
#if defined(__cpp_lib_jthread)
        if (!options.stop.stop_possible()) return;
        p.retain();
        const auto on_stop = [this, &p] {
            basic_asking& node = *this; // failing the call destroys this object
            pending& call = p;
            call.retain();
            node.give_up(call, stopped());
            call.release();
        };
        auto callback = std::make_unique<std::stop_callback<decltype(on_stop)>>(options.stop, on_stop);
        pending_->then(p, [callback = std::move(callback), &p]() mutable {
            callback.reset();
            p.release();
        });
#endif
    }
};

} // namespace mitogen::inline MITOGEN_ABI
