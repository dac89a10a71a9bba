// SPDX-License-Identifier: BSL-1.0
#pragma once
// cancel_scope.hpp: a stretch of work that ends early, with all that it waits for: because it is
// cancelled, or because its time is over. Which ones the caller works for.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

class cancel_scope;
class scope_link;
class thread_worker;

/// What can be woken from its sleep.
class wakeable {
public:
    /// What it waits for may have happened. Never blocks. Threads: any.
    virtual void notify() noexcept = 0;

protected:
    ~wakeable() = default;
};

/// Who works for scopes, and waits in them: a thread, or a task. Its innermost scope is the one
/// that it works for; that one lies in those outside it.
class scope_worker {
    std::atomic<std::uint32_t> references_{1};

protected:
    scope_worker() = default;
    virtual ~scope_worker() = default;

public:
    cancel_scope* innermost = nullptr; ///< by the worker itself only
    std::atomic<bool> retired{false};  ///< it is at its end, and enters and leaves nothing any more

    scope_worker(scope_worker&&) = delete;

    /// One of its scopes has been cancelled: it looks again whether its wait ends. Never blocks.
    /// Threads: any.
    virtual void interrupt() noexcept = 0;
    /// The moment on its clock.
    virtual instant now() const noexcept = 0;
    /// Sleeps until interrupt() or the deadline. Threads: the worker's own.
    virtual void sleep_until(instant deadline) = 0;
    /// The thread that it is; null for a task, which must not block.
    virtual thread_worker* thread() noexcept { return nullptr; }
    /// A scope that counts its references is entered.
    virtual void prepare_interrupts() {}
    /// What its scopes say may change at that moment by itself: while it waits it looks again. A
    /// thread does so anyway. Threads: the worker's.
    virtual void look_again_at(instant) {}

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
};

/// One scope. A worker enters it, and leaves it; while it is in there its waits end when the scope
/// is cancelled or late.
///
/// The worker refers to it, and it refers to its worker, by counting. Threads: as marked.
class cancel_scope {
    cancel_scope* outer_ = nullptr;
    scope_worker* worker_ = nullptr;
    std::atomic<std::uint64_t> cancelled_{0}; // radius << 32 | who; 0: it is not
    std::atomic<bool> left_{false};
    instant deadline_ = never;
    instant shields_until_ = 0; // before that moment nothing outside is looked at
    std::atomic<scope_link*> link_{nullptr};

    friend class scope_link;
    friend class scope_stack;

    /// True if it is the first to cancel it.
    bool mark(std::uint64_t word) noexcept {
        std::uint64_t none = 0;
        return cancelled_.compare_exchange_strong(none, word, std::memory_order_seq_cst);
    }

protected:
    cancel_scope() = default;
    ~cancel_scope() { drop_link(); }

    /// Its worker refers to it from retain() to release(). Nothing, if it outlives that anyway.
    virtual void retain() noexcept {}
    virtual void release() noexcept {}
    virtual bool counted() const noexcept { return false; }

public:
    cancel_scope(cancel_scope&&) = delete;

    /// Why its waits end, once it is cancelled. Threads: any.
    virtual error why_cancelled() const {
        return cancelled_by(canceller(), radius(), "the scope was cancelled");
    }
    /// Whose deadline has passed.
    virtual std::string deadline_of() const { return "the scope"; }
    /// What an error says of that: timeout, or deadline.
    virtual reason late_reason() const noexcept { return reason::timeout; }

    instant deadline() const noexcept { return deadline_; }
    bool is_cancelled() const noexcept { return cancelled_.load(std::memory_order_seq_cst) != 0; }
    cancel_radius radius() const noexcept {
        return static_cast<cancel_radius>(cancelled_.load(std::memory_order_acquire) >> 32);
    }
    context_id canceller() const noexcept {
        return static_cast<context_id>(cancelled_.load(std::memory_order_acquire));
    }

    /// Before a worker enters it: neither cancelled nor left; late at `deadline`, and a shield up
    /// to `shields_until`, or 0.
    void reset(instant deadline = never, instant shields_until = 0) noexcept {
        cancelled_.store(0, std::memory_order_relaxed);
        left_.store(false, std::memory_order_relaxed);
        deadline_ = deadline;
        shields_until_ = shields_until;
    }

    /// Ends what is waited for in it now and later. Only the first counts. Never blocks. Its worker
    /// must not leave it meanwhile. Threads: any.
    void cancel(cancel_radius what, context_id who) noexcept {
        if (!mark(std::uint64_t{static_cast<std::uint8_t>(what)} << 32 | who)) return;
        if (worker_) worker_->interrupt();
        tell_link();
    }

    /// What the scopes of other workers hold of it. Threads: its worker's.
    scope_link& link();
    /// Nobody cancels it any more.
    void drop_link() noexcept;

    /// The worker's innermost scope from now on. Threads: the worker's.
    void enter(scope_worker& by) noexcept {
        drop_left(by);
        if (counted()) by.prepare_interrupts();
        worker_ = &by;
        outer_ = by.innermost;
        by.innermost = this;
        retain();
        if (counted()) by.retain();
        if (shields_until_ && shields_until_ != never) by.look_again_at(shields_until_);
    }

    /// The worker works for it no more, nor for what is left inside it. Threads: the worker's; of
    /// one that counts its references any.
    void leave(scope_worker* here) noexcept {
        left_.store(true, std::memory_order_release);
        end_link();
        if (worker_ && (here == worker_ || worker_->retired.load(std::memory_order_acquire)))
            drop_left(*worker_);
    }

