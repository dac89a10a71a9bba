// SPDX-License-Identifier: BSL-1.0
#pragma once
// start_program.hpp: starts somebody else's program as a login shell would: with nothing of this
// process but what it is given.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/process/detached_children.hpp>
#include <mitogen/os/process/kill_on_destroy_process.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/os/process/signal.hpp>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>
#if defined(__linux__)
#include <sys/syscall.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// What to start, and with what.
struct program_start {
    /// all arguments; the first one is the program, searched for in PATH if it contains no slash
    std::vector<std::string> argv{};
    /// "NAME=VALUE" sets, "NAME" removes
    std::vector<std::string> environment{};
    bool inherit_environment = true; ///< on top of this process's own
    std::string directory{};         ///< empty: this process's own
    /// become descriptors 0, 1 and 2; -1: /dev/null
    int in = -1;
    int out = -1;
    int err = -1;
    /// path of a terminal that nobody has: all three, and that of a session of its own
    std::string terminal{};
    /// if not -1: its process id and a newline are written there before anything of it runs
    int announce = -1;
};

/// What has come of it.
struct program_started {
    enum class step : int { none, directory, stdio, program };

    kill_on_destroy_process process{}; ///< empty if it could not be started
    step failed = step::none;          ///< where that failed; none: there is no process
    long rc = 0;                       ///< -errno of that; 0: it runs
};

namespace detail {

// Everything that the new process needs until it executes the program: nothing may be allocated
// there, as it has the memory of this one.
struct start_plan {
    char* const* argv;
    char* const* variables;
    char* const* candidates; // paths that the program may have; null at the end
    const char* directory;   // or null
    const char* terminal;    // or null
    int stdio[3];
    int announce;
    int report; // where a start_failure is written
};
struct start_failure {
    int step;
    int number;
};

[[noreturn]] inline void give_up_start(const start_plan& plan, program_started::step at) noexcept {
    const start_failure why{static_cast<int>(at), errno};
    static_cast<void>(!::write(plan.report, &why, sizeof why));
    ::_exit(127);
}

inline void default_signals() noexcept {
    struct ::sigaction usual {};
    usual.sa_handler = SIG_DFL;
    for (int s = 1; s < 65; ++s)
        if (s != SIGKILL && s != SIGSTOP) static_cast<void>(::sigaction(s, &usual, nullptr));
    ::sigset_t none;
    ::sigemptyset(&none);
    static_cast<void>(::pthread_sigmask(SIG_SETMASK, &none, nullptr));
}

// All but 0 to 2 are closed when the program is executed.
inline void close_on_exec_above_stdio() noexcept {
#if defined(__linux__) && defined(SYS_close_range)
    constexpr unsigned on_exec = 4; // CLOSE_RANGE_CLOEXEC
    if (::syscall(SYS_close_range, 3U, ~0U, on_exec) == 0) return;
#endif
    long most = ::sysconf(_SC_OPEN_MAX);
    if (most < 0 || most > 65536) most = 65536;
    for (int fd = 3; fd < most; ++fd) static_cast<void>(::fcntl(fd, F_SETFD, FD_CLOEXEC));
}

inline void announce_self(int to) noexcept {
    char text[24];
    char* at = text + sizeof text;
    *--at = '\n';
    for (::pid_t left = ::getpid(); left > 0; left /= 10)
        *--at = static_cast<char>('0' + left % 10);
    static_cast<void>(!::write(to, at, static_cast<std::size_t>(text + sizeof text - at)));
}

[[noreturn]] inline void become_program(const start_plan& plan) noexcept {
    using step = program_started::step;
    static_cast<void>(plan.terminal ? ::setsid() : static_cast<::pid_t>(::setpgid(0, 0)));
    if (plan.announce >= 0) announce_self(plan.announce);
    default_signals();
    for (int to = 0; to < 3; ++to) {
        int from = plan.stdio[to];
        if (from < 0)
            from = ::open(plan.terminal ? plan.terminal : "/dev/null", O_RDWR);
        if (from < 0) give_up_start(plan, step::stdio);
#if defined(TIOCSCTTY)
        if (plan.terminal) static_cast<void>(::ioctl(from, TIOCSCTTY, 0));
#endif
        if (::dup2(from, to) < 0) give_up_start(plan, step::stdio);
    }
    close_on_exec_above_stdio();
    if (plan.directory && ::chdir(plan.directory) != 0) give_up_start(plan, step::directory);
    int why = ENOENT;
    for (char* const* path = plan.candidates; *path; ++path) {
        static_cast<void>(::execve(*path, plan.argv, plan.variables));
        // as a shell: one that may not be executed counts if no other is found
        if (errno != ENOENT && errno != ENOTDIR) why = errno;
        if (errno != ENOENT && errno != ENOTDIR && errno != EACCES) break;
    }
    errno = why;
    give_up_start(plan, step::program);
}

// Where a process has the memory of this one until it executes something; this thread waits.
#if defined(__linux__) && !MITOGEN_TSAN
inline constexpr bool start_shares_memory = true;
[[gnu::noinline]] inline ::pid_t start_process(const start_plan& plan) noexcept {
    const ::pid_t pid = ::vfork();
    if (pid == 0) become_program(plan);
    return pid;
}
#else
inline constexpr bool start_shares_memory = false;
[[gnu::noinline]] inline ::pid_t start_process(const start_plan& plan) noexcept {
    const ::pid_t pid = ::fork();
    if (pid == 0) become_program(plan);
    return pid;
}
#endif

inline std::vector<char*> pointers_to(const std::vector<std::string>& texts) {
    std::vector<char*> all;
    for (const std::string& t : texts) all.push_back(const_cast<char*>(t.c_str()));
    all.push_back(nullptr);
    return all;
}

// Where a program of that name may lie, as execvp(3) has it.
MITOGEN_COLD inline std::vector<std::string> paths_of(const std::string& program,
                                                      const std::vector<char*>& variables) {
    if (program.empty() || program.find('/') != std::string::npos) return {program};
    std::string_view path = "/usr/local/bin:/usr/bin:/bin";
    for (const char* v : variables)
        if (v && std::string_view(v).substr(0, 5) == "PATH=") path = std::string_view(v).substr(5);
    std::vector<std::string> all;
    for (;;) {
        const std::size_t end = path.find(':');
        const std::string_view one = path.substr(0, end);
        all.push_back((one.empty() ? "." : std::string(one)) + "/" + program);
        if (end == std::string_view::npos) return all;
        path.remove_prefix(end + 1);
    }
}

} // namespace detail

