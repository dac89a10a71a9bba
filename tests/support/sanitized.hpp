// SPDX-License-Identifier: BSL-1.0
#pragma once
// sanitized.hpp: whether a sanitizer is in the program, which handles faults itself and needs
// descriptors and memory of its own.

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define MITOGEN_TEST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define MITOGEN_TEST_SANITIZED 1
#endif
#endif

namespace support {
#ifdef MITOGEN_TEST_SANITIZED
inline constexpr bool sanitized = true;
#else
inline constexpr bool sanitized = false;
#endif
} // namespace support
