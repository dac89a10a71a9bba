// SPDX-License-Identifier: BSL-1.0
#pragma once
// call_table.hpp: answers that are awaited. Each has a slot whose number is part of the handle that
// the answer comes to; the rest of it cannot be guessed.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/loop/timers.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/node/port_numbers.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

template <class Io>
class basic_call_table;

} // namespace detail

/// An outstanding call, and what wakes the thread that waits for it. Kept in memory that the table
/// reuses, never frees while it lives: a late notification of a finished wait is harmless. Threads:
/// see members.
template <class Io>
class basic_outstanding_call final : public outstanding_call {
    friend class detail::basic_call_table<Io>;

    unique_function<void()> continuation_; // of then(): run once, on the thread that completes it

public:
    detail::waiter<Io> wake;
    detail::timer deadline; ///< loop's

    explicit basic_outstanding_call(Io& io) : wake(io) {}
};

namespace detail {

/// What becomes of a message that comes to a handle of the table.
enum class arrival : std::uint8_t {
    expected, ///< somebody waits for it
    late,     ///< nobody does any more, or ever did
    strange,  ///< it does not come from whoever was asked
};

/// Says in an error which question it has ended: `subject` is what was asked, of `respondent`.
using describer =
    unique_function<error(error why, const void* subject, context_id respondent)>;

/// All outstanding calls of one router. Threads: any.
template <class Io>
class basic_call_table final : public outstanding_call_keeper {
    using open_call = basic_outstanding_call<Io>;

    Io io_;
    const port_numbers tags_ = port_numbers::from(io_);
    typename Io::mutex mutex_;
    std::vector<std::unique_ptr<open_call>> slots_; // grows to the largest number ever open at once
    std::vector<open_call*> free_;
    std::size_t open_ = 0;
    bool refusing_ = false;
    std::uint32_t limit_;
    describer describe_; // never called once the owner has let go
    std::uint64_t live_ = 1; // slots in use, and one for the owner: the last to go frees the table

    static constexpr std::size_t kept_bytes = 4096; // capacity of a free slot's payload

    void drop() noexcept {
        bool last;
        {
            const std::lock_guard lock(mutex_);
            last = --live_ == 0;
        }
        if (last) delete this;
    }

    /// Completes an open slot whose payload or failure is there; `go`: what tell() shall run. Under
    /// mutex_.
    void settle(open_call& p, unique_function<void()>& go) noexcept {
        p.open_ = false;
        --open_;
        if (p.continuation_) go = std::move(p.continuation_);
        p.done_.store(true, std::memory_order_release);
    }

    /// Tells whoever waits for what was settled. Without mutex_.
    void tell(open_call& p, unique_function<void()>& go) {
        p.wake.notify();
        if (go) go();
        p.release(); // the table's reference
    }

    /// The open slot behind a handle that an answer came to, or null. Under mutex_.
    open_call* open_slot(handle_id handle) noexcept {
        const auto slot = static_cast<std::uint32_t>(handle);
        if (slot >= slots_.size()) return nullptr;
        open_call* p = slots_[slot].get();
        return p->open_ && p->tag_ == static_cast<std::uint32_t>(handle >> 32) ? p : nullptr;
    }

    open_call* take_slot(context_id respondent, const void* subject = nullptr) { // under mutex_
        open_call* p;
        if (free_.empty()) {
            p = slots_.emplace_back(std::make_unique<open_call>(io_)).get();
            p->keeper_ = this;
            p->slot_ = static_cast<std::uint32_t>(slots_.size() - 1);
        } else {
            p = free_.back();
            free_.pop_back();
        }
        p->tag_ = tags_.next(p->generation_, p->slot_ << 16);
        p->respondent_ = respondent;
        p->subject = subject;
        p->noticed_ = 0;
        p->references_.store(2, std::memory_order_relaxed);
        p->open_ = true;
        ++open_;
        ++live_;
        return p;
    }

    static arrival arrival_for(const open_call* p, context_id from) noexcept {
        return !p ? arrival::late : p->respondent_ != from ? arrival::strange : arrival::expected;
    }

