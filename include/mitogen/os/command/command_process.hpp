// SPDX-License-Identifier: BSL-1.0
#pragma once
// command_process.hpp: a command with its process group: nothing of it outlives its owner, by
// whatever way that ends.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/command/group_guard.hpp>
#include <mitogen/os/command/start_program.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/poll.hpp>
#include <mitogen/os/process/kill_on_destroy_process.hpp>
#include <mitogen/os/pty.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <string>
#include <utility>

#include <dirent.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

/// Of a line of /proc/PID/stat: true if it is one of that group that is not a zombie.
inline bool runs_in_group(const std::string& stat, ::pid_t group) {
    const std::size_t name_end = stat.rfind(')'); // the name may hold anything
    if (name_end == std::string::npos || name_end + 4 > stat.size()) return false;
    char* rest = nullptr;
    const char state = stat[name_end + 2];
    static_cast<void>(std::strtol(stat.c_str() + name_end + 3, &rest, 10)); // its parent
    return std::strtol(rest, nullptr, 10) == group && state != 'Z' && state != 'X';
}

} // namespace detail

/// True if something of a process group runs. Zombies count where there is no /proc; elsewhere they
/// do not, as there are machines whose first process reaps none.
template <class = void> // compiled where it is used
MITOGEN_COLD bool group_runs(::pid_t group) {
    if (::kill(-group, 0) != 0 && errno == ESRCH) return false;
#if defined(__linux__)
    ::DIR* const all = ::opendir("/proc");
    if (!all) return true;
    bool runs = false;
    bool any = false;
    while (const ::dirent* entry = ::readdir(all)) {
        if (entry->d_name[0] < '1' || entry->d_name[0] > '9') continue;
        any = true;
        const std::string stat =
            small_file(("/proc/" + std::string(entry->d_name) + "/stat").c_str());
        if ((runs = detail::runs_in_group(stat, group))) break;
    }
    ::closedir(all);
    return runs || !any;
#else
    return true;
#endif
}

/// How a command is started, beside what program_start says.
struct command_stdio {
    bool input = false; ///< it has something to read
    bool pty = false;
};

/// A command that runs. Its destructor ends its process group: SIGTERM, a grace, SIGKILL; a guard
/// does so if this process is gone.
///
/// Threads: one at a time. Blocks: only the destructor, of one that is not over, until it is.
class command_process {
    group_guard guard_;
    kill_on_destroy_process process_;
    unique_fd in_;
    unique_fd out_;
    unique_fd err_;
    ::pid_t group_ = -1;
    std::optional<exit_status> status_;
    bool leaves_ = false;
    bool over_ = true;
    instant kill_at_ = never;
    instant give_up_at_ = never;
    duration_ns look_again_ = first_look;

    static constexpr duration_ns first_look = 2'000'000;
    static constexpr duration_ns last_look = 50'000'000;

    bool has_ended() {
        ::siginfo_t ended{};
        const long rc = checked("waitid", -1, [&] {
            return ::waitid(P_PID, static_cast<::id_t>(process_.pid()), &ended,
                            WEXITED | WNOHANG | WNOWAIT);
        });
        return rc < 0 || ended.si_pid == process_.pid();
    }

    void signal_group(int number) noexcept { static_cast<void>(::kill(-group_, number)); }

    long open_pipes(program_start& what, const command_stdio& how, unique_fd (&theirs)[3]) {
        long rc = pipe(out_, theirs[1]);
        if (rc >= 0) rc = pipe(err_, theirs[2]);
        if (rc >= 0 && how.input) rc = pipe(theirs[0], in_);
        what.in = theirs[0].get();
        what.out = theirs[1].get();
        what.err = theirs[2].get();
        return rc;
    }

    long open_terminal(program_start& what, unique_fd& terminal) {
        pty made;
        long rc = open_pty(made);
        if (rc < 0) return rc;
        const ::winsize size{24, 80, 0, 0};
        static_cast<void>(::ioctl(made.master.get(), TIOCSWINSZ, &size));
        rc = dup_above(made.master.get(), 3);
        in_.reset(static_cast<int>(rc));
        out_ = std::move(made.master);
        terminal = std::move(made.terminal);
        what.terminal = made.path;
        return rc;
    }

public:
    static constexpr duration_ns grace = 2'000'000'000; ///< from SIGTERM to SIGKILL

    command_process() = default;
    command_process(command_process&&) = delete;
    ~command_process() {
        if (over_) return;
        end(monotonic_now());
        while (!step(monotonic_now()))
            static_cast<void>(poll(nullptr, 0, std::min(look_again(), first_look)));
    }

    /// Starts it. With program_started::failed: it could not be.
    template <class = void> // compiled where it is used
    MITOGEN_COLD program_started::step begin(program_start what, const command_stdio& how,
                                             bool leaves, long& rc) {
        unique_fd theirs[3];
        rc = how.pty ? open_terminal(what, theirs[0]) : open_pipes(what, how, theirs);
        for (const unique_fd* ours : {&in_, &out_, &err_})
            if (rc >= 0 && *ours) rc = set_nonblocking(ours->get(), true);
        if (rc < 0) return program_started::step::stdio;
        static_cast<void>(guard_.begin()); // where there is no shell there is none
        what.announce = guard_.line();
        program_started started = start_program(what);
        rc = started.rc;
        if (rc < 0) return started.failed;
        process_ = std::move(started.process);
        group_ = process_.pid();
        leaves_ = leaves;
        over_ = false;
        return program_started::step::none;
    }

    /// This end of its standard input, output and error. With a pty there is no error.
    unique_fd& in() noexcept { return in_; }
    unique_fd& out() noexcept { return out_; }
    unique_fd& err() noexcept { return err_; }

    /// Readable when step() has something to do; -1: see look_again().
    int poll_fd() const noexcept { return process_.poll_fd(); }
    /// After how long step() is to be called again, whatever happens; never: poll_fd() says it.
    duration_ns look_again() const noexcept {
        if (over_) return never;
        return !status_ && poll_fd() >= 0 ? never : look_again_;
    }
    /// The moment at which it does so although nothing happens.
    instant due() const noexcept { return over_ ? never : std::min(kill_at_, give_up_at_); }

    /// Ends it and its group, also if that was to be left. Again: nothing happens.
    void end(instant now) noexcept {
        leaves_ = false;
        if (over_ || kill_at_ != never || give_up_at_ != never) return;
        signal_group(SIGTERM);
        signal_group(SIGCONT); // one that is stopped does not hear
        kill_at_ = mitogen::detail::after(now, grace);
    }

    /// Does what is due. True once it is reaped and nothing of its group runs.
    bool step(instant now) {
        if (over_) return true;
        if (!status_ && has_ended()) {
            if (!leaves_) end(now); // as long as it is not reaped the number is its own
            status_ = process_.try_wait();
        }
        if (kill_at_ <= now) {
            signal_group(SIGKILL);
            kill_at_ = never;
            give_up_at_ = mitogen::detail::after(now, grace);
        }
        if (!status_) return false;
        over_ = leaves_ || !group_runs(group_) || give_up_at_ <= now;
        look_again_ = std::min(look_again_ * 2, last_look);
        return over_;
    }

    /// How it has ended, once it has.
    const std::optional<exit_status>& status() const noexcept { return status_; }
};

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
