// SPDX-License-Identifier: BSL-1.0
#pragma once
// native_name.hpp: which I/O policy is the best that this system has.

#include <mitogen/base/config.hpp>

#if !defined(__linux__) && __has_include(<sys/event.h>)
#define MITOGEN_NATIVE_KQUEUE 1
#else
#define MITOGEN_NATIVE_KQUEUE 0
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace io {

struct epoll;
struct kqueue;
struct poll;

/// The policy behind the short names (broker, router, latch, …): epoll on Linux, kqueue on BSD and
/// macOS, else poll.
#if defined(__linux__)
using native = epoll;
#elif MITOGEN_NATIVE_KQUEUE
using native = kqueue;
#else
using native = poll;
#endif

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
