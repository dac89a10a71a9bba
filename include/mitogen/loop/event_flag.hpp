// SPDX-License-Identifier: BSL-1.0
#pragma once
// event_flag.hpp: something that happens once, and that one thread may wait for.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>

namespace mitogen::inline MITOGEN_ABI {

/// Share it: the other thread may still be raising it when the one that waited goes on. Threads: sleep() and `wake` the one that
/// waits, the rest any.
template <class Io>
struct basic_event_flag {
    waiter<Io> wake;

    explicit basic_event_flag(Io& io) : wake(io) {}

    bool raised() const noexcept { return raised_.load(std::memory_order_acquire); }
    void raise() noexcept {
        raised_.store(true, std::memory_order_release);
        wake.notify();
    }
    /// Blocks until it is raised, and drives nothing meanwhile.
    void sleep() {
        while (!raised()) wake.sleep_until(never);
    }

    /// Raises it at the end of a scope, also when that ends by an exception.
    struct at_end {
        basic_event_flag& flag;
        ~at_end() { flag.raise(); }
    };

private:
    std::atomic<bool> raised_{false};
};

} // namespace mitogen::inline MITOGEN_ABI
