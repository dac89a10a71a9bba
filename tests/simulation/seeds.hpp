// SPDX-License-Identifier: BSL-1.0
#pragma once
// seeds.hpp: how many simulated worlds a test looks at.

#include <cstdint>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MITOGEN_TEST_SLOW 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MITOGEN_TEST_SLOW 1
#endif
#endif

/// All of `wanted`; under a sanitizer, where each costs twenty times as much, a tenth of them.
inline constexpr std::uint64_t seeds(std::uint64_t wanted) {
#if defined(MITOGEN_TEST_SLOW)
    return wanted / 10;
#else
    return wanted;
#endif
}
