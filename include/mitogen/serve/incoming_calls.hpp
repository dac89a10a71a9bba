// SPDX-License-Identifier: BSL-1.0
#pragma once
// incoming_calls.hpp: the calls that a context has accepted and not yet answered, and the chains
// that have failed.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/registry.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/protocol/call_frame.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/scope/cancel_scope.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

class task_scope;

struct incoming_call;

/// The scope of a call that runs: what the function waits for ends with it. Threads: cancel() under
/// the lock of those that end it.
class call_scope final : public cancel_scope {
    const incoming_call& call_;

public:
    explicit call_scope(const incoming_call& call) noexcept : call_(call) {}
    // inline here already: else each file that includes this would hold the vtable
    inline error why_cancelled() const override;
    inline std::string deadline_of() const override;
    inline reason late_reason() const noexcept override;
};

/// One call that was accepted. Its memory is reused for later ones.
struct incoming_call {
    enum class phase : std::uint8_t { queued, running, answering };

    header head{};
    const function_entry* entry = nullptr;
    buffer payload{}; ///< the whole message: call_frame and arguments
    std::size_t arguments_at = 0;
    std::uint64_t chain = 0; ///< 0: none
    flow_address flow{};     ///< if the caller takes items
    instant deadline = never;
    bool inherits_deadline = false; ///< it is that of what its caller does
    std::atomic<phase> state{phase::queued};
    cancel_radius cancelled = cancel_radius::none; ///< by its caller, with how much else
    bool due = false;     ///< begins although it is cancelled: see cancel()
    bool on_main = false; ///< the main thread executes it
    on where = on::main;  ///< it was accepted for
    instant noticed = 0;  ///< when somebody first looked at it in its phase; 0: nobody has
    incoming_call* next_in_bucket = nullptr;
    incoming_call* previous = nullptr; ///< in the main thread's queue
    incoming_call* next = nullptr;
    void* owner = nullptr;      ///< the incoming_calls<Io> it belongs to
    call_scope scope{*this};
    task_scope* task = nullptr; ///< that executes it
#if defined(__cpp_lib_jthread)
    /// made when the function asks for it: it costs an allocation
    std::optional<std::stop_source> stop{};
#endif
};

inline error call_scope::why_cancelled() const {
    if (radius() == cancel_radius::context)
        return cancelled_by(canceller(), radius(), "the context is shutting down");
    return cancelled_by_caller(call_.head.src, radius());
}
inline std::string call_scope::deadline_of() const {
    return "the call of " + call_.entry->name() + " by context " + std::to_string(call_.head.src);
}

/// As its caller would say it: of what exchanges items, that it is over for good.
inline reason call_scope::late_reason() const noexcept {
    return call_.flow.port && !call_.inherits_deadline ? reason::deadline : reason::timeout;
}

/// Accepted calls, found by caller and reply handle in constant time: a hundred thousand that are
/// cancelled one by one cost no more each than one does. Threads: any.
template <class Io>
class incoming_calls {
    Io& io_;
    typename Io::mutex mutex_;
    std::deque<incoming_call> memory_;
    std::vector<incoming_call*> free_;
    std::vector<incoming_call*> buckets_{std::vector<incoming_call*>(64)};
    std::size_t size_ = 0;
    std::uint64_t bytes_ = 0;        // of the payloads of all of them
    incoming_call* first_ = nullptr; // the main thread's queue
    incoming_call* last_ = nullptr;
    std::atomic<bool> main_waiting_{false}; // there is a first_
    incoming_call* main_runs_ = nullptr;    // what the main thread executes
    std::uint64_t main_begun_ = 0;          // calls that the main thread has taken
    std::uint64_t pool_begun_ = 0;          // calls that the pool has taken
    std::size_t pool_waiting_ = 0;
    struct ending {
        error refusal;      // of what has not begun
        error cancellation; // of what runs
    };
    std::optional<ending> stopping_{};

