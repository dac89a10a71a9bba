// SPDX-License-Identifier: BSL-1.0
#pragma once
// loop_watch.hpp: a thread that says which work a loop does not get past, while that is so.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/thread.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/os/thread/parker.hpp>

#include <atomic>
#include <mutex>
#include <string>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Looks at one loop a few times in the span that a piece of work may take; warns, once for each,
/// of what is there at so many looks one after the other. It counts looks and not time, so that a
/// process that was stopped, or a machine that is overloaded, is no blocked loop.
///
/// There is no thread before the loop runs something that is not the library's own, and while it
/// rests for some seconds the thread sleeps: a process that does nothing is never woken for this.
/// Threads: as marked. The destructor ends the thread.
class loop_watch final : public loop_activity {
    static constexpr int looks_of_block = 4; // after these it is one
    static constexpr int looks_of_rest = 8;  // without any work, after which it sleeps

    std::atomic<duration_ns> limit_{never}; // never: off
    std::atomic<bool> ending_{false};
    std::atomic<bool> blocked_{false};
    io::posix_parker parker_;
    io::posix_mutex mutex_; // guards thread_
    io::posix_thread thread_{};

    // inline here already: else each file would hold the vtable
    MITOGEN_INLINE void rouse() noexcept override;
    void run();
    void tell(const look& what) const noexcept;

public:
    loop_watch() : parker_(*this), mutex_(*this) {}
    ~loop_watch();

    /// How long one piece of work may take before the log says so; never or 0: it does not. The
    /// shortest that was ever given counts. Threads: any.
    void set_limit(duration_ns limit) noexcept;
    /// True while something blocks the loop that the log was told of. Threads: any.
    bool blocked() const noexcept { return blocked_.load(std::memory_order_relaxed); }

    loop_activity* activity() noexcept { return this; }
    /// True while nobody looks: the next work says that it begins. Threads: any.
    bool rests() const noexcept { return !watched_.load(std::memory_order_relaxed); }

    /// In a child made by fork(): its thread does not exist here.
    void forget() noexcept {
        thread_.forget();
        loop_here = nullptr;
    }
};

MITOGEN_INLINE loop_watch::~loop_watch() {
    ending_.store(true);
    parker_.unpark();
}

MITOGEN_INLINE void loop_watch::set_limit(duration_ns limit) noexcept {
    if (limit <= 0 || limit >= limit_.load()) return;
    limit_.store(limit);
    watched_.store(false);
}

/// Something begins on the loop, and the thread sleeps, or there is none.
MITOGEN_INLINE void loop_watch::rouse() noexcept {
    if (watched_.exchange(true)) return;
    const std::lock_guard lock(mutex_);
    if (thread_.joinable()) return parker_.unpark();
    const construction started; // what the machine has no thread for is not looked at
    thread_ = io::posix_thread(*this, "mitogen-watch", [this] { run(); });
}

MITOGEN_INLINE void loop_watch::run() {
    look last = now();
    int same = 0; // looks that have found the same work
    int idle = 0;
    while (!ending_.load()) {
        const duration_ns pause = limit_.load() / looks_of_block;
        const bool resting = idle > looks_of_rest;
        parker_.park_until(resting ? never : after(os::monotonic_now(), pause));
        const look here = now();
        const bool moved = here.step != last.step;
        last = here;
        if (moved || !here.working()) {
            same = 0;
            blocked_.store(false, std::memory_order_relaxed);
        } else if (++same == looks_of_block && !ending_.load()) {
            blocked_.store(true, std::memory_order_relaxed);
            tell(here);
        }
        idle = moved || here.working() || resting ? 0 : idle + 1;
        // One pause lies between saying that nobody looks and not looking: who has not heard it by
        // then has begun its work, which is seen.
        if (idle == looks_of_rest) watched_.store(false);
        if (idle < looks_of_rest) watched_.store(true);
    }
}

MITOGEN_COLD MITOGEN_INLINE void loop_watch::tell(const look& what) const noexcept {
    const auto write = [&] {
        log::write(log::level::warning,
                   "the loop is blocked: " + what.text() + " has run there for " +
                       span_text(limit_.load()) +
                       " without a break; messages, timers and cancellations wait for it");
    };
#if MITOGEN_HAS_EXCEPTIONS
    try {
        write();
    } catch (...) { // a sink's, or of no memory
    }
#else
    write();
#endif
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
