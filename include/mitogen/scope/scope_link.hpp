// SPDX-License-Identifier: BSL-1.0
#pragma once
// scope_link.hpp: what the scopes of other threads know of a scope: when it is cancelled or left,
// so are they.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/scope/cancel_scope.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Shared by a scope and those who follow it, by counting. Nothing is called with the lock held: a
/// wake-up may let another thread run. Threads: any.
class scope_link {
    std::atomic<std::uint32_t> references_{1};
    io::posix_mutex mutex_;
    std::uint64_t cancelled_ = 0;           // as cancel_scope's; under the mutex
    bool ended_ = false;                    // the scope has been left
    std::vector<cancel_scope*> followers_;
    std::string text_;                      // of the error, once cancelled

public:
    const instant deadline;
    const std::string deadline_of;

    /// The radius of a scope that was left: its followers' waits are misuse.
    static constexpr std::uint64_t left = std::uint64_t{0xff} << 32;

    explicit scope_link(const cancel_scope& of)
        : deadline(of.deadline()), deadline_of(of.deadline_of()) {}
    scope_link(scope_link&&) = delete;

    void retain() noexcept { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    /// `s` is entered, and cancelled when the scope is: now, if it is already.
    void follow(cancel_scope& s) {
        const std::lock_guard lock(mutex_);
        followers_.push_back(&s);
        if (cancelled_ || ended_) static_cast<void>(s.mark(cancelled_ ? cancelled_ : left));
    }
    void unfollow(cancel_scope& s) noexcept {
        const std::lock_guard lock(mutex_);
        std::erase(followers_, &s);
    }

    /// The scope is cancelled with this `word`, and `why`, or was left.
    void end(std::uint64_t word, std::string_view why) noexcept {
        std::vector<scope_worker*> interrupted;
        {
            const std::lock_guard lock(mutex_);
            if (word == left) {
                ended_ = true;
            } else if (cancelled_ == 0) {
                cancelled_ = word;
                text_ = why;
            }
            for (cancel_scope* s : followers_) {
                if (!s->mark(word)) continue;
                s->worker()->retain();
                interrupted.push_back(s->worker());
            }
        }
        for (scope_worker* w : interrupted) {
            w->interrupt();
            w->release();
        }
    }

    std::string text() {
        const std::lock_guard lock(mutex_);
        return text_;
    }
};

/// The scope of a thread that follows one elsewhere. Counts its worker.
class following_scope final : public cancel_scope {
    scope_link& link_;

    bool counted() const noexcept override { return true; }

public:
    /// Holds a reference to `link`.
    explicit following_scope(scope_link& link) noexcept : link_(link) {
        link_.retain();
        this->reset(link_.deadline);
    }
    ~following_scope() { link_.release(); }

    void enter_here(scope_worker& worker) {
        this->enter(worker);
        link_.follow(*this);
    }
    void leave_here(scope_worker& worker) noexcept {
        link_.unfollow(*this);
        this->leave(&worker);
    }

    error why_cancelled() const override {
        if (static_cast<std::uint8_t>(radius()) == 0xff)
            return error(reason::misuse, "a thread waits in the scope of a call or a nursery that "
                                         "has ended");
        return cancelled_by(canceller(), radius(), link_.text());
    }
    std::string deadline_of() const override { return link_.deadline_of; }
};

inline scope_link& cancel_scope::link() {
    if (scope_link* there = link_.load(std::memory_order_acquire)) return *there;
    auto* made = new scope_link(*this);
    link_.store(made, std::memory_order_seq_cst);
    if (is_cancelled()) tell_link(); // it was before anybody could tell the link
    return *made;
}
inline void cancel_scope::drop_link() noexcept {
    if (scope_link* there = link_.exchange(nullptr, std::memory_order_acq_rel)) there->release();
}
inline void cancel_scope::tell_link() noexcept {
    if (scope_link* there = link_.load(std::memory_order_seq_cst))
        there->end(cancelled_.load(std::memory_order_acquire), why_cancelled().message());
}
inline void cancel_scope::end_link() noexcept {
    if (scope_link* there = link_.load(std::memory_order_acquire))
        there->end(scope_link::left, "");
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
