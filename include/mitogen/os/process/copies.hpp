// SPDX-License-Identifier: BSL-1.0
#pragma once
// copies.hpp: whether this process is a copy, made by fork(), of the one that it was.

#include <mitogen/base/config.hpp>

#include <atomic>

#include <pthread.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {
namespace detail {
inline constinit std::atomic<unsigned> copies{0};
}

/// How many times this process and its ancestors have been copied since one of them asked first: of
/// what was made at another count, the threads that used it then may not be here. By whoever calls
/// fork(2). Threads: any. Blocks: never.
inline unsigned copies() noexcept {
    [[maybe_unused]] static const int counting = ::pthread_atfork(
        nullptr, nullptr, [] { detail::copies.fetch_add(1, std::memory_order_relaxed); });
    return detail::copies.load(std::memory_order_relaxed);
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
