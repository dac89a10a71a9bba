// SPDX-License-Identifier: BSL-1.0
#pragma once
// output_of.hpp: runs a program for what it prints.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/process/kill_on_destroy_process.hpp>
#include <mitogen/os/stdio/stdio.hpp>
#include <mitogen/os/user/credentials.hpp>

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <signal.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/prctl.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// What a program printed, at most 64 KiB of it, and how it ended.
struct printed {
    std::string text{};
    exit_status status{};
};

/// Runs it with nothing to read; its stderr is ours. It dies with this process, which must have no
/// other threads: it is a copy first. Blocks: until it has ended.
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

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
