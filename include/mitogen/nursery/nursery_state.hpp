// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery_state.hpp: what a nursery owns, what went wrong in it, and how all of it is brought to an
// end.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/nursery/body_scope.hpp>
#include <mitogen/nursery/nursery_hub.hpp>
#include <mitogen/nursery/nursery_member.hpp>
#include <mitogen/nursery/nursery_timer.hpp>
#include <mitogen/nursery/nursery_watch.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/serve/exception_info.hpp>
#include <mitogen/sync/host.hpp>
#include <mitogen/task/task.hpp>
#include <mitogen/task/task_condition.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The owner of contexts and tasks. Shared with what is under way: whatever becomes of the
/// nursery's thread, that ends.
///
/// Stages: open; stopping, once something has failed or it was cancelled: tasks are asked to stop;
/// closing: contexts are asked to end; over, when every task has ended and every process of its own
/// is reaped. Threads: any, but for wait() and finish().
class nursery_state final : public nursery_hub, public std::enable_shared_from_this<nursery_state> {
    using task = nursery_member;
    using arrival = future<context>;

    duration_ns grace_;
    mitogen::detail::mutex mutex_;
    task_condition wake_;                            // whoever waits for all
    std::vector<std::shared_ptr<task>> tasks_;       // that have not ended
    std::uint64_t started_ = 0;                      // tasks, so far
    std::vector<std::shared_ptr<arrival>> arriving_; // contexts that are not up yet
    std::vector<context_id> contexts_;               // that are up, or were
    // of those: whose loss is only a failure of the task that they were made for
    std::vector<context_id> replaceable_;
    // not reaped yet, those that are only being made as well
    std::size_t processes_ = 0;
    std::vector<error> failures_;     // in the order in which they came
    std::vector<error> seen_;         // of those, what the program has been told
    std::optional<error> cancelled_;  // why, if nothing has failed before
    std::unique_ptr<body_scope, counted_scope::drop> body_; // null: it was made on the loop
    duration_ns within_ = never; // how long all of it may take
    instant late_at_ = never;    // when that is over
    nursery_timer limit_{};      // until then, or until all is over
    instant deadline_ = never;   // of that and the scopes around it, the earliest
#if defined(__cpp_lib_jthread)
    std::optional<std::stop_source> stop_; // made when somebody asks for it
#endif
    bool reports_cancelling_ = false; // it is an error of the nursery
    bool expedited_ = false;          // there is no grace
    bool closing_ = false;
    bool over_ = false;

    // under mutex_
    bool stopping() const noexcept { return !failures_.empty() || cancelled_.has_value(); }

    /// What everything is stopped for. Under mutex_, when stopping().
    error cause() const { return failures_.empty() ? *cancelled_ : failures_.front(); }

    static bool listed(const std::vector<error>& all, const error& why) noexcept {
        return std::any_of(all.begin(), all.end(),
                           [&](const error& e) { return e.same_as(why); });
    }
    bool known(const error& why) const noexcept { return listed(failures_, why); } // under mutex_

    /// Why nothing can be added any more, or nothing. Under mutex_.
    std::optional<error> refused() const {
        if (cancelled_ || (closing_ && stopping())) return cause();
        if (closing_) return error(reason::misuse, "this nursery has ended: join() was called");
        return std::nullopt;
    }

    /// True if the error of a task is only what the nursery itself has brought about. Under mutex_.
    bool is_consequence(const task& t, const error& why) const {
        if (why.reason() == reason::cancelled) return t.spared_ || stopping();
        // not stopping: it came too late
        return closing_ && (!stopping() || why.kind() == kind::disconnected);
    }

    void remove(task& t) { // under mutex_, which is not the last to hold it
        if (t.place_ == task::nowhere) return;
        tasks_.back()->place_ = t.place_;
        std::swap(tasks_[t.place_], tasks_.back());
        tasks_.pop_back();
        t.place_ = task::nowhere;
    }

    void interrupt_body() { // under mutex_, when stopping()
        if (body_) body_->stop(cause(), !failures_.empty(), node_.id());
    }

