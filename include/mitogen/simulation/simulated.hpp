// SPDX-License-Identifier: BSL-1.0
#pragma once
// simulated.hpp: the I/O policy of a simulated world.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/simulation/kernel.hpp>
#include <mitogen/simulation/owned.hpp>
#include <mitogen/simulation/poller.hpp>
#include <mitogen/simulation/primitives.hpp>

#include <cstddef>
#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The policy of a simulated world: virtual time, threads that are fibers of one real thread, pipes
/// and processes that exist in memory only, and faults. A handle; every copy is equal. Made by
/// simulation::world.
///
/// Threads: the world's only.
class simulated {
    simulation::kernel* kernel_;

    /// One transfer of several parts: only the first may sleep, and nobody comes in between.
    template <class First, class Rest>
    static long in_parts(const ::iovec* parts, int count, First&& first, Rest&& rest) {
        long done = 0;
        for (int i = 0; i < count; ++i) {
            if (parts[i].iov_len == 0) continue;
            const long n = done == 0 ? first(parts[i]) : rest(parts[i]);
            if (n <= 0) return done ? done : n;
            done += n;
            if (static_cast<std::size_t>(n) < parts[i].iov_len) break;
        }
        return done;
    }

public:
    using descriptor = simulated_descriptor;
    using process = simulated_process;
    using poller = simulated_poller;
    using waker = simulated_waker;
    using parker = simulated_parker;
    using mutex = simulated_mutex;
    using thread = simulated_thread;

    /// A simulated process has no fork().
    static constexpr bool can_fork = false;

    /// The world in which this is called: only inside of one.
    simulated() noexcept : kernel_(simulation::kernel::here()) {}
    explicit simulated(simulation::kernel& k) noexcept : kernel_(&k) {}

    simulation::kernel& kernel() const noexcept { return *kernel_; }

    instant now() const noexcept { return kernel_->threads().now(); }
    const void* self() const noexcept { return kernel_->threads().current(); }
    std::uint64_t random_number() const { return kernel_->secrets().next(); }
    void relax() const { kernel_->threads().point('y'); }

    long read(int fd, void* to, std::size_t size) const { return kernel_->read(fd, to, size); }
    long write(int fd, const void* from, std::size_t size) const {
        return kernel_->write(fd, from, size);
    }
    long readv(int fd, const ::iovec* parts, int count) const {
        return in_parts(
            parts, count,
            [&](const ::iovec& part) { return kernel_->read(fd, part.iov_base, part.iov_len); },
            [&](const ::iovec& part) {
                return kernel_->at(fd)->read(part.iov_base, part.iov_len);
            });
    }
    long writev(int fd, const ::iovec* parts, int count) const {
        return in_parts(
            parts, count,
            [&](const ::iovec& part) { return kernel_->write(fd, part.iov_base, part.iov_len); },
            [&](const ::iovec& part) {
                return kernel_->at(fd)->write(part.iov_base, part.iov_len);
            });
    }
    result<process> spawn(const os::spawn_options& options) const {
        result<std::uint32_t> pid = kernel_->spawn(options);
        if (!pid) return pid.error();
        return process(*kernel_, *pid);
    }

    long pipe(descriptor& read_end, descriptor& write_end) const {
        int in = -1;
        int out = -1;
        const long rc = kernel_->pipe(in, out);
        if (rc < 0) return rc;
        read_end = descriptor(*kernel_, in);
        write_end = descriptor(*kernel_, out);
        return 0;
    }
    long set_nonblocking(int fd, bool on) const { return kernel_->set_nonblocking(fd, on); }
    void enlarge(int) const noexcept {}
    long read_waiting(int fd, void* to, std::size_t size) const {
        return kernel_->read(fd, to, size, true);
    }
    bool write_all(int fd, const void* from, std::size_t size) const {
        const auto* p = static_cast<const char*>(from);
        while (size != 0) {
            const long n = kernel_->write(fd, p, size, true);
            if (n <= 0) return false;
            p += n;
            size -= static_cast<std::size_t>(n);
        }
        return true;
    }
    int own_pid() const noexcept { return static_cast<int>(kernel_->self().pid); }
    std::string own_name() const { return "simulated:" + std::to_string(kernel_->self().pid); }
    bool can_spawn_self() const noexcept { return true; }
    void signal_self(int number) const {
        static_cast<void>(kernel_->signal(kernel_->self().pid, number));
    }
    void set_title(const std::string& title) const { kernel_->self().group->name = title; }
    descriptor capture_stdout() const { return {}; }
    void release_stdout() const noexcept {}
    void leave_session() const noexcept {}

    /// Sleeps, in virtual time: for functions that take a while.
    void sleep_for(duration_ns span) const {
        static_cast<void>(kernel_->threads().block("sleep_for", detail::after(now(), span)));
    }
    /// Never returns: for functions that hang.
    [[noreturn]] void hang() const {
        for (;;) static_cast<void>(kernel_->threads().block("hang"));
    }
    /// Ends this simulated process as by SIGKILL: for functions that crash.
    [[noreturn]] void crash() const {
        signal_self(9);
        hang();
    }
};

static_assert(policy<simulated>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
