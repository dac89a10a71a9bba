// SPDX-License-Identifier: BSL-1.0
#pragma once
// posix.hpp: what the epoll, poll and kqueue policies share: everything but the poller.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/main_arguments.hpp>
#include <mitogen/sys/mutex.hpp>
#include <mitogen/io/parker.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/io/thread.hpp>
#include <mitogen/io/waker.hpp>
#include <mitogen/sys/call.hpp>
#include <mitogen/sys/debugger.hpp>
#include <mitogen/sys/machine.hpp>
#include <mitogen/sys/pipe_size.hpp>
#include <mitogen/sys/process.hpp>
#include <mitogen/sys/pty.hpp>
#include <mitogen/sys/stdio.hpp>
#include <mitogen/sys/title.hpp>

#include <cstddef>
#include <cstdio>
#include <string>

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
    /// As sys::read_waiting.
    long read_waiting(int fd, void* to, std::size_t size) const { return sys::read_waiting(fd, to, size); }
    /// As sys::write_all.
    bool write_all(int fd, const void* from, std::size_t size) const { return sys::write_all(fd, from, size); }

    /// As sys::pipe, with both ends above 2, also where this process runs with 0, 1 or 2 closed.
    long pipe(descriptor& read_end, descriptor& write_end) const {
        long rc = sys::pipe(read_end, write_end);
        if (rc >= 0) rc = sys::move_above_stdio(read_end);
        if (rc >= 0) rc = sys::move_above_stdio(write_end);
        if (rc >= 0) return 0;
        read_end.reset();
        write_end.reset();
        return rc;
    }
    /// As sys::set_nonblocking.
    long set_nonblocking(int fd, bool on) const { return sys::set_nonblocking(fd, on); }
    /// As sys::enlarge_pipe.
    void enlarge(int fd) const { sys::enlarge_pipe(fd); }

    /// Copies by fork(2) can be made.
    static constexpr bool can_fork = true;
    /// Other programs can join through sockets.
    static constexpr bool has_local_sockets = true;

    int own_pid() const noexcept { return sys::own_pid(); }
    /// As sys::parent_pid.
    int parent_pid() const noexcept { return sys::parent_pid(); }
    /// As sys::is_traced.
    bool is_traced(int pid) const { return sys::is_traced(pid); }
    /// As sys::identity_text.
    std::string own_name() const { return sys::identity_text(); }
    bool can_spawn_self() const noexcept { return main_arguments.known; }
    void signal_self(int signal) const noexcept { sys::signal_self(signal); }
    void leave_session() const { sys::leave_session(); }
    /// Does nothing before mitogen::init.
    void set_title(const std::string& title) const {
        if (main_arguments.argv) sys::set_process_title(main_arguments.argc, main_arguments.argv, title);
    }

    descriptor capture_stdout() const { return sys::pipe_stdout(); }
    void release_stdout() const {
        std::fflush(nullptr);
        sys::null_stdout();
    }

    /// Programs can be started at a terminal of their own.
    static constexpr bool has_terminals = true;
    /// As sys::open_pty.
    long open_pty(sys::pty& p) const { return sys::open_pty(p); }

    /// As sys::spawn.
    result<sys::process> spawn(const sys::spawn_options& options) const { return sys::spawn(options); }
};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
