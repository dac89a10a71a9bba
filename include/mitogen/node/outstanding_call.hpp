// SPDX-License-Identifier: BSL-1.0
#pragma once
// outstanding_call.hpp: one outstanding call, as whoever waits for it sees it. The same under every
// I/O policy.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/buffer.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

class outstanding_call;

namespace detail {

class scope_worker;

/// What keeps outstanding calls, and completes each of them once.
class outstanding_call_keeper {
public:
    /// Completes with an error; false if somebody else completes it.
    virtual bool fail(outstanding_call& answer, error why) = 0;
    /// Runs `go` after completion: now, if it is completed already.
    virtual void then(outstanding_call& answer, unique_function<void()> go) = 0;
    /// Nobody refers to it any more.
    virtual void recycle(outstanding_call& answer) noexcept = 0;

protected:
    ~outstanding_call_keeper() = default;
};

} // namespace detail

/// One outstanding call. Completed exactly once: by the answer, by an error, or by whoever gave up
/// waiting.
///
/// Reference-counted by hand: one for its keeper while it is open, one for each future. Outlives
/// the router. Threads: any.
class outstanding_call {
protected:
    detail::outstanding_call_keeper* keeper_ = nullptr;
    std::atomic<std::uint32_t> references_{0};
    std::uint32_t slot_ = 0;
    std::uint32_t generation_ = 0; // how often the slot was used
    std::uint32_t tag_ = 0;        // what that has become, for nobody to guess; never 0
    std::atomic<bool> done_{false};
    bool open_ = false; // under the keeper's lock: the answer may still come
    context_id respondent_ = no_context;
    std::atomic<const detail::scope_worker*> awaited_by_{nullptr};
    std::atomic<bool> for_ever_{false}; // who waits has no use for it later
    instant noticed_ = 0; // under the keeper's lock: when somebody first looked; 0: nobody has
    std::optional<error> failure_;
    buffer payload_;

    outstanding_call() = default;
    ~outstanding_call() = default;

public:
    /// for the layer above: a second question was asked about a failure
    bool explained = false;
    /// for whoever has asked, and nobody else: the question has not left this context
    bool unsent = false;
    const void* subject = nullptr; ///< for the layer above: which function was called

    outstanding_call(outstanding_call&&) = delete;

    /// The handle that the answer comes to. Never the same twice.
    handle_id handle() const noexcept { return static_cast<handle_id>(tag_) << 32 | slot_; }
    context_id respondent() const noexcept { return respondent_; }

    /// Who waits for it, to be compared and never used; null: nobody, or a thread that works for no
    /// scope.
    void set_awaited_by(const detail::scope_worker* who) noexcept {
        awaited_by_.store(who, std::memory_order_relaxed);
    }
    /// That wait has no deadline.
    void set_for_ever(bool is) noexcept { for_ever_.store(is, std::memory_order_relaxed); }

    /// True once completed; failure() and payload() are then fixed.
    bool done() const noexcept { return done_.load(std::memory_order_acquire); }

    /// After done(): the error, or null.
    const error* failure() const noexcept { return failure_ ? &*failure_ : nullptr; }
    /// After done() without error: the bytes of the value.
    buffer& payload() noexcept { return payload_; }

    /// As outstanding_call_keeper's.
    bool fail(error why) { return keeper_->fail(*this, std::move(why)); }
    void then(unique_function<void()> go) { keeper_->then(*this, std::move(go)); }

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) keeper_->recycle(*this);
    }
};

} // namespace mitogen::inline MITOGEN_ABI