    /// Everything that has not ended is asked to stop, the latest first: a call that waits behind
    /// another one of the same context must not begin because that one stops. Not under the lock.
    void ask_all() {
        std::vector<std::shared_ptr<task>> all;
        std::optional<error> why;
#if defined(__cpp_lib_jthread)
        std::optional<std::stop_source> stop;
#endif
        {
            const std::lock_guard lock(mutex_);
            all = tasks_;
            why = cause();
#if defined(__cpp_lib_jthread)
            stop = stop_;
#endif
        }
#if defined(__cpp_lib_jthread)
        if (stop) stop->request_stop();
#endif
        std::sort(all.begin(), all.end(),
                  [](const auto& a, const auto& b) { return a->number_ > b->number_; });
        for (const auto& t : all) t->ask_to_stop(*why);
    }

public:
    nursery_state(mitogen::node& node, duration_ns grace)
        : nursery_hub(node), grace_(grace), mutex_(node) {}
    nursery_state(nursery_state&&) = delete;

    void begin(scope_worker* body, duration_ns within) override {
        const instant now = node_.now();
        within_ = within;
        deadline_ = late_at_ = after(now, within);
        if (body) {
            body_.reset(new body_scope);
            body_->reset(deadline_);
            body_->enter(*body);
            deadline_ = scopes_here().look(now).deadline;
        }
        if (within == never) return;
        limit_ = nursery_timer(node_, late_at_, [weak = this->weak_from_this()] {
            if (const auto self = weak.lock()) self->cancel_late();
        });
    }

    instant deadline() const noexcept override { return deadline_; }

#if defined(__cpp_lib_jthread)
    std::stop_token stop_token() override {
        const std::lock_guard lock(mutex_);
        if (!stop_) stop_.emplace();
        if (stopping()) stop_->request_stop(); // nobody can have registered a callback yet
        return stop_->get_token();
    }
#endif

    void leave_body() noexcept override {
        const std::lock_guard lock(mutex_);
        if (body_ && !body_->has_left()) body_->leave(this_worker);
    }

    duration_ns grace() const noexcept override { return grace_; }

    error cancelled_here(const char* by) const override {
        return cancelled_by(node_.id(), cancel_radius::nursery,
                            "cancelled with its nursery, in context " + std::to_string(node_.id()) +
                                ", by " + by);
    }

    /// Why nothing can be added any more, or nothing.
    std::optional<error> refusal() {
        const std::lock_guard lock(mutex_);
        return refused();
    }

    // ---- contexts

    /// A process of this nursery: until what is returned is let go of, the nursery is not over.
    std::shared_ptr<void> hold() {
        const std::lock_guard lock(mutex_);
        ++processes_;
        return std::shared_ptr<void>(nullptr, [self = this->shared_from_this()](void*) {
            const std::lock_guard gone(self->mutex_);
            if (--self->processes_ == 0) self->wake_.notify_all();
        });
    }

    /// A context that is being connected, and will be this nursery's. `coming` stays the caller's.
    void expect(const arrival& coming) {
        coming.state()->retain();
        const auto mine =
            std::make_shared<arrival>(coming.state(), node_, decode_environment{&node_});
        std::optional<error> too_late;
        {
            const std::lock_guard lock(mutex_);
            arriving_.push_back(mine);
            if (closing_ || cancelled_) too_late = cancelled_ ? cause() : cancelled_here("its end");
        }
        mine->then([self = this->shared_from_this(), mine] { self->arrived(mine); });
        if (too_late) mine->abandon(*too_late);
    }

    arrival connect(const any_method& how, making_options options) override {
        const std::optional<error> why = refusal();
        if (!why) options.keep_alive = hold();
        outstanding_call& p =
            why ? node_.refuse_call(node_.id(), *why) : node_.make_child(how, std::move(options));
        arrival coming(&p, node_, decode_environment{&node_});
        expect(coming);
        return coming;
    }

    void replaceable(context_id id) override {
        const std::lock_guard lock(mutex_);
        replaceable_.push_back(id);
    }

    void replace(context_id id) override { node_.terminate(id, false); }

private:
    void arrived(const std::shared_ptr<arrival>& coming) {
        const result<context> up = coming->outcome();
        bool unwanted;
        {
            const std::lock_guard lock(mutex_);
            std::erase(arriving_, coming);
            unwanted = closing_;
            if (up && !unwanted) contexts_.push_back(up->id());
        }
        if (!up) return;
        if (unwanted) return node_.terminate(up->id(), false);
        up->on_disconnect([weak = this->weak_from_this(), id = up->id()](const error& why) {
            if (const auto self = weak.lock()) self->context_lost(id, why);
        });
    }

