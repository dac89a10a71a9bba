// SPDX-License-Identifier: BSL-1.0
#pragma once
// static_registry.hpp: a list that static objects join while the program starts, or later, and that
// nothing ever leaves.

#include <mitogen/base/config.hpp>

#include <atomic>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A process-wide list of objects that are never destroyed while it is used. It links them through
/// themselves: joining it allocates nothing and takes no lock. Declare it constinit: then objects
/// of every file may join it from their static initialisers, in whatever order these run.
///
/// `T` says which object joined before it: `const T* before() const noexcept`. One binary runs its
/// static initialisers in one order, so that what add() counts is the same in each of its
/// processes.
///
/// Threads: any.   Blocks: never.
template <class T>
class static_registry {
    std::atomic<const T*> newest_{nullptr};

public:
    constexpr static_registry() noexcept = default;
    static_registry(const static_registry&) = delete;

    /// Adds `object`. `link(before)` stores what before() returns from then on, and whatever else
    /// depends on it, such as a number. It is called again if another thread was faster.
    template <class Link>
    void add(const T& object, Link&& link) noexcept {
        const T* before = newest_.load(std::memory_order_acquire);
        do {
            link(before);
        } while (!newest_.compare_exchange_weak(before, &object, std::memory_order_acq_rel));
    }

    /// The object that joined last, null if there is none: the first step of a walk through all of
    /// them.
    const T* newest() const noexcept { return newest_.load(std::memory_order_acquire); }

    /// The object that joined last of those that `wanted(object)` is true for; null if there is
    /// none. Linear time.
    template <class Wanted>
    const T* find(Wanted&& wanted) const {
        const T* at = newest();
        while (at && !wanted(*at)) at = at->before();
        return at;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
