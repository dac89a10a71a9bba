// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery_call.hpp: a call that belongs to a nursery: how it begins, ends, and begins again.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/nursery/nursery_hub.hpp>
#include <mitogen/nursery/nursery_member.hpp>
#include <mitogen/nursery/nursery_result.hpp>
#include <mitogen/nursery/nursery_timer.hpp>
#include <mitogen/nursery/restart.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <algorithm>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A call: of a context that is there, or of one that is being connected for it.
template <class T>
class nursery_call final : public nursery_result<T> {
    using base = nursery_result<T>;

    mitogen::detail::mutex mutex_;
    context_id where_ = no_context;
    instant deadline_ = never; // of the scopes that it was started in, if it waits for its context
    future<context> coming_; // its context, while that is being connected
    future<T> answer_;
    bool calls_ = false;         // answer_ is there
    std::optional<error> asked_; // to stop, and why
    std::optional<error> given_up_;
    nursery_timer due_{}; // of the run that calls_
    std::optional<error> late_; // what the nursery was told when it was due
    std::unique_ptr<restarts> again_; // null: it runs once
    unique_function<void(const error*)> on_restart_{};

    /// If an exception comes in between, there is no such task.
    struct unless_begun {
        nursery_call& self;
        bool begun = false;
        ~unless_begun() {
            if (!begun) self.nursery_->forget(self);
        }
    };

    std::shared_ptr<nursery_call> self() {
        return std::static_pointer_cast<nursery_call>(this->shared_from_this());
    }

    /// If something has failed: a call that nothing keeps from running runs, and what it says for
    /// itself is heard. Otherwise which of several errors are seen would be a matter of luck.
    void tell_callee(const error& why) {
        mitogen::node& node = this->nursery_->node();
        const outstanding_call& p = *answer_.state();
        const bool begins = why.reason() != reason::cancelled;
        const auto what = why.detail().radius == cancel_radius::call ? cancel_radius::call
                                                                     : cancel_radius::nursery;
        static_cast<void>(node.tell(p.respondent(), handles::cancel_call,
                                    encode(p.handle(), begins, static_cast<std::uint8_t>(what)),
                                    false));
    }

    /// `call(target)` makes it.
    template <class Target, class Call>
    void send(const Target& target, Call&& call) {
        unless_begun guard{*this};
        call_options options = target.options();
        // Late, it is waited for nevertheless while it puts things right.
        if (!again_) options.grace = this->nursery_->grace();
        const instant now = this->nursery_->node().now();
        const duration_ns left = time_left(options.within, now);
        // At the deadline of the nursery it is late with everything.
        const bool has_own = !again_ && after(now, left) < this->nursery_->deadline();
        future<T> answer = call(call_target(target.port(), target.id(), options));
        guard.begun = true;
        std::optional<error> unwanted;
        std::optional<error> stop;
        {
            const std::lock_guard lock(mutex_);
            where_ = target.id();
            answer_ = std::move(answer);
            calls_ = true;
            stop = asked_;
            unwanted = given_up_;
            if (has_own)
                due_ = nursery_timer(
                    this->nursery_->node(), after(now, left),
                    [me = self(), why = options.too_late(left != options.within)] {
                        me->is_late(why);
                    });
        }
        answer_.then([me = self()] { me->ran(me->answer_.state()->failure()); });
        if (unwanted) return answer_.abandon(*unwanted);
        if (stop) tell_callee(*stop);
    }

    void is_late(const error& why) {
        {
            const std::lock_guard lock(mutex_);
            if (!calls_ || asked_) return;
            late_ = why;
        }
        this->nursery_->late(*this, why);
    }

    void keep_deadline() {
        const scope_stack scopes = scopes_here();
        if (!scopes.empty()) deadline_ = scopes.look(this->nursery_->node().now()).deadline;
    }

    /// Its context is there, or is not.
    template <class Call>
    void connected(Call& call) {
        const result<context> up = coming_.outcome();
        std::optional<error> failure;
        if (!up) {
            failure = up.error();
        } else {
            const std::lock_guard lock(mutex_);
            failure = asked_;
        }
        if (failure) return ran(&*failure);
        if (again_) this->nursery_->replaceable(up->id());
        // in the scopes of start(), whoever's thread this is
        const shielded others;
        const instant now = this->nursery_->node().now();
        const duration_ns left =
            deadline_ == never ? never : std::max<duration_ns>(deadline_ - now, 1);
        send(up->within(std::chrono::nanoseconds(left)), call);
    }

    /// Runs it in a context that is on its way: `call(context)` begins it there.
    template <class Call>
    void run_in(future<context> coming, Call call) {
        std::optional<error> why;
        {
            const std::lock_guard lock(mutex_);
            coming_ = std::move(coming);
            why = asked_;
        }
        coming_.then(
            [me = self(), call = std::move(call)]() mutable { me->connected(call); });
        if (why) return coming_.abandon(*why);
        this->nursery_->begun(*this);
    }

    // ---- what may be begun again

    /// A run of it is over.
    void ran(const error* failure) {
        nursery_timer due; // called off without the lock
        std::optional<error> late;
        {
            const std::lock_guard lock(mutex_);
            due = std::move(due_);
            late = late_;
        }
        // What it says itself counts if it is more than that it was late.
        if (late && (!failure || failure->reason() == reason::timeout ||
                     failure->reason() == reason::cancelled))
            failure = &*late;
        if (!again_ || !pause(failure)) this->nursery_->ended(*this, failure);
    }

