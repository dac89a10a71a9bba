// SPDX-License-Identifier: BSL-1.0
#pragma once
// pipe_size.hpp: makes a pipe hold more, if the system lets us.

#include <mitogen/base/config.hpp>

#include <cstddef>

#include <fcntl.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Raises a pipe's capacity from 64 KiB, so that large messages need fewer hand-overs: to two
/// fragments, of which one is read while the other is written. Not more: what is in the pipe delays
/// every small message behind it. Linux allows an unprivileged process 1 MiB for each and 64 MiB in
/// all (pipe(7), pipe-max-size and pipe-user-pages-soft); if it refuses, the pipe stays as it is.
inline void enlarge_pipe([[maybe_unused]] int fd,
                         [[maybe_unused]] std::size_t bytes = 256u << 10) noexcept {
#if defined(F_SETPIPE_SZ)
    static_cast<void>(::fcntl(fd, F_SETPIPE_SZ, static_cast<int>(bytes)));
#endif
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
