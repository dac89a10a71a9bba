// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_guard.hpp: a process that ends a process group when this process is no more.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/command/start_program.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/process/kill_on_destroy_process.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Ends a process group, by SIGTERM and a second later SIGKILL, if this process ends while the
/// guard lives, however that comes about: a shell that waits for the end of a pipe. A copy of this
/// process would hold its memory.
///
/// Threads: one at a time. Blocks: never for long.
class group_guard {
    unique_fd line_; // closed by the end of this process; the guard goes before it
    kill_on_destroy_process process_;

public:
    /// 0 or -errno: where there is no shell there is no guard.
    template <class = void> // compiled where it is used
    MITOGEN_COLD long begin() {
        unique_fd theirs;
        long rc = pipe(theirs, line_);
        if (rc < 0) return rc;
        program_start shell;
        shell.argv = {"/bin/sh", "-c",
                      "read -r group || exit 0\n"
                      "read -r never\n"
                      "kill -s TERM -- \"-$group\" || exit 0\n"
                      "sleep 1\n"
                      "kill -s KILL -- \"-$group\"\n"};
        shell.in = theirs.get();
        program_started started = start_program(shell);
        if (started.rc < 0) line_.reset();
        process_ = std::move(started.process);
        return started.rc;
    }

    /// Where the number of the group is announced: program_start::announce. -1: there is no guard.
    int line() const noexcept { return line_.get(); }
};

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
