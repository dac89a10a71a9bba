// SPDX-License-Identifier: BSL-1.0
#pragma once
// errand_thread.hpp: a thread that is there while there is something to do.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/time.hpp>

#include <mutex>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// For what would block the loop, and mostly is not to be done. All under the owner's mutex, but
/// for join() and abandon().
template <class Io>
class errand_thread {
    typename Io::thread thread_{};
    bool running_ = false;

public:
    /// True until the work has called ended().
    bool running() const noexcept { return running_; }

    /// Has a thread do `work`, unless one runs: that finds what was added. False, with the error in
    /// the log, if the machine has no thread for it.
    bool begin(Io& io, const char* name, unique_function<void()> work) {
        if (running_) return true;
        thread_ = {}; // the former one has ended
#if MITOGEN_HAS_EXCEPTIONS
        try {
#endif
            thread_ = typename Io::thread(io, name, std::move(work));
            running_ = true;
#if MITOGEN_HAS_EXCEPTIONS
        } catch (const error& why) {
            log::write(log::level::error, std::string(name) + ": " + why.what());
        }
#endif
        return running_;
    }

    /// The last that the work says.
    void ended() noexcept { running_ = false; }
    /// Waits for the thread. Once it does not run any more.
    void join() { thread_ = {}; }
    /// Waits until it has ended, and for the thread. `changed` is told of ended(). Threads: any but
    /// the loop.
    template <class Mutex, class Condition, class Node>
    void finish(Mutex& mutex, Condition& changed, Node& here) {
        std::unique_lock lock(mutex);
        (void)changed.wait(lock, here, never, [this] { return !running_; });
        lock.unlock();
        join();
    }
    /// In a copy of the process made by fork().
    void abandon() noexcept { thread_.forget(); }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
