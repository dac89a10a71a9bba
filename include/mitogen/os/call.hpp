// SPDX-License-Identifier: BSL-1.0
#pragma once
// call.hpp: the system calls on descriptors, each >= 0 or -errno, each repeated after EINTR.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fault.hpp>
#include <mitogen/os/fd.hpp>

#include <cstddef>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
/// System calls, as thin as they can be. A `long` result is >= 0 on success and a negative errno on
/// failure; EINTR is never seen. Threads: any. Blocks: as the call of the same name does on that
/// descriptor.
namespace os {

/// read(2): number of bytes, 0 at the end.
inline long read(int fd, void* to, std::size_t size) {
    return checked("read", fd, [=] { return ::read(fd, to, size); });
}

/// write(2): number of bytes, possibly fewer than `size`.
inline long write(int fd, const void* from, std::size_t size) {
    return checked("write", fd, [=] { return ::write(fd, from, size); });
}

/// readv(2): number of bytes over all of `count` parts (at most IOV_MAX), 0 at the end.
inline long readv(int fd, const ::iovec* parts, int count) {
    return checked("readv", fd, [=] { return ::readv(fd, parts, count); });
}

/// Bytes that were written to a pipe or a socket of this machine and that the other end has not
/// read; of a socket with what the kernel needs beside them. 0 where it does not say: always but on
/// Linux.
inline std::size_t unread([[maybe_unused]] int fd) noexcept {
#if defined(__linux__)
    int bytes = 0;
    // of a socket the second one would say what has come in
    if (::ioctl(fd, TIOCOUTQ, &bytes) == 0 || ::ioctl(fd, FIONREAD, &bytes) == 0)
        return bytes > 0 ? static_cast<std::size_t>(bytes) : 0;
#endif
    return 0;
}

/// writev(2): number of bytes, possibly fewer than all of `count` parts (at most IOV_MAX) hold.
inline long writev(int fd, const ::iovec* parts, int count) {
    return checked("writev", fd, [=] { return ::writev(fd, parts, count); });
}

/// pread(2): as read(), at `offset` bytes from the start, without moving the file position.
inline long pread(int fd, void* to, std::size_t size, ::off_t offset) {
    return checked("pread", fd, [=] { return ::pread(fd, to, size, offset); });
}

/// pwrite(2): as write(), at `offset` bytes from the start, without moving the file position.
inline long pwrite(int fd, const void* from, std::size_t size, ::off_t offset) {
    return checked("pwrite", fd, [=] { return ::pwrite(fd, from, size, offset); });
}

/// Sets or clears close-on-exec.
inline long set_cloexec(int fd, bool on) {
    return checked("set_cloexec", fd, [=] { return ::fcntl(fd, F_SETFD, on ? FD_CLOEXEC : 0); });
}

/// The descriptor's flags (FD_CLOEXEC or 0); -EBADF if it is not open.
inline long descriptor_flags(int fd) {
    return checked("descriptor_flags", fd, [=] { return ::fcntl(fd, F_GETFD); });
}

/// Sets or clears O_NONBLOCK. It belongs to the open file description: every process that shares it
/// is affected.
inline long set_nonblocking(int fd, bool on) {
    return checked("set_nonblocking", fd, [=] {
        const int flags = ::fcntl(fd, F_GETFL);
        if (flags < 0) return flags;
        const int wanted = on ? flags | O_NONBLOCK : flags & ~O_NONBLOCK;
        return wanted == flags ? 0 : ::fcntl(fd, F_SETFL, wanted);
    });
}

/// A duplicate of `fd` with the lowest free number that is at least `least`, close-on-exec.
inline long dup_above(int fd, int least) {
    return checked("dup_above", fd, [=] { return ::fcntl(fd, F_DUPFD_CLOEXEC, least); });
}

/// Makes `to` a duplicate of `from`, without close-on-exec; closes what `to` was. With from == to
/// it only clears close-on-exec.
inline long dup_to(int from, int to) {
    return checked("dup_to", from,
                   [=] { return from == to ? ::fcntl(to, F_SETFD, 0) : ::dup2(from, to); });
}

/// Moves a descriptor above 2, where standard input, output and error can't be mistaken for it.
/// Keeps it if it is on failure.
inline long move_above_stdio(unique_fd& fd) {
    if (fd.get() < 0 || fd.get() > 2) return 0;
    const long moved = dup_above(fd.get(), 3);
    if (moved >= 0) fd.reset(static_cast<int>(moved));
    return moved < 0 ? moved : 0;
}

/// open(2), close-on-exec. `mode` counts only with O_CREAT.
inline long open(const char* path, int flags, ::mode_t mode = 0) {
    return checked("open", -1, [=] { return ::open(path, flags | O_CLOEXEC, mode); });
}

/// A pipe: what is written to `write_end` can be read from `read_end`. Both blocking and
/// close-on-exec.
inline long pipe(unique_fd& read_end, unique_fd& write_end) {
    int fds[2] = {-1, -1};
    const long rc = checked("pipe", -1, [&] {
#if defined(__APPLE__)
        return ::pipe(fds);
#else
        return ::pipe2(fds, O_CLOEXEC);
#endif
    });
    if (rc < 0) return rc;
    read_end.reset(fds[0]);
    write_end.reset(fds[1]);
#if defined(__APPLE__) // no pipe2: a process that another thread starts in between inherits both
    static_cast<void>(set_cloexec(fds[0], true));
    static_cast<void>(set_cloexec(fds[1], true));
#endif
    return 0;
}

/// Two connected AF_UNIX stream sockets, blocking and close-on-exec.
inline long socket_pair(unique_fd& one, unique_fd& other) {
    int fds[2] = {-1, -1};
    const long rc = checked("socket_pair", -1, [&] {
#if defined(SOCK_CLOEXEC)
        return ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds);
#else
        return ::socketpair(AF_UNIX, SOCK_STREAM, 0, fds);
#endif
    });
    if (rc < 0) return rc;
    one.reset(fds[0]);
    other.reset(fds[1]);
#if !defined(SOCK_CLOEXEC)
    static_cast<void>(set_cloexec(fds[0], true));
    static_cast<void>(set_cloexec(fds[1], true));
#endif
    return 0;
}