/// Starts a program in a process group of its own, or in a session with `terminal`: no signal
/// blocked or ignored, no descriptor but 0 to 2. The memory of this process is not copied.
///
/// Threads: any; not while another thread changes the environment. Blocks: until the program is
/// executed.
template <class = void> // compiled where it is used
MITOGEN_COLD program_started start_program(const program_start& what) {
    reap_detached_children();
    program_started made;
    const std::vector<char*> argv = detail::pointers_to(what.argv);
    std::vector<std::string> only;
    if (!what.inherit_environment)
        for (const std::string& v : what.environment)
            if (v.find('=') != std::string::npos) only.push_back(v);
    const std::vector<char*> variables = what.inherit_environment
                                             ? detail::merged_environment(what.environment)
                                             : detail::pointers_to(only);
    const std::vector<std::string> paths =
        detail::paths_of(what.argv.empty() ? std::string() : what.argv.front(), variables);
    const std::vector<char*> candidates = detail::pointers_to(paths);

    unique_fd heard;
    unique_fd report;
    made.rc = pipe(heard, report);
    if (made.rc >= 0) made.rc = move_above_stdio(report);
    // there it has been written before this thread goes on
    if (made.rc >= 0 && detail::start_shares_memory) made.rc = set_nonblocking(heard.get(), true);
    unique_fd kept[4]; // what lies at 0 to 2, where it would be overwritten
    detail::start_plan plan{argv.data(),
                            variables.data(),
                            candidates.data(),
                            what.directory.empty() ? nullptr : what.directory.c_str(),
                            what.terminal.empty() ? nullptr : what.terminal.c_str(),
                            {what.in, what.out, what.err},
                            what.announce,
                            report.get()};
    int* const wanted[4] = {&plan.stdio[0], &plan.stdio[1], &plan.stdio[2], &plan.announce};
    for (int i = 0; i < 4 && made.rc >= 0; ++i) {
        if (*wanted[i] < 0 || *wanted[i] > 2) continue;
        made.rc = dup_above(*wanted[i], 3);
        kept[i].reset(*wanted[i] = static_cast<int>(made.rc));
    }
    if (made.rc < 0) return made;
    {
        const block_all_signals quiet; // a handler of ours must not run there
        made.rc = checked("fork", -1, [&] { return detail::start_process(plan); });
    }
    if (made.rc < 0) return made;
    made.process = kill_on_destroy_process(static_cast<::pid_t>(made.rc));
    made.rc = 0;
    report.reset();
    detail::start_failure why{};
    if (read(heard.get(), &why, sizeof why) != static_cast<long>(sizeof why)) return made;
    static_cast<void>(made.process.wait());
    made.process.forget();
    made.failed = static_cast<program_started::step>(why.step);
    made.rc = -why.number;
    return made;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
