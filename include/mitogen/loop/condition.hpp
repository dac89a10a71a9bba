// SPDX-License-Identifier: BSL-1.0
#pragma once
// condition.hpp: a condition variable whose sleepers may drive the loop.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/sync/waiter.hpp>

#include <mutex>

namespace mitogen::inline MITOGEN_ABI {

/// Threads sleep on it until something holds that `mutex` protects: see basic_broker::wait, which does the sleeping.
///
/// Threads: any but the loop. Destroy it only when no thread is inside.
template <class Io>
class basic_condition {
    struct sleeper {
        waiter<Io> wake;
        sleeper* next = nullptr;

        explicit sleeper(Io& io) : wake(io) {}
    };

    sleeper* first_ = nullptr; // under the mutex

    void unlink(sleeper* gone) noexcept {
        sleeper** at = &first_;
        while (*at != gone) at = &(*at)->next;
        *at = gone->next;
    }

public:
    basic_condition() = default;
    basic_condition(basic_condition&&) = delete;

    /// Sleeps until `ready()` holds, which is asked with the mutex locked, or the deadline passes. Returns what ready() says at
    /// the end. `lock` holds the mutex before and after. The end of the loop alone wakes nobody: ready() must become true by it.
    template <class Ready>
    bool wait(std::unique_lock<typename Io::mutex>& lock, basic_broker<Io>& loop, instant deadline, Ready ready) {
        if (ready()) return true;
        sleeper self(loop.io());
        self.next = first_;
        first_ = &self;
        typename Io::mutex& mutex = *lock.mutex();
        do { // again where another thread has taken away what this one was woken for
            lock.unlock();
            loop.wait(self.wake, deadline, true, [&] {
                const std::lock_guard held(mutex);
                return ready();
            });
            lock.lock();
        } while (!ready() && (deadline == never || loop.io().now() < deadline));
        unlink(&self);
        return ready();
    }

    /// Wakes everyone who sleeps on it. With the mutex locked: a sleeper is gone once it has it.
    void notify_all() noexcept {
        for (sleeper* s = first_; s; s = s->next) s->wake.notify();
    }
};

} // namespace mitogen::inline MITOGEN_ABI
