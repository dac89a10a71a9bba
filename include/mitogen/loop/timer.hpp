// SPDX-License-Identifier: BSL-1.0
#pragma once
// timer.hpp: one moment at which something shall happen.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>

#include <cstddef>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// One moment. Lives inside whatever waits for it, so that setting it allocates nothing; must not
/// move or die while set.
struct timer {
    instant at = never;
    std::size_t place = not_set; ///< index in the heap; maintained by `timers`
    unique_function<void()> fire{};

    static constexpr std::size_t not_set = static_cast<std::size_t>(-1);
    bool is_set() const noexcept { return place != not_set; }

    timer() = default;
    timer(timer&&) = delete;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
