// SPDX-License-Identifier: BSL-1.0
#pragma once
// bindings.hpp: the members of an aggregate as a tuple of references, from the language's
// structured bindings.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// The most members that bind_members() binds: C++20 wants a name for each.
inline constexpr std::size_t most_bound = 32;

#define MITOGEN_BIND(n, ...)                                                                       \
    else if constexpr (Count == n) {                                                               \
        auto& [__VA_ARGS__] = value;                                                               \
        return std::tie(__VA_ARGS__);                                                              \
    }
#define MITOGEN_A8 a1, a2, a3, a4, a5, a6, a7, a8
#define MITOGEN_B8 b1, b2, b3, b4, b5, b6, b7, b8
#define MITOGEN_C8 c1, c2, c3, c4, c5, c6, c7, c8

/// A std::tuple of references to the members of `value`, an aggregate of exactly `Count` members
/// without base classes.
template <std::size_t Count, class T>
constexpr auto bind_members([[maybe_unused]] T& value) noexcept {
    static_assert(Count <= most_bound);
    if constexpr (Count == 0) {
        return std::tuple<>();
    }
    MITOGEN_BIND(1, a1)
    MITOGEN_BIND(2, a1, a2)
    MITOGEN_BIND(3, a1, a2, a3)
    MITOGEN_BIND(4, a1, a2, a3, a4)
    MITOGEN_BIND(5, a1, a2, a3, a4, a5)
    MITOGEN_BIND(6, a1, a2, a3, a4, a5, a6)
    MITOGEN_BIND(7, a1, a2, a3, a4, a5, a6, a7)
    MITOGEN_BIND(8, MITOGEN_A8)
    MITOGEN_BIND(9, MITOGEN_A8, b1)
    MITOGEN_BIND(10, MITOGEN_A8, b1, b2)
    MITOGEN_BIND(11, MITOGEN_A8, b1, b2, b3)
    MITOGEN_BIND(12, MITOGEN_A8, b1, b2, b3, b4)
    MITOGEN_BIND(13, MITOGEN_A8, b1, b2, b3, b4, b5)
    MITOGEN_BIND(14, MITOGEN_A8, b1, b2, b3, b4, b5, b6)
    MITOGEN_BIND(15, MITOGEN_A8, b1, b2, b3, b4, b5, b6, b7)
    MITOGEN_BIND(16, MITOGEN_A8, MITOGEN_B8)
    MITOGEN_BIND(17, MITOGEN_A8, MITOGEN_B8, c1)
    MITOGEN_BIND(18, MITOGEN_A8, MITOGEN_B8, c1, c2)
    MITOGEN_BIND(19, MITOGEN_A8, MITOGEN_B8, c1, c2, c3)
    MITOGEN_BIND(20, MITOGEN_A8, MITOGEN_B8, c1, c2, c3, c4)
    MITOGEN_BIND(21, MITOGEN_A8, MITOGEN_B8, c1, c2, c3, c4, c5)
    MITOGEN_BIND(22, MITOGEN_A8, MITOGEN_B8, c1, c2, c3, c4, c5, c6)
    MITOGEN_BIND(23, MITOGEN_A8, MITOGEN_B8, c1, c2, c3, c4, c5, c6, c7)
    MITOGEN_BIND(24, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8)
    MITOGEN_BIND(25, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8, d1)
    MITOGEN_BIND(26, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8, d1, d2)
    MITOGEN_BIND(27, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8, d1, d2, d3)
    MITOGEN_BIND(28, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8, d1, d2, d3, d4)
    MITOGEN_BIND(29, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8, d1, d2, d3, d4, d5)
    MITOGEN_BIND(30, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8, d1, d2, d3, d4, d5, d6)
    MITOGEN_BIND(31, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8, d1, d2, d3, d4, d5, d6, d7)
    MITOGEN_BIND(32, MITOGEN_A8, MITOGEN_B8, MITOGEN_C8, d1, d2, d3, d4, d5, d6, d7, d8)
}

#undef MITOGEN_BIND
#undef MITOGEN_A8
#undef MITOGEN_B8
#undef MITOGEN_C8

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
