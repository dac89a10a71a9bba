// SPDX-License-Identifier: BSL-1.0
#pragma once
// epoll.hpp: the policy for Linux; empty elsewhere.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/io/posix.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/epoll.hpp>

#include <cerrno>
#include <cstdint>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

#if defined(__linux__)

/// Readiness by epoll(7), with a gate.
///
/// The gate is a second epoll object that holds the first one: events = EPOLLIN while open, 0 while
/// closed. An epoll object inside another wakes the outer one's sleepers only for what the mask
/// allows, and EPOLL_CTL_MOD looks at the readiness there is, so that opening can't miss an event.
/// Each is one system call that wakes nobody by itself. Threads: wait() and wait_gate() one each at
/// a time; recreate() alone; the rest any. Throws: error(kind::overloaded) when out of descriptors
/// (it needs three).
class epoll_poller {
    static constexpr std::uint64_t inner_token = 0;
    static constexpr std::uint64_t kick_token = 1;
    static constexpr std::uint64_t alarm_token = UINT64_MAX; // nobody's: its event only ends a wait

    os::unique_fd inner_; // holds what is registered
    os::unique_fd outer_; // holds inner_ and kick_
    os::unique_fd kick_;  // an eventfd that is written and never read: each write is one edge
    os::unique_fd alarm_; // a timerfd in inner_, for those who sleep elsewhere

    static os::unique_fd checked_fd(const char* what, long rc) {
        if (rc < 0) mitogen::detail::construction::fail(os::failure(what, rc));
        os::unique_fd fd(static_cast<int>(rc));
        static_cast<void>(os::move_above_stdio(fd));
        return fd;
    }

    void open() {
        inner_ = checked_fd("epoll_create1", os::epoll_create());
        outer_ = checked_fd("epoll_create1", os::epoll_create());
        kick_ = checked_fd("eventfd", os::eventfd(0));
        long rc =
            os::epoll_ctl(outer_.get(), EPOLL_CTL_ADD, kick_.get(), EPOLLIN | EPOLLET, kick_token);
        if (rc >= 0)
            rc = os::epoll_ctl(outer_.get(), EPOLL_CTL_ADD, inner_.get(), EPOLLIN, inner_token);
        if (rc < 0) mitogen::detail::construction::fail(os::failure("epoll_ctl", rc, outer_.get()));
    }

    static std::uint32_t mask(interest i) noexcept {
        return (wants_read(i) ? std::uint32_t{EPOLLIN} : 0u) |
               (wants_write(i) ? std::uint32_t{EPOLLOUT} : 0u);
    }

    void set_gate(std::uint32_t events) noexcept {
        static_cast<void>(
            os::epoll_ctl(outer_.get(), EPOLL_CTL_MOD, inner_.get(), events, inner_token));
    }

public:
    static constexpr bool has_gate = true;
    static constexpr bool any_thread_registers = true;

    template <class Io>
    explicit epoll_poller(Io&) {
        open();
    }
    epoll_poller(epoll_poller&&) = delete;

    /// Registers a descriptor. 0 or -errno: -EEXIST if it is registered, -EPERM if it is a file
    /// that is always ready.
    long add(int fd, std::uint64_t token, interest i) {
        return i == interest::none ? 0
                                   : os::epoll_ctl(inner_.get(), EPOLL_CTL_ADD, fd, mask(i), token);
    }

    /// Changes the token and the interest of a registered descriptor. 0 or -errno.
    long modify(int fd, std::uint64_t token, interest i) {
        // epoll reports EPOLLHUP and EPOLLERR even with an empty mask, and would spin: no interest
        // is no membership.
        if (i == interest::none) {
            remove(fd);
            return 0;
        }
        const long rc = os::epoll_ctl(inner_.get(), EPOLL_CTL_MOD, fd, mask(i), token);
        return rc == -ENOENT ? os::epoll_ctl(inner_.get(), EPOLL_CTL_ADD, fd, mask(i), token) : rc;
    }

    /// Forgets a descriptor, which must still be open.
    void remove(int fd) { static_cast<void>(os::epoll_ctl(inner_.get(), EPOLL_CTL_DEL, fd, 0, 0)); }

    /// Waits for events; see io::has_poller. One system call; as exact as os::epoll_wait.
    int wait(event* out, int capacity, duration_ns timeout) {
        constexpr int most = 128;
        ::epoll_event ready[most];
        const long n =
            os::epoll_wait(inner_.get(), ready, capacity < most ? capacity : most, timeout);
        for (long i = 0; i < n; ++i) {
            const std::uint32_t e = ready[i].events;
            const bool over = (e & (std::uint32_t{EPOLLERR} | EPOLLHUP)) != 0;
            out[i] = {ready[i].data.u64, over || (e & EPOLLIN) != 0, over || (e & EPOLLOUT) != 0};
        }
        return static_cast<int>(n);
    }

    /// In the child after fork: kernel objects of its own, with nothing registered and the gate
    /// open.
    void recreate() {
        alarm_.reset();
        kick_.reset();
        outer_.reset();
        inner_.reset();
        open();
    }

    /// For a loop that sleeps on fd(): makes set_alarm() possible. 0 or -errno.
    long open_alarm() {
        const long made = os::timerfd();
        if (made < 0) return made;
        alarm_ = os::unique_fd(static_cast<int>(made));
        static_cast<void>(os::move_above_stdio(alarm_));
        return add(alarm_.get(), alarm_token, interest::read);
    }

    /// From that moment on fd() is readable, and wait() returns at once, until the alarm is set
    /// anew.
    void set_alarm(instant at) noexcept { static_cast<void>(os::timerfd_set(alarm_.get(), at)); }

    /// Readable while wait() would not sleep.
    int fd() const noexcept { return inner_.get(); }

    /// Lets wait_gate() see what is ready; wakes it at once if something is.
    void open_gate() noexcept { set_gate(EPOLLIN); }

    /// Hides what is ready from wait_gate().
    void close_gate() noexcept { set_gate(0); }

    /// Makes wait_gate() return once, now or at its next call, whatever the gate's state.
    void kick_gate() noexcept {
        const std::uint64_t one = 1;
        static_cast<void>(os::write(kick_.get(), &one, sizeof one));
    }

    /// Sleeps until the gate is open and something is ready, or until a kick: true. False on
    /// timeout (ns; negative: no limit).
    bool wait_gate(duration_ns timeout) {
        ::epoll_event ready[2];
        return os::epoll_wait(outer_.get(), ready, 2, timeout) > 0;
    }
};

/// The policy that uses epoll(7), eventfd(2), futex(2) and pidfd_open(2).
struct epoll : posix {
    using poller = epoll_poller;
};

static_assert(policy<epoll>);
static_assert(std::is_empty_v<epoll>);

#endif

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