    /// Completes the slot that `pick()`, called under mutex_, returns; false if that is null.
    template <class Pick>
    bool complete_one(Pick&& pick, std::span<const std::byte> payload, buffer* whole) {
        buffer copy;
        if (!whole && payload.size() > kept_bytes) { // not under the lock
            copy = buffer(payload);
            whole = &copy;
        }
        open_call* p;
        unique_function<void()> go;
        {
            const std::lock_guard lock(mutex_);
            p = pick();
            if (!p) return false;
            if (whole) {
                p->payload_ = std::move(*whole);
            } else {
                p->payload_.append(payload.data(), payload.size());
            }
            settle(*p, go);
        }
        tell(*p, go);
        return true;
    }

    ~basic_call_table() = default;

public:
    /// Frees a table when its router is done with it; futures may outlive the router.
    struct closer {
        void operator()(basic_call_table* t) const noexcept { t->drop(); }
    };
    using owner = std::unique_ptr<basic_call_table, closer>;

    /// `describe`: see describer; it may be empty.
    static owner make(Io& io, std::uint32_t limit, describer describe = {}) {
        return owner(new basic_call_table(io, limit, std::move(describe)));
    }
    basic_call_table(Io& io, std::uint32_t limit, describer describe)
        : io_(io), mutex_(io_), limit_(limit), describe_(std::move(describe)) {}

    /// Opens a slot for an answer from `respondent`. The caller holds one reference. Null with
    /// `why` set if the limit is reached or the router has closed.
    open_call* open(context_id respondent, std::optional<error>& why,
                    const void* subject = nullptr) {
        const std::lock_guard lock(mutex_);
        if (refusing_) {
            why.emplace(reason::broker_exited, "the router has been shut down");
            return nullptr;
        }
        if (open_ >= limit_) {
            why.emplace(reason::overloaded,
                        "too many calls are waiting for an answer (limits::open_calls is " +
                            std::to_string(limit_) + ")");
            return nullptr;
        }
        return take_slot(respondent, subject);
    }

    /// A slot that no message can complete, which is never refused. The caller holds one reference.
    open_call& open_event(context_id here) {
        const std::lock_guard lock(mutex_);
        return *take_slot(here);
    }

    /// A slot that is completed already, with an error: never refused, since nothing is awaited.
    /// The caller holds one reference.
    open_call* open_failed(context_id respondent, error why, const void* subject = nullptr) {
        open_call* p;
        {
            const std::lock_guard lock(mutex_);
            p = take_slot(respondent, subject);
        }
        p->unsent = true;
        fail(*p, std::move(why));
        return p;
    }

    /// The open slot behind a handle that an answer came to, or null if it is not `expected`. The
    /// caller holds a reference: whoever else completes it meanwhile, the slot is not used again
    /// before release().
    open_call* find(handle_id handle, context_id from, arrival& what) {
        const std::lock_guard lock(mutex_);
        open_call* p = open_slot(handle);
        what = arrival_for(p, from);
        if (what != arrival::expected) return nullptr;
        p->retain();
        return p;
    }

    /// Who was asked for the answer that comes to `handle`; no_context if nobody waits for it.
    context_id respondent_of(handle_id handle) {
        const std::lock_guard lock(mutex_);
        const open_call* p = open_slot(handle);
        return p ? p->respondent_ : no_context;
    }

    /// Completes the open slot behind a handle with a value from `from`, if it is `expected`.
    /// `whole`: the payload's own buffer, taken over, or null: the bytes are copied.
    arrival complete(handle_id handle, context_id from, std::span<const std::byte> payload,
                     buffer* whole) {
        arrival what;
        complete_one(
            [&] {
                open_call* p = open_slot(handle);
                what = arrival_for(p, from);
                return what == arrival::expected ? p : nullptr;
            },
            payload, whole);
        return what;
    }

    /// As well. False if somebody else has completed it.
    bool complete(open_call& p, std::span<const std::byte> payload, buffer* whole) {
        return complete_one([&] { return p.open_ ? &p : nullptr; }, payload, whole);
    }

