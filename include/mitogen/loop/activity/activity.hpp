// SPDX-License-Identifier: BSL-1.0
#pragma once
// activity.hpp: what a loop is at, for whoever looks whether it goes on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>

#include <atomic>
#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A kind of work on a loop that is not the library's own, and how it is named: text(of) is called
/// on another thread, maybe when the work is over, so `of` refers to nothing that ends. One
/// constant for each kind.
struct loop_work {
    std::string (*text)(std::uintptr_t of);
};

/// What one loop is at. Threads: the one that leads, unless marked.
class loop_activity {
    friend class at_work;

    std::atomic<std::uint32_t> step_{0}; // changes with each piece of work
    std::atomic<bool> in_turn_{false};   // between two waits for events
    std::atomic<const loop_work*> what_{nullptr};
    std::atomic<std::uintptr_t> of_{0};

    void set(const loop_work* what, std::uintptr_t of) noexcept {
        next_step();
        of_.store(of, std::memory_order_relaxed);
        what_.store(what, std::memory_order_relaxed);
    }

    /// Somebody shall look, since other work than the library's begins.
    virtual void rouse() noexcept = 0;

protected:
    /// Somebody looks, or nobody shall: work begins without a word.
    std::atomic<bool> watched_{true};

    loop_activity() = default;
    ~loop_activity() = default;

public:
    loop_activity(loop_activity&&) = delete;

    /// One piece of work is done.
    void next_step() noexcept {
        step_.store(step_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    }
    /// An iteration of the loop has events to look at, or has done all.
    void set_in_turn(bool is) noexcept { in_turn_.store(is, std::memory_order_relaxed); }

    /// What it is at now: two that are equal, with some time between them, are one piece of work.
    struct look {
        std::uint32_t step = 0;
        bool in_turn = false;
        const loop_work* what = nullptr; ///< null: the library's own, or unknown
        std::uintptr_t of = 0;

        bool working() const noexcept { return in_turn || what; }
        std::string text() const {
            return what ? what->text(of) : "a callback of which no name is known";
        }
    };
    /// Threads: any.
    look now() const noexcept {
        return {step_.load(std::memory_order_relaxed), in_turn_.load(std::memory_order_relaxed),
                what_.load(std::memory_order_relaxed), of_.load(std::memory_order_relaxed)};
    }
};

/// For people: whole seconds from one on, else milliseconds.
MITOGEN_COLD inline std::string span_text(duration_ns span) {
    return span < 1'000'000'000 ? std::to_string(span / 1'000'000) + " ms"
                                : std::to_string(span / 1'000'000'000) + " s";
}

/// The loop that this thread leads; null: none, or one that nobody looks at.
inline thread_local constinit loop_activity* loop_here = nullptr;

/// A loop_work whose `of` is a text that stays.
inline constexpr loop_work named_work{
    [](std::uintptr_t of) { return std::string(reinterpret_cast<const char*>(of)); }};

/// While it exists this thread leads a loop.
class leads_loop {
    loop_activity* const before_;

public:
    explicit leads_loop(loop_activity* loop) noexcept : before_(loop_here) { loop_here = loop; }
    leads_loop(leads_loop&&) = delete;
    ~leads_loop() { loop_here = before_; }
};

/// While it exists the loop that this thread leads is at `what`, of `of`; nothing if it leads none.
/// Costs a few plain stores.
class at_work {
    loop_activity* const loop_;
    const loop_work* before_ = nullptr;
    std::uintptr_t before_of_ = 0;

public:
    at_work(const loop_work& what, std::uintptr_t of) noexcept : loop_(loop_here) {
        if (!loop_) return;
        before_ = loop_->what_.load(std::memory_order_relaxed);
        before_of_ = loop_->of_.load(std::memory_order_relaxed);
        loop_->set(&what, of);
        if (!loop_->watched_.load(std::memory_order_relaxed)) [[unlikely]]
            loop_->rouse();
    }
    at_work(const loop_work& what, const void* of) noexcept
        : at_work(what, reinterpret_cast<std::uintptr_t>(of)) {}
    at_work(at_work&&) = delete;
    ~at_work() {
        if (loop_) loop_->set(before_, before_of_);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
