// SPDX-License-Identifier: BSL-1.0
#pragma once
// output_of.hpp: runs a program for what it prints.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/poll.hpp>
#include <mitogen/os/process/kill_on_destroy_process.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/os/stdio/stdio.hpp>
#include <mitogen/os/user/credentials.hpp>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// What a program printed, at most so much of it as the function that ran it takes, and how it
/// ended.
struct printed {
    std::string text{};
    exit_status status{};
};

/// Runs it with nothing to read; its stderr is ours. At most 64 KiB of what it prints is kept. It
/// dies with this process, which must have no other threads: it is a copy first. Blocks: until it
/// has ended.
inline result<printed> output_of(const std::vector<std::string>& argv) {
    constexpr std::size_t most = 65536;
    unique_fd in;
    unique_fd out;
    long rc = pipe(in, out);
    if (rc < 0) return failure("pipe", rc);
    [[maybe_unused]] const ::pid_t self = ::getpid();
    rc = checked("fork", -1, [] { return ::fork(); });
    if (rc < 0) return failure("fork", rc);
    if (rc == 0) {
#if defined(__linux__)
        static_cast<void>(::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0));
        if (::getppid() != self) ::_exit(127); // it has ended before it was asked for
#endif
        put_null(0);
        if (dup_to(out.get(), 1) < 0 || execute(argv) < 0) ::_exit(127);
    }
    kill_on_destroy_process runs(static_cast<::pid_t>(rc));
    out.reset();
    printed p;
    char block[512];
    for (long n = 0; (n = read(in.get(), block, sizeof block)) > 0;)
        if (p.text.size() < most) p.text.append(block, static_cast<std::size_t>(n));
    p.status = runs.wait();
    return p;
}

/// How much a program may take.
struct output_limits {
    std::size_t bytes = 65536;
    duration_ns patience = 5'000'000'000;
};

namespace detail {

// Appends until the other end closes the pipe (true), or a limit is reached.
inline bool read_until(int fd, std::size_t most, instant deadline, std::string& text) {
    char block[4096];
    while (text.size() < most) {
        const duration_ns left = deadline - monotonic_now();
        if (left <= 0) return false;
        ::pollfd ready{fd, POLLIN, 0};
        const long rc = os::poll(&ready, 1, left);
        if (rc < 0) return false;
        if (rc == 0) continue; // a signal, or the deadline
        const long n = read(fd, block, std::min(sizeof block, most - text.size()));
        if (n <= 0) return n == 0;
        text.append(block, static_cast<std::size_t>(n));
    }
    return false;
}

} // namespace detail

/// Runs a program for what it prints, while this one goes on: `options` without descriptors. It has
/// nothing to read, and its stderr goes nowhere. At a limit it is killed, with its process group:
/// the result is what has come until then, and its status says SIGKILL.
///
/// Errors: as spawn(). Threads: as spawn(). Blocks: until it has ended, or for `patience`.
template <class = void> // compiled where it is used
MITOGEN_COLD result<printed> output_within(spawn_options options,
                                                  const output_limits& most) {
    constexpr duration_ns look_again = 10'000'000; // where the end of a process can't be polled
    const instant deadline = monotonic_now() + most.patience;
    unique_fd in;
    unique_fd out;
    long rc = pipe(in, out);
    if (rc < 0) return failure("pipe", rc);
    const unique_fd nowhere(static_cast<int>(rc = open("/dev/null", O_WRONLY)));
    if (rc < 0) return failure("open(/dev/null)", rc);
    options.out = out.get();
    options.err = nowhere.get();
    options.new_process_group = true;
    auto runs = spawn(options);
    if (!runs) return runs.error();
    out.reset();
    printed p;
    if (detail::read_until(in.get(), most.bytes, deadline, p.text)) {
        while (!runs->try_wait_group()) {
            const duration_ns left = deadline - monotonic_now();
            if (left <= 0) break;
            ::pollfd ended{runs->poll_fd(), POLLIN, 0};
            static_cast<void>(
                os::poll(&ended, 1, ended.fd < 0 ? std::min(left, look_again) : left));
        }
    }
    static_cast<void>(runs->signal_group(SIGKILL)); // nothing, if it is reaped
    p.status = runs->wait();
    return p;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
