// SPDX-License-Identifier: BSL-1.0
#pragma once
// time.hpp: moments and spans as the loop counts them, without the cost of the whole of <chrono>.

#include <mitogen/base/config.hpp>

#include <cstdint>

#if __has_include(<bits/chrono.h>)
// libstdc++: std::chrono::duration and the clocks alone; <chrono> also brings <sstream> and time
// zones
#include <bits/chrono.h>
#else
#include <chrono>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// A moment on the I/O policy's monotonic clock, in nanoseconds from an arbitrary start.
using instant = std::int64_t;

/// A span of time in nanoseconds.
using duration_ns = std::int64_t;

/// The moment that never comes: no deadline.
inline constexpr instant never = INT64_MAX;

namespace detail {

/// `now + span`, or `never` if that would overflow.
constexpr instant after(instant now, duration_ns span) noexcept {
    return now > 0 && span >= never - now ? never : now + span;
}

/// Any std::chrono::duration in nanoseconds, saturated instead of overflowing.
template <class Rep, class Period>
constexpr duration_ns to_ns(std::chrono::duration<Rep, Period> span) noexcept {
    using seconds = std::chrono::duration<double>;
    const double rough = std::chrono::duration_cast<seconds>(span).count();
    if (rough > 9.0e9) return never;
    if (rough < -9.0e9) return -never;
    return std::chrono::duration_cast<std::chrono::nanoseconds>(span).count();
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
