// SPDX-License-Identifier: BSL-1.0
#pragma once
// posix.hpp: what the epoll, poll and kqueue policies share: everything but the poller.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/parker.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/io/thread.hpp>
#include <mitogen/io/waker.hpp>
#include <mitogen/sys/call.hpp>
#include <mitogen/sys/process.hpp>

#include <cstddef>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The common part of the native policies. Empty; every copy is equal.   Threads: any.
struct posix {
    using descriptor = sys::unique_fd;
    using process = sys::process;
    using waker = posix_waker;
    using parker = posix_parker;
    using mutex = posix_mutex;
    using thread = posix_thread;

    /// Nanoseconds on CLOCK_MONOTONIC; about 20 ns.
    instant now() const noexcept { return sys::monotonic_now(); }

    /// An address that belongs to the calling thread as long as it lives.
    const void* self() const noexcept {
        static thread_local constinit char here = 0;
        return &here;
    }

    /// A pause of a few cycles inside a spin: saves power, and lets the other hyperthread run.
    void relax() const noexcept {
#if defined(__x86_64__) || defined(__i386__)
        __builtin_ia32_pause();
#elif defined(__aarch64__) || (defined(__arm__) && __ARM_ARCH >= 7)
        __asm__ __volatile__("yield");
#else
        __asm__ __volatile__("" ::: "memory");
#endif
    }

    /// As sys::read.
    long read(int fd, void* to, std::size_t size) const { return sys::read(fd, to, size); }
    /// As sys::readv.
    long readv(int fd, const ::iovec* parts, int count) const { return sys::readv(fd, parts, count); }
    /// As sys::write.
    long write(int fd, const void* from, std::size_t size) const { return sys::write(fd, from, size); }
    /// As sys::writev.
    long writev(int fd, const ::iovec* parts, int count) const { return sys::writev(fd, parts, count); }
    /// As sys::spawn.
    result<sys::process> spawn(const sys::spawn_options& options) const { return sys::spawn(options); }
};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
