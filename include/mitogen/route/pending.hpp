// SPDX-License-Identifier: BSL-1.0
#pragma once
// pending.hpp: answers that are awaited. Each has a slot whose number is part of the handle that the answer comes to.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/timers.hpp>
#include <mitogen/route/awaited.hpp>
#include <mitogen/sync/waiter.hpp>
#include <mitogen/wire/buffer.hpp>
#include <mitogen/wire/message.hpp>

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

template <class Io>
class basic_pending_table;

/// An awaited answer, and what wakes the thread that waits for it. Kept in memory that the table reuses, never frees while it
/// lives: a late notification of a finished wait is harmless. Threads: see members.
template <class Io>
class basic_pending final : public awaited {
    friend class basic_pending_table<Io>;

    unique_function<void()> continuation_; // of then(): run once, on the thread that completes it

public:
    waiter<Io> wake;
    timer deadline; ///< loop's

    explicit basic_pending(Io& io) : wake(io) {}
};

/// What becomes of a message that comes to a handle of the table.
enum class arrival : std::uint8_t {
    awaited, ///< somebody waits for it
    late,    ///< nobody does any more, or ever did
    strange, ///< it does not come from whoever was asked
};

/// All awaited answers of one router. Threads: any.
template <class Io>
class basic_pending_table final : public awaited_keeper {
    using pending = basic_pending<Io>;

    Io io_;
    typename Io::mutex mutex_;
    std::vector<std::unique_ptr<pending>> slots_; // grows to the largest number ever open at once
    std::vector<pending*> free_;
    std::size_t open_ = 0;
    bool refusing_ = false;
    std::uint32_t limit_;
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

    /// Completes an open slot whose payload or failure is there; `go`: what tell() shall run. Under mutex_.
    void settle(pending& p, unique_function<void()>& go) noexcept {
        p.open_ = false;
        --open_;
        if (p.continuation_) go = std::move(p.continuation_);
        p.done_.store(true, std::memory_order_release);
    }

    /// Tells whoever waits for what was settled. Without mutex_.
    void tell(pending& p, unique_function<void()>& go) {
        p.wake.notify();
        if (go) go();
        p.release(); // the table's reference
    }

    /// The open slot behind a handle that an answer came to, or null. Under mutex_.
    pending* open_slot(handle_id handle) noexcept {
        const auto slot = static_cast<std::uint32_t>(handle);
        if (slot >= slots_.size()) return nullptr;
        pending* p = slots_[slot].get();
        return p->open_ && p->generation_ == static_cast<std::uint32_t>(handle >> 32) ? p : nullptr;
    }

    pending* take_slot(context_id respondent) { // under mutex_
        pending* p;
        if (free_.empty()) {
            p = slots_.emplace_back(std::make_unique<pending>(io_)).get();
            p->keeper_ = this;
            p->slot_ = static_cast<std::uint32_t>(slots_.size() - 1);
        } else {
            p = free_.back();
            free_.pop_back();
        }
        ++p->generation_;
        p->respondent_ = respondent;
        p->references_.store(2, std::memory_order_relaxed);
        p->open_ = true;
        ++open_;
        ++live_;
        return p;
    }

    static arrival arrival_for(const pending* p, context_id from) noexcept {
        return !p ? arrival::late : p->respondent_ != from ? arrival::strange : arrival::awaited;
    }

