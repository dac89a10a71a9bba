// SPDX-License-Identifier: BSL-1.0
#pragma once
// thread_worker.hpp: the threads that work for scopes, and how they sleep in these.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/thread/parker.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <optional>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A thread that works for scopes. What it sleeps on may go as soon as it has left its sleep: an
/// interrupt that is under way is waited for. Threads: interrupt() any, the rest its own.
class thread_worker : public scope_worker {
    static constexpr std::uintptr_t awake = 0;
    static constexpr std::uintptr_t waking = 1;       // somebody is in notify()
    static constexpr std::uintptr_t waking_again = 2; // and shall do it again

    std::atomic<std::uintptr_t> asleep_{awake}; // one of these, or the address of a wakeable

    struct own_sleep final : wakeable {
        io::posix_parker parker;
        explicit own_sleep(thread_worker& of) noexcept : parker(of) {}
        void notify() noexcept override { parker.unpark(); }
    };

public:
    void interrupt() noexcept final {
        std::uintptr_t at = asleep_.load(std::memory_order_seq_cst);
        for (;;) {
            if (at == awake || at == waking_again) return;
            if (at == waking) {
                if (asleep_.compare_exchange_weak(at, waking_again)) return;
                continue;
            }
            if (asleep_.compare_exchange_weak(at, waking)) break;
        }
        for (std::uintptr_t expected = waking;; expected = waking) {
            reinterpret_cast<wakeable*>(at)->notify();
            if (asleep_.compare_exchange_strong(expected, at)) return;
            asleep_.store(waking);
        }
    }

    /// From now on interrupt() wakes `by`. What ends the sleep is looked at after this.
    void begin_sleep(wakeable& by) noexcept {
        asleep_.store(reinterpret_cast<std::uintptr_t>(&by), std::memory_order_seq_cst);
    }
    /// No interrupt() refers to `by` any more. `relax`: a pause inside a spin.
    template <class Relax>
    void end_sleep(wakeable& by, Relax&& relax) noexcept {
        for (;;) {
            std::uintptr_t expected = reinterpret_cast<std::uintptr_t>(&by);
            if (asleep_.compare_exchange_weak(expected, awake)) return;
            relax();
        }
    }

    thread_worker* thread() noexcept final { return this; }
    instant now() const noexcept override { return os::monotonic_now(); }

    void sleep_until(instant deadline) override {
        own_sleep self(*this);
        begin_sleep(self);
        const scope_stack scopes(innermost);
        if (!scopes.any_cancelled(scopes.is_timed() ? now() : 0))
            static_cast<void>(self.parker.park_until(deadline));
        end_sleep(self, [] {});
    }
};

/// The worker that runs on this thread; the thread itself, if there is none yet.
inline scope_worker& worker_here() {
    struct keeper {
        thread_worker* own = new thread_worker;
        ~keeper() {
            if (this_worker == own) this_worker = nullptr;
            cancel_scope::drop_left(*own);
            own->retired.store(true, std::memory_order_release);
            own->release();
        }
    };
    if (!this_worker) {
        static thread_local keeper kept;
        this_worker = kept.own;
    }
    return *this_worker;
}

/// Sleeps by `sleep(until, ended)`, which returns true as soon as ended() does, and false at the
/// moment `until`; here until ready() holds, the deadline passes, or a scope of the calling thread
/// ends it. `by`: what notifies that sleep. Returns ready().
template <class Io, class Ready, class Sleep>
bool sleep_in_scopes(Io& io, wakeable& by, instant deadline, Ready&& ready, Sleep&& sleep) {
    const scope_stack scopes = scopes_here();
    thread_worker* const self = scopes.empty() ? nullptr : this_worker->thread();
    if (!self) [[likely]]
        return sleep(deadline, ready);
    self->begin_sleep(by);
    instant now = 0;
    const auto ended = [&] { return ready() || scopes.any_cancelled(now); };
    scope_verdict v;
    do {
        now = scopes.is_timed() ? io.now() : 0;
        v = scopes.look(now);
        const instant until = v.ended ? 0 : std::min(deadline, v.look_again());
        if (!sleep(until, ended) && until == deadline) break;
    } while (!ready() && !v.ended);
    self->end_sleep(by, [&] { io.relax(); });
    return ready();
}

MITOGEN_INLINE std::optional<error> why_interrupted(instant now, instant deadline) {
    const scope_stack scopes = scopes_here();
    if (scopes.empty()) [[likely]]
        return std::nullopt;
    const scope_verdict v = scopes.look(now);
    // the earlier one wins
    if (!v.ended || (v.late && deadline <= v.ended->deadline())) return std::nullopt;
    return scope_error(v);
}

MITOGEN_INLINE error wait_ended(instant now, instant deadline, const char* text) {
    std::optional<error> why = why_interrupted(now, deadline);
    return why ? std::move(*why) : error(reason::timeout, text);
}

MITOGEN_INLINE bool in_timed_scope() noexcept { return scopes_here().is_timed(); }

MITOGEN_INLINE duration_ns time_left(duration_ns span, instant now) noexcept {
    const instant end = scopes_here().look(now).deadline;
    return end == never ? span : std::min(span, end > now ? end - now : 0);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