    /// Completes with an error. False if somebody else has completed it.
    bool fail(outstanding_call& answer, error why) final {
        open_call& p = static_cast<open_call&>(answer);
        unique_function<void()> go;
        if (p.subject && describe_) {
            {
                const std::lock_guard lock(mutex_);
                if (!p.open_) return false;
            }
            why = describe_(std::move(why), p.subject, p.respondent_);
        }
        {
            const std::lock_guard lock(mutex_);
            if (!p.open_) return false;
            p.failure_.emplace(std::move(why));
            settle(p, go);
        }
        tell(p, go);
        return true;
    }

    /// Fails everything that is awaited from `respondent`; with no_context, from anyone.
    void fail_all(context_id respondent, const error& why) {
        for (;;) {
            std::vector<open_call*> hit;
            {
                const std::lock_guard lock(mutex_);
                for (const auto& p : slots_) {
                    if (!p->open_ || (respondent != no_context && p->respondent_ != respondent))
                        continue;
                    p->retain();
                    hit.push_back(p.get());
                }
            }
            if (hit.empty()) return;
            for (open_call* p : hit) {
                (void)fail(*p, why);
                p->release();
            }
        }
    }

    /// Runs `go` after completion: now, if it is completed already.
    void then(outstanding_call& answer, unique_function<void()> go) final {
        open_call& p = static_cast<open_call&>(answer);
        {
            const std::lock_guard lock(mutex_);
            if (!p.done()) {
                if (p.continuation_) {
                    p.continuation_ = [first = std::move(p.continuation_),
                                       second = std::move(go)]() mutable {
                        first();
                        second();
                    };
                } else {
                    p.continuation_ = std::move(go);
                }
                return;
            }
        }
        go();
    }

    /// From now on open() fails.
    void refuse() {
        const std::lock_guard lock(mutex_);
        refusing_ = true;
    }

    /// Answers that are awaited now.
    std::size_t open_count() {
        const std::lock_guard lock(mutex_);
        return open_;
    }

    /// Answers that are awaited from one context.
    std::size_t open_count_of(context_id respondent) {
        const std::lock_guard lock(mutex_);
        std::size_t count = 0;
        for (const auto& p : slots_) count += p->open_ && p->respondent_ == respondent;
        return count;
    }

    /// One answer that is awaited.
    struct awaited {
        const void* subject = nullptr;
        context_id respondent = no_context;
        const scope_worker* by = nullptr; ///< to be compared, never used
        duration_ns lasts = 0;            ///< since somebody first looked
    };
    /// Those of other contexts, in no order, `most` at most. Nobody looks at a clock when a call is
    /// made: what is seen for the first time lasts from then on.
    std::vector<awaited> look(instant now, std::size_t most, context_id here) {
        std::vector<awaited> found;
        const std::lock_guard lock(mutex_);
        for (const auto& p : slots_) {
            if (!p->open_ || (p->respondent_ == here && !p->subject)) continue;
            if (p->noticed_ == 0) p->noticed_ = now;
            if (found.size() < most)
                found.push_back({p->subject, p->respondent_,
                                 p->awaited_by_.load(std::memory_order_relaxed),
                                 now - p->noticed_});
        }
        return found;
    }

    /// The answer from `respondent` that `who` waits for and has no use for later; 0: there is
    /// none. Threads: loop.
    handle_id awaited_for_ever(const scope_worker* who, context_id respondent) {
        const std::lock_guard lock(mutex_);
        for (const auto& p : slots_)
            if (p->open_ && p->respondent_ == respondent &&
                p->awaited_by_.load(std::memory_order_relaxed) == who &&
                p->for_ever_.load(std::memory_order_relaxed))
                return p->handle();
        return 0;
    }

    void recycle(outstanding_call& answer) noexcept final {
        open_call& p = static_cast<open_call&>(answer);
        bool last;
        {
            const std::lock_guard lock(mutex_);
            p.done_.store(false, std::memory_order_relaxed);
            p.failure_.reset();
            if (p.payload_.capacity() > kept_bytes) p.payload_ = buffer{};
            p.payload_.clear();
            p.continuation_.reset();
            p.subject = nullptr;
            p.set_awaited_by(nullptr);
            p.set_for_ever(false);
            p.explained = false;
            p.unsent = false;
            if (p.generation_ < UINT32_MAX - 1) free_.push_back(&p); // else its numbers are used up
            last = --live_ == 0;
        }
        if (last) delete this;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
