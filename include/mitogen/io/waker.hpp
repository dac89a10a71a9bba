// SPDX-License-Identifier: BSL-1.0
#pragma once
// waker.hpp: lets any thread interrupt a poller that is blocked in wait().

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/os/call.hpp>

#include <cerrno>
#include <cstdint>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// Interrupts a poller from another thread, by a pipe.
///
/// Wakes are level-triggered and coalesce: N wake()s before one drain() are one event. Each wake()
/// is one system call: who wakes often remembers that a wake is already pending. After fork() the
/// child must call recreate(): both processes would otherwise read one kernel object. Threads:
/// wake() any; the rest the poller's. Blocks: never. Throws: error(kind::overloaded) when out of
/// descriptors.
class pipe_waker {
    os::unique_fd read_end_;
    os::unique_fd write_end_;

    void open() {
        long rc = os::pipe(read_end_, write_end_);
        if (rc >= 0) rc = os::set_nonblocking(read_end_.get(), true);
        // a full pipe is a pending wake: no reason to block
        if (rc >= 0) rc = os::set_nonblocking(write_end_.get(), true);
        if (rc >= 0) rc = os::move_above_stdio(read_end_); // else whoever prints would wake us
        if (rc >= 0) rc = os::move_above_stdio(write_end_);
        if (rc < 0) mitogen::detail::construction::fail(os::failure("pipe", rc));
    }

public:
    template <class Io>
    explicit pipe_waker(Io&) {
        open();
    }
    pipe_waker(pipe_waker&&) = delete;

    /// What to register with a poller, for reading.
    int fd() const noexcept { return read_end_.get(); }

    /// Makes fd() readable until the next drain().
    void wake() noexcept { static_cast<void>(os::write(write_end_.get(), "", 1)); }

    /// Makes fd() unreadable until the next wake().
    void drain() noexcept {
        char bytes[256];
        while (os::read(read_end_.get(), bytes, sizeof bytes) == static_cast<long>(sizeof bytes)) {}
    }

    /// In the child after fork: a kernel object of its own, with no wake pending.
    void recreate() {
        read_end_.reset();
        write_end_.reset();
        open();
    }
};

static_assert(!std::is_move_constructible_v<pipe_waker>);

#if defined(__linux__)

/// As pipe_waker, with one descriptor instead of two.
class eventfd_waker {
    os::unique_fd fd_;

    void open() {
        const long rc = os::eventfd(0);
        if (rc < 0) return mitogen::detail::construction::fail(os::failure("eventfd", rc));
        fd_.reset(static_cast<int>(rc));
        const long moved = os::move_above_stdio(fd_); // else whoever prints would wake us
        if (moved < 0) mitogen::detail::construction::fail(os::failure("dup", moved, fd_.get()));
    }

public:
    template <class Io>
    explicit eventfd_waker(Io&) {
        open();
    }
    eventfd_waker(eventfd_waker&&) = delete;

    /// What to register with a poller, for reading.
    int fd() const noexcept { return fd_.get(); }

    /// Makes fd() readable until the next drain().
    void wake() noexcept {
        const std::uint64_t one = 1;
        // -EAGAIN: 2^64 wakes are pending
        static_cast<void>(os::write(fd_.get(), &one, sizeof one));
    }

    /// Makes fd() unreadable until the next wake().
    void drain() noexcept {
        std::uint64_t count = 0;
        static_cast<void>(os::read(fd_.get(), &count, sizeof count)); // one read takes them all
    }

    /// In the child after fork: a kernel object of its own, with no wake pending.
    void recreate() {
        fd_.reset();
        open();
    }
};

static_assert(!std::is_move_constructible_v<eventfd_waker>);

/// What the native policies use.
using posix_waker = eventfd_waker;
#else
/// What the native policies use.
using posix_waker = pipe_waker;
#endif

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
