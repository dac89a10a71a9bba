// SPDX-License-Identifier: BSL-1.0
#pragma once
// thread_number.hpp: the number by which the system, and every debugger, knows a thread.

#include <mitogen/base/config.hpp>

#include <cstdint>

#include <pthread.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Of the calling thread: gettid(2), and where there is none some other number that no other thread
/// of this process has. Threads: any. Never blocks.
inline std::uint64_t thread_number() noexcept {
#if defined(__linux__)
    return static_cast<std::uint64_t>(::syscall(SYS_gettid));
#else
    return reinterpret_cast<std::uintptr_t>(::pthread_self());
#endif
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