    /// Completes the slot that `pick()`, called under mutex_, returns; false where that is null.
    template <class Pick>
    bool complete_one(Pick&& pick, std::span<const std::byte> payload, buffer* whole) {
        buffer copy;
        if (!whole && payload.size() > kept_bytes) { // not under the lock
            copy = buffer(payload);
            whole = &copy;
        }
        pending* p;
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

    ~basic_pending_table() = default;

public:
    /// Frees a table when its router is done with it; futures may outlive the router.
    struct closer {
        void operator()(basic_pending_table* t) const noexcept { t->drop(); }
    };
    using owner = std::unique_ptr<basic_pending_table, closer>;

    static owner make(Io& io, std::uint32_t limit) { return owner(new basic_pending_table(io, limit)); }
    basic_pending_table(Io& io, std::uint32_t limit) : io_(io), mutex_(io_), limit_(limit) {}

    /// Opens a slot for an answer from `respondent`. The caller holds one reference. Null with `why` set where the limit is
    /// reached or the router has closed.
    pending* open(context_id respondent, std::optional<error>& why) {
        const std::lock_guard lock(mutex_);
        if (refusing_) {
            why.emplace(reason::broker_exited, "the router has been shut down");
            return nullptr;
        }
        if (open_ >= limit_) {
            why.emplace(reason::overloaded,
                        "too many calls are waiting for an answer (limits::open_calls is " + std::to_string(limit_) + ")");
            return nullptr;
        }
        return take_slot(respondent);
    }

    /// A slot that no message can complete, which is never refused. The caller holds one reference.
    pending& open_event(context_id here) {
        const std::lock_guard lock(mutex_);
        return *take_slot(here);
    }

    /// A slot that is completed already, with an error: never refused, since nothing is awaited. The caller holds one reference.
    pending* open_failed(context_id respondent, error why) {
        pending* p;
        {
            const std::lock_guard lock(mutex_);
            p = take_slot(respondent);
        }
        fail(*p, std::move(why));
        return p;
    }

    /// The open slot behind a handle that an answer came to, or null where it is not `awaited`. The caller holds a reference:
    /// whoever else completes it meanwhile, the slot is not used again before release().
    pending* find(handle_id handle, context_id from, arrival& what) {
        const std::lock_guard lock(mutex_);
        pending* p = open_slot(handle);
        what = arrival_for(p, from);
        if (what != arrival::awaited) return nullptr;
        p->retain();
        return p;
    }

    /// Who was asked for the answer that comes to `handle`; no_context where nobody waits for it.
    context_id respondent_of(handle_id handle) {
        const std::lock_guard lock(mutex_);
        const pending* p = open_slot(handle);
        return p ? p->respondent_ : no_context;
    }

    /// Completes the open slot behind a handle with a value from `from`, where it is `awaited`. `whole`: the payload's own
    /// buffer, taken over, or null: the bytes are copied.
    arrival complete(handle_id handle, context_id from, std::span<const std::byte> payload, buffer* whole) {
        arrival what;
        complete_one(
            [&] {
                pending* p = open_slot(handle);
                what = arrival_for(p, from);
                return what == arrival::awaited ? p : nullptr;
            },
            payload, whole);
        return what;
    }

    /// As well. False if somebody else has completed it.
    bool complete(pending& p, std::span<const std::byte> payload, buffer* whole) {
        return complete_one([&] { return p.open_ ? &p : nullptr; }, payload, whole);
    }

    /// Completes with an error. False if somebody else has completed it.
    bool fail(awaited& answer, error why) final {
        pending& p = static_cast<pending&>(answer);
        unique_function<void()> go;
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
            std::vector<std::pair<pending*, unique_function<void()>>> hit;
            {
                const std::lock_guard lock(mutex_);
                for (const auto& p : slots_) {
                    if (!p->open_ || (respondent != no_context && p->respondent_ != respondent)) continue;
                    p->failure_.emplace(why);
                    settle(*p, hit.emplace_back(p.get(), nullptr).second);
                }
            }
            if (hit.empty()) return;
            for (auto& [p, go] : hit) tell(*p, go);
        }
    }

    /// Runs `go` after completion: now, if it is completed already.
    void then(awaited& answer, unique_function<void()> go) final {
        pending& p = static_cast<pending&>(answer);
        {
            const std::lock_guard lock(mutex_);
            if (!p.done()) {
                if (p.continuation_) {
                    p.continuation_ = [first = std::move(p.continuation_), second = std::move(go)]() mutable {
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

    void recycle(awaited& answer) noexcept final {
        pending& p = static_cast<pending&>(answer);
        bool last;
        {
            const std::lock_guard lock(mutex_);
            p.done_.store(false, std::memory_order_relaxed);
            p.failure_.reset();
            if (p.payload_.capacity() > kept_bytes) p.payload_ = buffer{};
            p.payload_.clear();
            p.continuation_.reset();
            p.subject = nullptr;
            p.explained = false;
            if (p.generation_ != UINT32_MAX) free_.push_back(&p); // else its numbers are used up
            last = --live_ == 0;
        }
        if (last) delete this;
    }
};

} // namespace mitogen::inline MITOGEN_ABI