#if defined(__linux__)
/// eventfd(2): a counter that starts at `start`; nonblocking and close-on-exec.
inline long eventfd(unsigned start) {
    return checked("eventfd", -1, [=] { return ::eventfd(start, EFD_NONBLOCK | EFD_CLOEXEC); });
}
#endif

/// Nanoseconds on the monotonic clock (CLOCK_MONOTONIC: stops while the machine is suspended on
/// Linux). Never fails.
inline instant monotonic_now() noexcept {
    ::timespec t{};
    static_cast<void>(::clock_gettime(CLOCK_MONOTONIC, &t));
    return static_cast<instant>(t.tv_sec) * 1'000'000'000 + static_cast<instant>(t.tv_nsec);
}

/// A span as the kernel wants it; negative spans become 0.
inline ::timespec to_timespec(duration_ns span) noexcept {
    ::timespec t{};
    if (span < 0) span = 0;
    const duration_ns seconds = span / 1'000'000'000;
    // A 32-bit time_t ends at 68 years: waiting that long is waiting for ever.
    t.tv_sec = sizeof(t.tv_sec) < 8 && seconds > INT32_MAX
                   ? INT32_MAX
                   : static_cast<decltype(t.tv_sec)>(seconds);
    t.tv_nsec = static_cast<decltype(t.tv_nsec)>(span % 1'000'000'000);
    return t;
}

/// A span in whole milliseconds, rounded up so that a sleep never ends before its deadline; -1 (no
/// limit) for negative spans.
inline int to_poll_ms(duration_ns span) noexcept {
    if (span < 0) return -1;
    if (span >= duration_ns{INT32_MAX} * 1'000'000) return INT32_MAX;
    return static_cast<int>((span + 999'999) / 1'000'000);
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
