// SPDX-License-Identifier: BSL-1.0
#pragma once
// stdio.hpp: descriptors 0, 1 and 2 of a child: the link is taken away from them before the program
// can write into it.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/poll.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdio>

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Puts /dev/null where `fd` (0 to 2) is: for reading at 0, else for writing.
inline void put_null(int fd) {
    const int flags = fd == 0 ? O_RDONLY : O_WRONLY;
    unique_fd null(static_cast<int>(open("/dev/null", flags)));
    if (null && null.get() != fd) static_cast<void>(dup_to(null.get(), fd));
    if (null.get() == fd) static_cast<void>(set_cloexec(null.release(), false));
}

/// Moves descriptor `fd` (0 or 1) above 2 and close-on-exec, and leaves /dev/null in its place.
/// Empty on failure.
inline unique_fd take_stdio(int fd) {
    unique_fd moved(static_cast<int>(dup_above(fd, 3)));
    put_null(fd);
    return moved;
}

namespace detail {

/// Writes what stdout holds, as far as the pipe takes it, and has it write each line from now on.
/// With a buffer of our own: without one glibc fills the old one, if stdout was used before.
inline void buffer_stdout_by_line() {
    static char lines[BUFSIZ];
    static_cast<void>(set_nonblocking(1, true)); // nobody reads yet
    static_cast<void>(std::setvbuf(stdout, lines, _IOLBF, sizeof lines));
    static_cast<void>(set_nonblocking(1, false));
}

} // namespace detail

/// Makes stdout a pipe, line-buffered and blocking, and returns its read end; empty if that fails:
/// stdout stays /dev/null. What was printed before, and is still in stdout's buffer, goes there
/// too.
inline unique_fd pipe_stdout() {
    unique_fd read_end;
    unique_fd write_end;
    if (pipe(read_end, write_end) < 0) return {};
    static_cast<void>(move_above_stdio(read_end));
    static_cast<void>(dup_to(write_end.get(), 1));
    detail::buffer_stdout_by_line();
    return read_end;
}

/// From now on what is printed to stdout goes to stderr.
inline void join_stdout_to_stderr() {
    if (dup_to(2, 1) < 0) put_null(1);
}

/// Writes all of it, also to a nonblocking descriptor. False on failure.
inline bool write_all(int fd, const void* from, std::size_t size) {
    const char* at = static_cast<const char*>(from);
    while (size > 0) {
        const long n = write(fd, at, size);
        if (n == -EAGAIN || n == -EWOULDBLOCK) {
            ::pollfd ready{fd, POLLOUT, 0};
            static_cast<void>(poll(&ready, 1, -1));
            continue;
        }
        if (n < 0) return false;
        at += n;
        size -= static_cast<std::size_t>(n);
    }
    return true;
}

/// As read(), but waits also if the descriptor is nonblocking.
inline long read_waiting(int fd, void* to, std::size_t size) {
    for (;;) {
        const long n = read(fd, to, size);
        if (n != -EAGAIN && n != -EWOULDBLOCK) return n;
        ::pollfd ready{fd, POLLIN, 0};
        static_cast<void>(poll(&ready, 1, -1));
    }
}

/// This process's id.
inline int own_pid() noexcept { return ::getpid(); }

/// Makes this process the leader of a session of its own, with /dev/null for standard error. One
/// that leads a session already, because it was given a terminal (spawn_options::terminal), ignores
/// from now on that the terminal hangs up.
inline void leave_session() {
    put_null(2);
    if (::setsid() >= 0) return;
    // who leads a process group, as every child does, must be in another one first: its parent's
    const ::pid_t group = ::getpgid(::getppid());
    if (group > 0 && ::setpgid(0, group) == 0 && ::setsid() >= 0) return;
    static_cast<void>(::signal(SIGHUP, SIG_IGN));
}

/// Sends a signal to this process.
inline void signal_self(int number) noexcept { static_cast<void>(::kill(::getpid(), number)); }

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
