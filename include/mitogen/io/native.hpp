// SPDX-License-Identifier: BSL-1.0
#pragma once
// native.hpp: the best policy that this system has.

#include <mitogen/base/config.hpp>
#include <mitogen/io/epoll.hpp>
#include <mitogen/io/kqueue.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/io/poll.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The policy behind the short names (broker, router, latch, …): epoll on Linux, kqueue on BSD and macOS, else poll.
#if defined(__linux__)
using native = epoll;
#elif MITOGEN_HAS_KQUEUE
using native = kqueue;
#else
using native = poll;
#endif

static_assert(policy<native>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
