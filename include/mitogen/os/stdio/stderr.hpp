// SPDX-License-Identifier: BSL-1.0
#pragma once
// stderr.hpp: lines for people, without waiting for those who read them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/os/pipe_size.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

// No part of what os/fault.hpp can make fail: whoever counts calls does not count log lines.

/// Writes until that would wait or fails. Returns how much.
template <class Write>
std::size_t write_what_goes(std::size_t size, Write&& write) noexcept {
    std::size_t done = 0;
    while (done < size) {
        const ::ssize_t n = write(done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) break;
        done += static_cast<std::size_t>(n);
    }
    return done;
}

/// Standard error once more, as an open file of its own: that one does not wait, and nobody else's
/// is changed. -1 where that cannot be: no /proc, or another user's terminal.
inline int reopen_stderr() noexcept {
    return ::open("/proc/self/fd/2", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/// A pipe or terminal that could not be opened again: asked before each piece. A pipe that is ready
/// takes PIPE_BUF bytes; a terminal about so many.
inline std::size_t write_in_pieces(const char* text, std::size_t size, bool is_pipe) noexcept {
    const std::size_t most = is_pipe ? PIPE_BUF : 256;
    return write_what_goes(size, [&](std::size_t at, std::size_t left) -> ::ssize_t {
        ::pollfd ready{2, POLLOUT, 0};
        if (::poll(&ready, 1, 0) != 1) return 0;
        return ::write(2, text + at, std::min(left, most));
    });
}

/// Of a pipe that is full: whoever reads it may only be slow for a moment.
inline std::size_t write_to_file(int fd, const char* text, std::size_t size,
                                 bool is_pipe) noexcept {
    const auto write = [&](std::size_t at, std::size_t left) {
        return ::write(fd, text + at, left);
    };
    std::size_t done = write_what_goes(size, write);
    if (done == size || !is_pipe || errno != EAGAIN) return done;
    enlarge_pipe(fd, 1u << 20);
    return done + write_what_goes(size - done, [&](std::size_t at, std::size_t left) {
               return write(done + at, left);
           });
}

} // namespace detail

/// Writes to standard error what it takes now, and returns how much that was; all, if nobody will
/// ever see it. Blocks: never, but for a disk.
inline std::size_t write_stderr_now(const char* text, std::size_t size) noexcept {
    struct ::stat what {};
    if (::fstat(2, &what) != 0) return size;
    if (S_ISSOCK(what.st_mode))
        return detail::write_what_goes(size, [&](std::size_t at, std::size_t left) {
            return ::send(2, text + at, left, MSG_DONTWAIT);
        });
    const bool is_pipe = S_ISFIFO(what.st_mode);
    if (!is_pipe && !S_ISCHR(what.st_mode)) return detail::write_to_file(2, text, size, false);
    const int again = detail::reopen_stderr();
    if (again < 0) return detail::write_in_pieces(text, size, is_pipe);
    const std::size_t done = detail::write_to_file(again, text, size, is_pipe);
    ::close(again);
    return done;
}

/// The default log sink writes that way in every program that has a loop.
inline const bool stderr_is_written_now = [] {
    log::detail::write_now.store(&write_stderr_now, std::memory_order_release);
    return true;
}();

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
