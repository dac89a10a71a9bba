// SPDX-License-Identifier: BSL-1.0
#pragma once
// poll.hpp: the poll system call.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fault.hpp>

#include <cerrno>
#include <cstddef>

#include <poll.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// poll(2): the number of entries whose revents are set, 0 on timeout, -errno. `timeout` in ns, <
/// 0: no limit; rounded up to milliseconds if the system lacks ppoll(). A signal ends a wait that
/// has a limit early, with 0: the caller knows its deadline.
inline long poll(::pollfd* entries, std::size_t count, duration_ns timeout) {
    for (;;) {
        const long rc = checked_once("poll", -1, [=] {
#if defined(__linux__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
            const ::timespec span = to_timespec(timeout);
            return ::ppoll(entries, static_cast<::nfds_t>(count), timeout < 0 ? nullptr : &span,
                           nullptr);
#else
            return ::poll(entries, static_cast<::nfds_t>(count), to_poll_ms(timeout));
#endif
        });
        if (rc != -EINTR) return rc;
        if (timeout > 0) return 0;
    }
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
