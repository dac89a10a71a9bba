// SPDX-License-Identifier: BSL-1.0
#pragma once
// posix.hpp: what the epoll, poll and kqueue policies share: everything but the poller.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/flush.hpp>
#include <mitogen/io/main_arguments.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/io/thread.hpp>
#include <mitogen/io/waker.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/machine.hpp>
#include <mitogen/os/mutex.hpp>
#include <mitogen/os/pipe_size.hpp>
#include <mitogen/os/process/copies.hpp>
#include <mitogen/os/process/crash.hpp>
#include <mitogen/os/process/debugger.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/os/process/title.hpp>
#include <mitogen/os/pty.hpp>
#include <mitogen/os/random.hpp>
#include <mitogen/os/stdio/stderr.hpp>
#include <mitogen/os/stdio/stdio.hpp>
#include <mitogen/os/thread/parker.hpp>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The common part of the native policies. Empty; every copy is equal.   Threads: any.
struct posix {
    using descriptor = os::unique_fd;
    using process = os::kill_on_destroy_process;
    using waker = posix_waker;
    using parker = posix_parker;
    using mutex = posix_mutex;
    using thread = posix_thread;

    /// Nanoseconds on CLOCK_MONOTONIC; about 20 ns.
    instant now() const noexcept { return os::monotonic_now(); }

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

    /// As os::read.
    long read(int fd, void* to, std::size_t size) const { return os::read(fd, to, size); }
    /// As os::readv.
    long readv(int fd, const ::iovec* parts, int count) const {
        return os::readv(fd, parts, count);
    }
    /// As os::write.
    long write(int fd, const void* from, std::size_t size) const {
        return os::write(fd, from, size);
    }
    /// As os::writev.
    long writev(int fd, const ::iovec* parts, int count) const {
        return os::writev(fd, parts, count);
    }
    /// As os::unread.
    std::size_t unread(int fd) const noexcept { return os::unread(fd); }
    /// As os::read_waiting.
    long read_waiting(int fd, void* to, std::size_t size) const {
        return os::read_waiting(fd, to, size);
    }
    /// As os::write_all.
    bool write_all(int fd, const void* from, std::size_t size) const {
        return os::write_all(fd, from, size);
    }

    /// As os::pipe, with both ends above 2, also if this process runs with 0, 1 or 2 closed.
    long pipe(descriptor& read_end, descriptor& write_end) const {
        long rc = os::pipe(read_end, write_end);
        if (rc >= 0) rc = os::move_above_stdio(read_end);
        if (rc >= 0) rc = os::move_above_stdio(write_end);
        if (rc >= 0) return 0;
        read_end.reset();
        write_end.reset();
        return rc;
    }
    /// As os::set_nonblocking.
    long set_nonblocking(int fd, bool on) const { return os::set_nonblocking(fd, on); }
    /// As os::enlarge_pipe.
    void enlarge(int fd) const { os::enlarge_pipe(fd); }

    /// Copies by fork(2) can be made.
    static constexpr bool can_fork = true;
    /// Other programs can join through sockets.
    static constexpr bool has_local_sockets = true;

    /// As os::copies.
    unsigned copies() const noexcept { return os::copies(); }
    int own_pid() const noexcept { return os::own_pid(); }
    /// As os::parent_pid.
    int parent_pid() const noexcept { return os::parent_pid(); }
    /// As os::is_held.
    bool is_held(int pid, int top) const { return os::is_held(pid, top); }
    /// As os::random_number.
    std::uint64_t random_number() const { return os::random_number(); }
    /// As os::identity_text.
    std::string own_name() const { return os::identity_text(); }
    bool can_spawn_self() const noexcept { return main_arguments.known; }
    void signal_self(int signal) const noexcept { os::signal_self(signal); }
    void leave_session() const { os::leave_session(); }
    /// Does nothing before mitogen::init.
    void set_title(const std::string& title) const {
        if (main_arguments.argv)
            os::set_process_title(main_arguments.argc, main_arguments.argv, title);
    }

    descriptor capture_stdout() const { return os::pipe_stdout(); }
    void release_stdout() const {
        flush_in_time(*this, stdout);
        os::join_stdout_to_stderr();
    }
    /// See os/process/crash.hpp.
    void save_at_crash(int fd, const std::atomic<bool>* busy) const noexcept {
        os::save_at_crash(fd, busy);
    }

    /// Programs can be started at a terminal of their own.
    static constexpr bool has_terminals = true;
    /// As os::open_pty.
    long open_pty(os::pty& p) const { return os::open_pty(p); }

    /// As os::spawn.
    result<os::kill_on_destroy_process> spawn(const os::spawn_options& options) const {
        return os::spawn(options);
    }
};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