    /// As leave(); what was entered inside it and not left counts no more either. Threads: the
    /// worker's.
    void leave_with_inner(scope_worker& here) noexcept {
        for (cancel_scope* s = here.innermost; s && s != this; s = s->outer_) {
            s->left_.store(true, std::memory_order_release);
            s->end_link();
        }
        leave(&here);
    }

    /// True if it keeps out what lies around it, for a time.
    bool shields() const noexcept { return shields_until_ != 0; }
    bool has_left() const noexcept { return left_.load(std::memory_order_acquire); }
    scope_worker* worker() const noexcept { return worker_; }
    cancel_scope* outer() const noexcept { return outer_; }

    /// A worker forgets those that have been left. Threads: the worker's.
    static void drop_left(scope_worker& of) noexcept {
        std::uint32_t dropped = 0; // the last of them may be the last to refer to the worker
        for (cancel_scope** at = &of.innermost; *at;) {
            cancel_scope& s = **at;
            if (!s.has_left()) {
                at = &s.outer_;
                continue;
            }
            *at = s.outer_;
            dropped += s.counted();
            s.release();
        }
        while (dropped-- > 0) of.release();
    }

private:
    void tell_link() noexcept;
    void end_link() noexcept;
};

/// A scope that its worker may refer to when whoever has made it is done with it. Made by new.
class counted_scope : public cancel_scope {
    std::atomic<std::uint32_t> references_{1};

    void retain() noexcept final { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept final {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    bool counted() const noexcept final { return true; }

protected:
    virtual ~counted_scope() = default;

public:
    /// Lets go of it.
    struct drop {
        void operator()(counted_scope* s) const noexcept { s->release(); }
    };
};

/// What a worker's scopes say about a wait.
struct scope_verdict {
    const cancel_scope* ended = nullptr; ///< the one that ends it
    bool late = false;                   ///< by its deadline
    instant deadline = never;            ///< the earliest that counts
    instant shielded_until = 0;          ///< by a shield that keeps others out; 0: there is none

    /// When it may change by itself.
    instant look_again() const noexcept {
        return shielded_until ? std::min(deadline, shielded_until) : deadline;
    }
};

/// The scopes of one worker, from the innermost out. Threads: the worker's.
class scope_stack {
    cancel_scope* innermost_;

public:
    explicit scope_stack(cancel_scope* innermost) noexcept : innermost_(innermost) {}

    bool empty() const noexcept { return !innermost_; }

    /// True if what they say of a wait can change by itself.
    bool is_timed() const noexcept {
        for (const cancel_scope* s = innermost_; s; s = s->outer_)
            if (s->deadline_ != never || (s->shields_until_ && s->shields_until_ != never))
                return true;
        return false;
    }

    /// True if one of those that count is cancelled. For a wait's condition: no clock is looked at.
    /// `then`: the moment at which it began; a shield that was over by then counts no more, another
    /// one lasts. 0: all of them last.
    bool any_cancelled(instant then = 0) const noexcept { return look(then, 0).ended; }

    /// What they say at the moment `now`, which is after 0. `late_at`: the moment for deadlines, if
    /// that is another; 0: none is late.
    scope_verdict look(instant now) const noexcept { return look(now, now); }
    scope_verdict look(instant now, instant late_at) const noexcept {
        scope_verdict v;
        for (const cancel_scope* s = innermost_; s && v.shielded_until == 0; s = s->outer_) {
            if (s->has_left()) continue;
            v.deadline = std::min(v.deadline, s->deadline_);
            if (s->is_cancelled() || s->deadline_ <= late_at) {
                v.ended = s;
                v.late = !s->is_cancelled();
                return v;
            }
            if (s->shields_until_ > now) v.shielded_until = s->shields_until_;
        }
        return v;
    }
};

/// The error of a wait that a scope ends.
MITOGEN_COLD inline error scope_error(const scope_verdict& v) {
    if (!v.late) return v.ended->why_cancelled();
    return error(v.ended->late_reason(),
                 "the deadline of " + v.ended->deadline_of() + " has passed");
}

/// The worker that runs on this thread; null: none, what runs belongs to no scope.
inline thread_local constinit scope_worker* this_worker = nullptr;

/// While it exists what runs on this thread belongs to another worker, or to none.
class with_worker {
    scope_worker* const before_;

public:
    explicit with_worker(scope_worker* worker) noexcept : before_(this_worker) {
        this_worker = worker;
    }
    with_worker(with_worker&&) = delete;
    ~with_worker() { this_worker = before_; }
};

/// The scopes that the caller works for.
inline scope_stack scopes_here() noexcept {
    return scope_stack(this_worker ? this_worker->innermost : nullptr);
}

/// While it exists, up to `until`, the caller's waits are not ended by the scopes that it was in
/// before. Threads: one.
class shielded final : cancel_scope {
    scope_worker* const here_; // null: there is nothing to keep out

public:
    explicit shielded(instant until = never) noexcept
        // what is bounded is a wait that blocks, and a task does not
        : here_(this_worker && (until == never || this_worker->thread()) ? this_worker : nullptr) {
        if (!here_) return;
        this->reset(never, until);
        this->enter(*here_);
    }
    ~shielded() {
        if (here_) this->leave(here_);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
