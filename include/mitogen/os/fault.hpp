// SPDX-License-Identifier: BSL-1.0
#pragma once
// fault.hpp: the one shape of a system call: repeated after EINTR, -errno on failure, failed on
// purpose by tests.

#include <mitogen/base/config.hpp>

#include <cerrno>

#if defined(MITOGEN_FAULTS)
#include <atomic>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Decides the fate of one system call in a test: 0 lets it happen, -errno is returned to the
/// caller in its place. `name` is the name of the wrapper in namespace mitogen::os; `fd` the
/// descriptor it concerns, or -1. -EINTR makes the wrapper repeat the call, and so consult the hook
/// again. The hook runs on the thread that makes the call.
using fault_hook = long (*)(const char* name, int fd);

#if defined(MITOGEN_FAULTS)
/// The hook of this process; null: none. Exists only if MITOGEN_FAULTS is defined, which must then
/// hold for the whole program.
inline constinit std::atomic<fault_hook> fault{nullptr};
#endif

namespace detail {
inline long injected([[maybe_unused]] const char* name, [[maybe_unused]] int fd) {
#if defined(MITOGEN_FAULTS)
    if (const fault_hook hook = fault.load(std::memory_order_acquire)) return hook(name, fd);
#endif
    return 0;
}
} // namespace detail

/// Makes one system call: `call()` returns -1 and sets errno on failure. Repeats it after EINTR.
/// Returns its result, or -errno.
template <class Call>
long checked(const char* name, int fd, Call call) {
    for (;;) {
        long rc = detail::injected(name, fd);
        if (rc == 0) {
            rc = static_cast<long>(call());
            if (rc >= 0) return rc;
            rc = -static_cast<long>(errno);
        }
        if (rc != -EINTR) return rc;
    }
}

/// As checked(), for calls that must not be repeated blindly after EINTR because time has passed:
/// returns -EINTR instead.
template <class Call>
long checked_once(const char* name, int fd, Call call) {
    if (const long rc = detail::injected(name, fd)) return rc;
    const long rc = static_cast<long>(call());
    return rc >= 0 ? rc : -static_cast<long>(errno);
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