    struct chain_key {
        context_id src;
        std::uint64_t number;
        friend bool operator==(const chain_key&, const chain_key&) = default;
    };
    struct chain_hash {
        std::size_t operator()(const chain_key& k) const noexcept {
            return static_cast<std::size_t>(k.number ^ (std::uint64_t{k.src} << 40));
        }
    };
    struct chain_state {
        std::uint32_t open = 0;     // calls of it that are accepted and not finished
        bool forgotten = false;     // goes with its last call
        std::optional<error> why{}; // its first failure
    };
    // those with open calls or a failure
    std::unordered_map<chain_key, chain_state, chain_hash> chains_;
    std::deque<chain_key> failed_chains_; // oldest first

    static constexpr std::size_t most_calls = 1u << 20;
    // failed and never forgotten by their callers: the oldest go
    static constexpr std::size_t most_chains = 4096;

    /// A call without reply is never looked up. It goes where its address says: otherwise all of
    /// them would share one bucket, and each that finishes would have to be found among them.
    std::size_t bucket(const incoming_call& c) const noexcept {
        return bucket(c.head.src, c.head.reply_to ? c.head.reply_to
                                                  : static_cast<handle_id>(
                                                        reinterpret_cast<std::uintptr_t>(&c)));
    }
    std::size_t bucket(context_id src, handle_id reply_to) const noexcept {
        // 2^64 over the golden ratio: spreads consecutive handles (Knuth, TAOCP 3, 6.4).
        return static_cast<std::size_t>(
                   ((reply_to ^ (std::uint64_t{src} << 20)) * 0x9E37'79B9'7F4A'7C15u) >> 32) &
               (buckets_.size() - 1);
    }

    void insert(incoming_call& c) noexcept {
        incoming_call*& head = buckets_[bucket(c)];
        c.next_in_bucket = head;
        head = &c;
    }

    void grow() {
        std::vector<incoming_call*> old(buckets_.size() * 2);
        old.swap(buckets_);
        for (incoming_call* c : old) {
            while (c) {
                incoming_call* next = c->next_in_bucket;
                insert(*c);
                c = next;
            }
        }
    }

    incoming_call* lookup(context_id src, handle_id reply_to) noexcept {
        for (incoming_call* c = buckets_[bucket(src, reply_to)]; c; c = c->next_in_bucket)
            if (c->head.reply_to == reply_to && c->head.src == src) return c;
        return nullptr;
    }

    void unqueue(incoming_call& c) noexcept {
        (c.previous ? c.previous->next : first_) = c.next;
        (c.next ? c.next->previous : last_) = c.previous;
        c.previous = c.next = nullptr;
        main_waiting_.store(first_ != nullptr, std::memory_order_release);
    }

    void queue(incoming_call& c) noexcept {
        c.previous = last_;
        c.next = nullptr;
        (last_ ? last_->next : first_) = &c;
        last_ = &c;
        main_waiting_.store(true, std::memory_order_release);
    }

    std::optional<error> start(incoming_call& c, scope_worker& by) {
        c.noticed = 0;
        if (c.where == on::pool) {
            ++pool_begun_;
            --pool_waiting_;
        }
        c.scope.reset(c.deadline);
        c.scope.enter(by);
        if (c.cancelled != cancel_radius::none) c.scope.cancel(c.cancelled, c.head.src);
        c.state.store(incoming_call::phase::running, std::memory_order_relaxed);
        if (stopping_) return stopping_->refusal;
        if (c.cancelled != cancel_radius::none && !c.due)
            return cancelled_by_caller(c.head.src, c.cancelled, " before it began");
        if (c.deadline != never && io_.now() >= c.deadline)
            return error(reason::timeout, "the call's deadline passed before it began");
        if (c.chain) {
            if (const error* broken = find_chain(c.head.src, c.chain)) return *broken;
        }
        return std::nullopt;
    }

    const error* find_chain(context_id src, std::uint64_t chain) noexcept {
        const auto at = chains_.find({src, chain});
        return at != chains_.end() && at->second.why ? &*at->second.why : nullptr;
    }

    void leave_chain(context_id src, std::uint64_t chain) noexcept {
        const auto at = chains_.find({src, chain});
        if (at == chains_.end() || --at->second.open > 0) return;
        if (at->second.forgotten || !at->second.why) chains_.erase(at);
    }

public:
    /// No more memory than that is kept from one call to the next, by each place that keeps some.
    static constexpr std::size_t kept_bytes = 64 * 1024;

    explicit incoming_calls(Io& io) : io_(io), mutex_(io) {}

    /// Accepts a call; null if there are too many, or they hold more than `most_bytes` together.
    /// One alone may be larger. One for on::main is appended to the main thread's queue. `behind`:
    /// there it waits behind another.
    incoming_call* add(const message& m, const function_entry& entry, const call_frame& frame,
                       std::size_t arguments_at, std::uint64_t most_bytes, on where,
                       bool& behind) {
        const std::lock_guard lock(mutex_);
        if (size_ >= most_calls || (size_ > 0 && bytes_ + m.payload.size() > most_bytes))
            return nullptr;
        bytes_ += m.payload.size();
        incoming_call* c;
        if (free_.empty()) {
            c = &memory_.emplace_back();
            c->owner = this;
        } else {
            c = free_.back();
            free_.pop_back();
        }
        c->head = m.head;
        c->entry = &entry;
        c->arguments_at = arguments_at;
        c->chain = frame.flags & call_frame::has_chain ? frame.chain : 0;
        c->flow = frame.flow;
        c->deadline =
            frame.flags & call_frame::has_deadline ? after(io_.now(), frame.time_left) : never;
        c->inherits_deadline = frame.flags & call_frame::inherits_deadline;
        c->state.store(incoming_call::phase::queued, std::memory_order_relaxed);
        c->cancelled = cancel_radius::none;
        c->due = false;
        c->on_main = false;
        c->where = where;
        c->noticed = 0;
        if (m.whole) {
            c->payload = std::move(*m.whole);
        } else {
            c->payload.clear();
            c->payload.append(m.payload.data(), m.payload.size());
        }
        if (c->chain) ++chains_[{c->head.src, c->chain}].open;
        if (++size_ > buckets_.size()) grow();
        insert(*c);
        if (where == on::main) {
            behind = main_runs_ || first_;
            queue(*c);
        } else if (where == on::pool) {
            ++pool_waiting_;
        }
        return c;
    }

    /// True if a call waits for the main thread.
    bool main_waiting() const noexcept { return main_waiting_.load(std::memory_order_acquire); }

    /// The main thread's next call, which it is about to run, or null. `refusal`: why it shall not
    /// run after all, or nothing.
    incoming_call* take_main(std::optional<error>& refusal, scope_worker& by) {
        if (!main_waiting()) return nullptr;
        const std::lock_guard lock(mutex_);
        incoming_call* c = first_;
        if (!c) return nullptr;
        unqueue(*c);
        main_runs_ = c;
        c->on_main = true;
        ++main_begun_;
        refusal = start(*c, by);
        return c;
    }

    /// About to run a call: why it shall not run after all, or nothing. `by`: who runs it.
    std::optional<error> begin(incoming_call& c, scope_worker& by) {
        const std::lock_guard lock(mutex_);
        return start(c, by);
    }

    /// The function has returned: cancelling the call has no effect any more. `by`: who has run it.
    void end(incoming_call& c, scope_worker& by) noexcept {
        c.state.store(incoming_call::phase::answering, std::memory_order_release);
        c.scope.leave_with_inner(by);
    }

    /// The task that executes a call, until it ends. Threads: the loop.
    void set_task(incoming_call& c, task_scope* task) {
        const std::lock_guard lock(mutex_);
        c.task = task;
    }
    task_scope* task_of(context_id src, handle_id reply_to) {
        const std::lock_guard lock(mutex_);
        const incoming_call* c = lookup(src, reply_to);
        return c ? c->task : nullptr;
    }

    /// The call is answered; its memory is free.
    void finish(incoming_call& c) {
        const std::lock_guard lock(mutex_);
        incoming_call** at = &buckets_[bucket(c)];
        while (*at != &c) at = &(*at)->next_in_bucket;
        *at = c.next_in_bucket;
        c.next_in_bucket = nullptr;
        if (c.chain) leave_chain(c.head.src, c.chain);
        c.scope.drop_link();
#if defined(__cpp_lib_jthread)
        c.stop.reset();
#endif
        bytes_ -= c.payload.size();
        if (c.payload.capacity() > kept_bytes || c.payload.is_secret()) c.payload = buffer{};
        if (c.on_main) main_runs_ = nullptr;
        free_.push_back(&c);
        --size_;
    }

    /// The caller does not wait any more. Fires the stop token of a call that runs. A call that
    /// still stands in the main thread's queue is taken out and returned: the caller of this
    /// answers and finishes it. With `begins`, one that nothing keeps from running counts as
    /// running, although it may not have got there yet; `pool_free`: so do those of the pool.
    incoming_call* cancel(context_id src, handle_id reply_to, cancel_radius what,
                          bool begins = false, bool pool_free = false) {
#if defined(__cpp_lib_jthread)
        std::stop_source source(std::nostopstate);
#endif
        {
            const std::lock_guard lock(mutex_);
            incoming_call* c = lookup(src, reply_to);
            if (!c) return nullptr;
            c->cancelled = what;
            const auto state = c->state.load(std::memory_order_acquire);
            if (state == incoming_call::phase::queued) {
                const bool in_main_queue = c == first_ || c->previous;
                const bool has_thread = pool_free || c->entry->where == on::thread;
                c->due = begins && (in_main_queue ? c == first_ && !main_runs_ : has_thread);
                if (c->due) return nullptr;
                // in the pool's queue: refused when its turn comes
                if (!in_main_queue) return nullptr;
                unqueue(*c);
                c->state.store(incoming_call::phase::answering, std::memory_order_release);
                return c;
            }
            if (state == incoming_call::phase::running) {
                if (!c->task) c->scope.cancel(what, src);
#if defined(__cpp_lib_jthread)
                if (c->stop) source = *c->stop;
#endif
            }
        }
#if defined(__cpp_lib_jthread)
        source.request_stop(); // outside the lock: it runs the program's stop callbacks
#endif
        return nullptr;
    }

    /// Why a call is to stop: its caller does not want it any more, or the context ends. Nothing if
    /// it is not.
    std::optional<error> why_stopped(incoming_call& c) {
        const std::lock_guard lock(mutex_);
        if (c.cancelled != cancel_radius::none)
            return cancelled_by_caller(c.head.src, c.cancelled);
        return stopping_ ? std::optional<error>(stopping_->cancellation) : std::nullopt;
    }

#if defined(__cpp_lib_jthread)
    /// The stop token of a call that runs.
    std::stop_token token(incoming_call& c) {
        const std::lock_guard lock(mutex_);
        if (!c.stop) c.stop.emplace();
        // nobody can have registered a callback yet
        if (c.cancelled != cancel_radius::none || stopping_) c.stop->request_stop();
        return c.stop->get_token();
    }
#endif

    /// From now on no call begins: `refusal` is why. Fires the stop token of each that runs, with
    /// `cancellation`, and returns those of the main thread's queue.
    std::vector<incoming_call*> stop_all(const error& refusal, const error& cancellation) {
        std::vector<incoming_call*> queued;
#if defined(__cpp_lib_jthread)
        std::vector<std::stop_source> running;
#endif
        {
            const std::lock_guard lock(mutex_);
            if (!stopping_) stopping_.emplace(ending{refusal, cancellation});
            while (first_) {
                queued.push_back(first_);
                unqueue(*first_);
            }
            for (incoming_call* c : buckets_) {
                for (; c; c = c->next_in_bucket) {
                    if (c->state.load(std::memory_order_acquire) != incoming_call::phase::running)
                        continue;
                    if (!c->task)
                        c->scope.cancel(cancel_radius::context, cancellation.canceller());
#if defined(__cpp_lib_jthread)
                    if (c->stop) running.push_back(*c->stop);
#endif
                }
            }
        }
#if defined(__cpp_lib_jthread)
        for (std::stop_source& s : running) s.request_stop();
#endif
        return queued;
    }

    /// How many calls the main thread and the pool have begun, and whether any waits for them.
    struct progress {
        std::uint64_t main_begun = 0;
        bool main_waits = false;
        std::uint64_t pool_begun = 0;
        std::size_t pool_waits = 0;
    };
    progress look() {
        const std::lock_guard lock(mutex_);
        return {main_begun_, first_ != nullptr, pool_begun_, pool_waiting_};
    }

    /// What a call that was accepted does not end before: the function that it runs itself or, if
    /// it waits for the main thread, the one that runs there. `runs` null: neither, or it is not
    /// known.
    struct holder {
        const function_entry* called = nullptr;
        const function_entry* runs = nullptr;
        const scope_worker* by = nullptr;
    };
    holder holder_of(context_id src, handle_id reply_to) {
        const std::lock_guard lock(mutex_);
        const auto is_running = [](const incoming_call& c) {
            return c.state.load(std::memory_order_acquire) == incoming_call::phase::running;
        };
        const incoming_call* c = lookup(src, reply_to);
        if (!c) return {};
        const bool queued = c == first_ || c->previous; // for the main thread
        const incoming_call* runs = queued ? main_runs_ : c;
        if (!runs || !is_running(*runs)) return {};
        return {c->entry, runs->entry, runs->scope.worker()};
    }

    /// Calls `show(call)` for each that runs or waits, in no order. Under the lock.
    template <class Show>
    void each(Show&& show) {
        const std::lock_guard lock(mutex_);
        for (incoming_call* c : buckets_)
            for (; c; c = c->next_in_bucket) show(*c);
    }
    /// The first that waits for the main thread, for the time of show(). Under the lock.
    template <class Show>
    void first_of_main(Show&& show) {
        const std::lock_guard lock(mutex_);
        if (first_) show(*first_);
    }

    std::size_t size() {
        const std::lock_guard lock(mutex_);
        return size_;
    }

    // ---- chains

    /// Why the calls of a chain fail, if they do.
    std::optional<error> chain_error(context_id src, std::uint64_t chain) {
        const std::lock_guard lock(mutex_);
        const error* why = find_chain(src, chain);
        return why ? std::optional<error>(*why) : std::nullopt;
    }

    /// A call of a chain has failed; only its first failure counts.
    void break_chain(context_id src, std::uint64_t chain, const error& why) {
        const std::lock_guard lock(mutex_);
        chain_state& state = chains_[{src, chain}];
        if (state.why) return;
        state.why = why;
        failed_chains_.push_back({src, chain});
        if (failed_chains_.size() <= most_chains) return;
        const auto oldest = chains_.find(failed_chains_.front());
        failed_chains_.pop_front();
        if (oldest != chains_.end() && oldest->second.open == 0) chains_.erase(oldest);
    }

    /// The chain has ended. Its calls that still wait fail as those before them: its failure is
    /// forgotten behind the last.
    void forget_chain(context_id src, std::uint64_t chain) {
        const std::lock_guard lock(mutex_);
        const auto at = chains_.find({src, chain});
        if (at == chains_.end()) return;
        if (at->second.open > 0) {
            at->second.forgotten = true;
        } else {
            chains_.erase(at);
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