    /// A context that ends by itself, and says that all is well, has only ended early.
    void context_lost(context_id id, const error& why) {
        {
            const std::lock_guard lock(mutex_);
            std::erase(contexts_, id);
            if (std::erase(replaceable_, id) > 0) return;
            if (closing_ || known(why) ||
                (why.detail().has_status && why.detail().status.success()))
                return;
            failures_.push_back(why);
            wake_.notify_all();
            interrupt_body();
        }
        ask_all();
    }

public:
    // ---- tasks

    /// Before it is begun. False with `why` if it must not be.
    bool add(std::shared_ptr<task> t, std::optional<error>& why) override {
        const std::lock_guard lock(mutex_);
        why = refused();
        if (why) return false;
        t->place_ = tasks_.size();
        t->number_ = ++started_;
        tasks_.push_back(std::move(t));
        return true;
    }

    void forget(task& t) override {
        const std::shared_ptr<task> keep = t.shared_from_this();
        const std::lock_guard lock(mutex_);
        remove(t);
        if (tasks_.empty()) wake_.notify_all();
    }

    void begun(task& t) override {
        std::optional<error> why;
        {
            const std::lock_guard lock(mutex_);
            if (stopping()) why = cause();
        }
        if (why) t.ask_to_stop(*why);
    }

    void ended(task& t, const error* failure) override {
        const std::shared_ptr<task> keep = t.shared_from_this();
        bool first = false;
        watchers told;
        {
            const std::lock_guard lock(mutex_);
            if (failure && is_consequence(t, *failure)) {
                t.failure_ = !t.spared_ && stopping() ? cause() : *failure;
            } else if (failure) {
                t.failure_ = *failure;
                first = !stopping();
                // one that was lost fails all its tasks
                if (!known(*failure)) failures_.push_back(*failure);
            }
            remove(t);
            t.ended_.store(true, std::memory_order_release);
            t.wake_.notify_all();
            told = t.told_.take();
            if (tasks_.empty() || first) wake_.notify_all();
            if (first) interrupt_body();
        }
        if (first) ask_all();
        told.run();
    }

    void late(task& t, const error& why) override {
        {
            const std::lock_guard lock(mutex_);
            if (t.ended() || stopping() || closing_) return; // it is asked to stop already
            failures_.push_back(why);
            wake_.notify_all();
            interrupt_body();
        }
        ask_all();
    }

    bool may_go_on(const task& t) override {
        const std::lock_guard lock(mutex_);
        return !t.spared_ && !stopping() && !closing_;
    }

    /// Sleeps until a task has ended or the deadline passes. Not on the loop.
    bool wait_for(task& t, instant deadline) override {
        std::unique_lock lock(mutex_);
        const auto over = [&t] { return t.ended(); };
        const wait_subject what{"a task of a nursery"};
        if (t.wake_.wait(lock, node_, deadline, over, what)) return true;
        if (!stopping()) return false;
        // It is the nursery that interrupts its body, and has asked the task to stop: it has its
        // grace for that.
        const shielded wait_for_end;
        return t.wake_.wait(lock, node_, std::min(deadline, after(node_.now(), grace_)), over,
                            what);
    }
    std::optional<error> stopped_for() override {
        const std::lock_guard lock(mutex_);
        return stopping() ? std::optional<error>(cause()) : std::nullopt;
    }

    void when_ended(task& t, unique_function<void()> go, const void* key) override {
        {
            const std::lock_guard lock(mutex_);
            if (!t.ended()) return t.told_.add(key, std::move(go));
        }
        go();
    }
    void forget_watcher(task& t, const void* key) override {
        watchers gone; // destroyed without the lock
        const std::lock_guard lock(mutex_);
        gone = t.told_.take(key);
    }

    void cancel_one(task& t) override {
        {
            const std::lock_guard lock(mutex_);
            if (t.ended()) return;
            t.spared_ = true;
        }
        t.ask_to_stop(cancelled_by_caller(node_.id(), cancel_radius::call));
    }

    // ---- the end

    bool stopped() override {
        const std::lock_guard lock(mutex_);
        return stopping();
    }
    bool over() override {
        const std::lock_guard lock(mutex_);
        return over_;
    }

    void cancel(error why, bool reported) override {
        std::vector<std::shared_ptr<arrival>> coming;
        {
            const std::lock_guard lock(mutex_);
            if (cancelled_ || closing_) return;
            reports_cancelling_ = reported;
            cancelled_ = std::move(why);
            coming = arriving_;
            wake_.notify_all();
            interrupt_body();
        }
        for (const auto& c : coming) c->abandon(*cancelled_);
        ask_all();
    }