    /// Begins the pause before the next run. False if there is none.
    bool pause(const error* failure) {
        mitogen::node& node = this->nursery_->node();
        const bool closed = failure && failure->reason() == reason::broker_exited &&
                            failure->hops().empty();
        if (closed || node.stopping() || !this->nursery_->may_go_on(*this)) return false;
        const instant now = node.now();
        context_id left = no_context;
        outstanding_call* over = nullptr;
        std::optional<duration_ns> span;
        {
            const std::lock_guard lock(mutex_);
            if (asked_ || given_up_ || (!again_->in_new_context && node.why_lost(where_)))
                return false;
            span = again_->schedule.after_end(failure != nullptr, now);
            if (!span) return false;
            if (again_->in_new_context) left = std::exchange(where_, no_context);
            calls_ = false;
            over = again_->pause = &node.open_event();
        }
        if (left != no_context) this->nursery_->replace(left);
        if (on_restart_) on_restart_(failure);
        node.expire(*over, after(now, *span), error(reason::timeout, "the pause is over"));
        over->then([me = self(), over] { me->paused(*over); });
        return true;
    }

    /// A pause has ended: it is over, the task is to stop, or the router has been closed.
    void paused(outstanding_call& over) {
        std::optional<error> why;
        {
            const std::lock_guard lock(mutex_);
            again_->pause = nullptr;
            if (asked_)
                why = asked_;
            else if (over.failure()->reason() != reason::timeout)
                why = *over.failure();
        }
        over.release();
        if (why) return this->nursery_->ended(*this, &*why);
#if MITOGEN_HAS_EXCEPTIONS
        try {
            again_->begin();
        } catch (const std::exception& e) {
            const error failure(reason::misuse,
                                std::string("the task could not be begun again: ") + e.what());
            this->nursery_->ended(*this, &failure);
        }
#else
        again_->begin();
#endif
    }

public:
    explicit nursery_call(std::shared_ptr<nursery_hub> nursery)
        : base(std::move(nursery)), mutex_(this->nursery_->node()) {}

    // ---- how it begins: one of them, once

    template <class Target, class Call>
    void call(const Target& target, Call&& call_it) {
        std::optional<error> why;
        if (!this->nursery_->add(self(), why)) return this->nursery_->ended(*this, &*why);
        send(target, call_it);
        this->nursery_->begun(*this);
    }

    template <auto F, class Connect, class... Args>
    void connect_and_call(Connect&& connect, Args&&... args) {
        std::optional<error> why;
        if (!this->nursery_->add(self(), why)) return this->nursery_->ended(*this, &*why);
        unless_begun guard{*this};
        keep_deadline();
        future<context> coming = connect();
        auto call = [given = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)](
                        const auto& up) mutable {
            return std::apply(
                [&](auto&... each) { return up.template call_async<F>(std::move(each)...); },
                given);
        };
        guard.begun = true;
        run_in(std::move(coming), std::move(call));
    }

    /// As call(), for one that may run several times: each time `call_it(target)` is called.
    template <class Target, class Call>
    void call_again(restart_policy how, const Target& target, Call call_it) {
        again_ = std::make_unique<restarts>(how, false);
        again_->begin = [this, target, call_it] { send(target, call_it); };
        call(target, call_it);
    }

    /// As connect_and_call(): each time `call(context)` is called, which copies what it passes.
    template <class Connect, class Call>
    void connect_and_call_again(restart_policy how, Connect connect, Call call) {
        std::optional<error> why;
        again_ = std::make_unique<restarts>(how, true);
        if (!this->nursery_->add(self(), why)) return this->nursery_->ended(*this, &*why);
        unless_begun guard{*this};
        keep_deadline();
        again_->begin = [this, connect = std::move(connect), call = std::move(call)] {
            run_in(connect(), call);
        };
        again_->begin();
        guard.begun = true;
    }

    /// Runs `go` each time that a run has ended, with its error or null, and another one follows.
    /// Before one of the above.
    void on_restart(unique_function<void(const error*)> go) { on_restart_ = std::move(go); }

    // ---- how it ends

    void ask_to_stop(const error& why) override {
        bool calls;
        bool connects;
        outstanding_call* pause = nullptr;
        {
            const std::lock_guard lock(mutex_);
            if (asked_) return;
            asked_ = why;
            calls = calls_;
            connects = coming_.valid();
            if (again_ && again_->pause) (pause = again_->pause)->retain();
        }
        if (pause) {
            pause->fail(why);
            pause->release();
        } else if (calls) {
            tell_callee(why);
        } else if (connects) {
            coming_.abandon(why);
        }
    }

    void give_up(const error& why) override {
        {
            const std::lock_guard lock(mutex_);
            given_up_ = why;
            if (!calls_) return; // about to begin
        }
        answer_.abandon(why);
    }

    context_id where() override {
        const std::lock_guard lock(mutex_);
        return where_;
    }

    result<T> outcome() override {
        if (const error* why = this->failure()) return *why;
        return answer_.outcome();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
