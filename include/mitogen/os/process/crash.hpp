// SPDX-License-Identifier: BSL-1.0
#pragma once
// crash.hpp: saves what a process has printed into a pipe that it reads itself, when a fault or
// abort() ends it.

#include <mitogen/base/config.hpp>

#include <atomic>
#include <cstddef>

#include <poll.h>
#include <signal.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

/// What is to be saved. Read by a signal handler.
struct crash_state {
    std::atomic<int> fd{-1};
    std::atomic<int> pid{0}; // a copy of this process does not read the pipe
    std::atomic<const std::atomic<bool>*> busy{nullptr};
    std::atomic<bool> handled{false};
    /// says where it was, if anybody asks: see os/crash/crash_report.hpp
    std::atomic<void (*)(int number, const ::siginfo_t* info) noexcept> report{nullptr};
};
inline constinit crash_state at_crash{};

/// What a thread of the library does first, if anything.
inline constinit std::atomic<void (*)() noexcept> at_thread_begin{nullptr};

/// Waits without what a signal handler may not call.
inline bool wait_in_handler(int fd, short events, int milliseconds) noexcept {
    ::pollfd ready{fd, events, 0};
    return ::poll(&ready, fd >= 0 ? 1 : 0, milliseconds) == 1;
}

/// Moves what is in the pipe to standard error, which the parent reads to its end. What a thread
/// has taken out of it gets a moment to be sent. In a signal handler.
inline void save_printed() noexcept {
    constexpr int most_waits = 100; // of a millisecond: that thread may need what is held here
    constexpr int most_reads = 256; // a megabyte: others may print for ever
    constexpr int patience = 1000;  // ms
    const int fd = at_crash.fd.load();
    if (fd < 0 || at_crash.pid.load() != ::getpid()) return;
    char bytes[4096]; // a pipe that is ready takes as much
    for (int i = 0; i < most_reads && wait_in_handler(fd, POLLIN, 0); ++i) {
        const ::ssize_t n = ::read(fd, bytes, sizeof bytes);
        if (n <= 0) break;
        if (!wait_in_handler(2, POLLOUT, patience)) return;
        if (::write(2, bytes, static_cast<std::size_t>(n)) < 0) return;
    }
    for (int i = 0; i < most_waits && at_crash.busy.load()->load(); ++i)
        static_cast<void>(wait_in_handler(-1, 0, 1));
}

/// The process ends by the same signal as it would have without this.
inline void on_crash(int number, ::siginfo_t* info, void*) noexcept {
    save_printed();
    if (const auto report = at_crash.report.load()) report(number, info);
    // else the fault comes again by itself
    if (!info || info->si_code <= 0) static_cast<void>(::raise(number));
}

/// Signals for which the program has a handler, or that it ignores, stay as they are.
inline void handle_crashes() noexcept {
    for (const int number : {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE}) {
        struct ::sigaction now {};
        if (::sigaction(number, nullptr, &now) != 0 || (now.sa_flags & SA_SIGINFO) ||
            now.sa_handler != SIG_DFL)
            continue;
        ::sigemptyset(&now.sa_mask);
        now.sa_flags = static_cast<int>(SA_SIGINFO | SA_RESETHAND | SA_ONSTACK);
        now.sa_sigaction = &on_crash;
        static_cast<void>(::sigaction(number, &now, nullptr));
    }
}

} // namespace detail

/// From now on what is in the pipe behind `fd`, nonblocking, goes to standard error if a fault or
/// abort() ends this process; `busy` is true while a thread is about to send what it has read
/// there. -1: nothing. Both must stay until then. Threads: one.
inline void save_at_crash(int fd, const std::atomic<bool>* busy) noexcept {
    detail::at_crash.fd.store(-1);
    detail::at_crash.busy.store(busy);
    detail::at_crash.pid.store(::getpid());
    detail::at_crash.fd.store(fd);
    if (fd >= 0 && !detail::at_crash.handled.exchange(true)) detail::handle_crashes();
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