    void expedite() override {
        std::vector<context_id> ending;
        {
            const std::lock_guard lock(mutex_);
            if (std::exchange(expedited_, true)) return;
            if (closing_) ending = contexts_;
            wake_.notify_all();
        }
        for (const context_id id : ending) node_.terminate(id, true);
    }

    void close() override {
        std::vector<std::shared_ptr<task>> stubborn;
        std::vector<std::shared_ptr<arrival>> coming;
        std::vector<context_id> up;
        std::optional<error> why;
        bool all = false;
        {
            const std::lock_guard lock(mutex_);
            closing_ = true;
            all = expedited_;
            stubborn = tasks_;
            coming = arriving_;
            up = contexts_;
            why = stopping() ? cause() : cancelled_here("its end");
        }
        std::vector<context_id> expedited; // they have had their time
        for (const auto& t : stubborn) {
            const context_id where = t->where();
            if (std::find(up.begin(), up.end(), where) == up.end()) {
                t->give_up(*why);
            } else {
                expedited.push_back(where);
            }
        }
        for (const auto& c : coming) c->abandon(*why);
        for (const context_id id : up)
            node_.terminate(id, all || std::find(expedited.begin(), expedited.end(), id) !=
                                           expedited.end());
    }

    bool wait_for_tasks(instant deadline) override {
        return wait(deadline, [this] { return may_stop(); });
    }

    void finish() override {
        end_body();
        if (!wait_for_tasks(never))
            if (std::optional<error> why = why_interrupted(node_.now()))
                cancel(std::move(*why), true); // the scope around it has ended
        // What it owns is ended in any case, and takes its grace at most.
        const shielded wait_for_all;
        if (stopped()) (void)wait(after(node_.now(), grace_), [this] { return has_stopped(); });
        close();
        (void)wait(never, [this] { return is_empty(); });
        all_over();
    }

    std::optional<task_condition::until> finish_step(int number) override { // as finish()
        using until = task_condition::until;
        switch (number) {
        case 0: end_body(); return until{wake_, mutex_, [this] { return may_stop(); }};
        case 1:
            if (!stopped()) return until{wake_, mutex_, [] { return true; }};
            return until{wake_, mutex_, [this] { return has_stopped(); }, grace_};
        case 2: close(); return until{wake_, mutex_, [this] { return is_empty(); }};
        default: all_over(); return std::nullopt;
        }
    }

    result<void> verdict() override {
        const std::lock_guard lock(mutex_);
        if (!failures_.empty()) return group_errors(failures_);
        if (cancelled_ && reports_cancelling_) return *cancelled_;
        return {};
    }

    void saw(const error& why) override {
        const std::lock_guard lock(mutex_);
        if (known(why) && !listed(seen_, why)) seen_.push_back(why);
    }

    result<void> unseen() override {
        const std::lock_guard lock(mutex_);
        std::vector<error> news;
        for (const error& e : failures_)
            if (!listed(seen_, e)) news.push_back(e);
        if (!news.empty()) return group_errors(news);
        if (failures_.empty() && cancelled_ && reports_cancelling_) return *cancelled_;
        return {};
    }

private:
    void cancel_late() {
        cancel(error(reason::timeout, "the nursery has not ended within " +
                                          std::to_string(within_ / 1'000'000) + " ms"),
               true);
    }

    /// The body may have been told that its time is over, by its scope, before the timer says so.
    void end_body() {
        leave_body();
        if (late_at_ != never && node_.now() >= late_at_) cancel_late();
    }

    void all_over() {
        nursery_timer limit; // called off without the lock
        const std::lock_guard lock(mutex_);
        over_ = true;
        limit = std::move(limit_);
    }

    // what finish() waits for, one after the other; under mutex_
    bool may_stop() const noexcept { return tasks_.empty() || stopping(); }
    bool has_stopped() const noexcept { return tasks_.empty() || expedited_; }
    bool is_empty() const noexcept { return tasks_.empty() && processes_ == 0; }

    template <class Condition>
    bool wait(instant deadline, Condition condition) {
        std::unique_lock lock(mutex_);
        return wake_.wait(lock, node_, deadline, condition, {"the end of a nursery"});
    }
};

#if MITOGEN_HAS_EXCEPTIONS
MITOGEN_INLINE error caught_error() { return error(describe_current_exception(0)); }
#endif

MITOGEN_INLINE std::shared_ptr<nursery_hub> nursery_hub::make(mitogen::node& node,
                                                              duration_ns grace) {
    return std::make_shared<nursery_state>(node, grace);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
