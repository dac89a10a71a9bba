// SPDX-License-Identifier: BSL-1.0
#pragma once
// process.hpp: starts a program as a child process, in the 300 µs that posix_spawn takes whatever
// the size of this process.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/process/detached_children.hpp>
#include <mitogen/os/process/kill_on_destroy_process.hpp>
#include <mitogen/os/program/executable.hpp>

#include <array>
#include <cerrno>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <unistd.h>

#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) ||   \
    defined(__DragonFly__)
extern "C" char** environ; // glibc and musl declare it; the BSDs want the program to
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// What to start, and with what.
struct spawn_options {
    /// the program as an open file (a binary, no script); before `path` if it is not -1
    int executable_fd = -1;
    /// the program; searched for in PATH if it contains no slash
    std::string path{};
    std::vector<std::string> argv{}; ///< all arguments, the zeroth included; empty: { path }
    /// on top of this process's own: "NAME=VALUE" sets, "NAME" removes
    std::vector<std::string> environment{};
    int in = -1; ///< becomes descriptor 0; -1: /dev/null
    /// becomes descriptor 1; -1: inherited (/dev/null if this process has none)
    int out = -1;
    int err = -1; ///< becomes descriptor 2; -1: as `out`
    /// so that a terminal's SIGINT reaches only the root of the tree
    bool new_process_group = true;
    /// path of a terminal that nobody has: becomes descriptor 2 in place of `err`, and the terminal
    /// of a session of its own
    std::string terminal{};
};

namespace detail {

class spawn_actions {
    ::posix_spawn_file_actions_t actions_;
    int rc_;

public:
    spawn_actions() noexcept : rc_(::posix_spawn_file_actions_init(&actions_)) {}
    spawn_actions(const spawn_actions&) = delete;
    spawn_actions& operator=(const spawn_actions&) = delete;
    ~spawn_actions() { static_cast<void>(::posix_spawn_file_actions_destroy(&actions_)); }

    void dup(int from, int to) {
        if (rc_ == 0) rc_ = ::posix_spawn_file_actions_adddup2(&actions_, from, to);
    }
    void open_null(int to) {
        if (rc_ == 0)
            rc_ = ::posix_spawn_file_actions_addopen(&actions_, to, "/dev/null",
                                                     to == 0 ? O_RDONLY : O_WRONLY, 0);
    }
    // By a session's leader without a terminal: makes it the session's.
    void open_terminal(const char* path, int to) {
        if (rc_ == 0) rc_ = ::posix_spawn_file_actions_addopen(&actions_, to, path, O_RDWR, 0);
    }
    int rc() const noexcept { return rc_; }
    const ::posix_spawn_file_actions_t* get() const noexcept { return &actions_; }
};

class spawn_attributes {
    ::posix_spawnattr_t attributes_;
    int rc_;

public:
    MITOGEN_COLD
    explicit spawn_attributes(const spawn_options& options) noexcept
        : rc_(::posix_spawnattr_init(&attributes_)) {
        ::sigset_t none;
        ::sigset_t defaults;
        ::sigemptyset(&none);
        ::sigemptyset(&defaults);
        ::sigaddset(&defaults, SIGPIPE);
        ::sigaddset(&defaults, SIGCHLD);
        int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
        if (options.terminal.empty()) {
            if (options.new_process_group) flags |= POSIX_SPAWN_SETPGROUP; // group 0: its own
        } else {
#if defined(POSIX_SPAWN_SETSID)
            flags |= POSIX_SPAWN_SETSID; // which is a new group as well
#else
            if (rc_ == 0) rc_ = ENOTSUP;
#endif
        }
        if (rc_ == 0) rc_ = ::posix_spawnattr_setsigmask(&attributes_, &none);
        if (rc_ == 0) rc_ = ::posix_spawnattr_setsigdefault(&attributes_, &defaults);
        if (rc_ == 0) rc_ = ::posix_spawnattr_setpgroup(&attributes_, 0);
        if (rc_ == 0) rc_ = ::posix_spawnattr_setflags(&attributes_, static_cast<short>(flags));
    }
    spawn_attributes(const spawn_attributes&) = delete;
    spawn_attributes& operator=(const spawn_attributes&) = delete;
    ~spawn_attributes() { static_cast<void>(::posix_spawnattr_destroy(&attributes_)); }

    int rc() const noexcept { return rc_; }
    const ::posix_spawnattr_t* get() const noexcept { return &attributes_; }
};

// A path under which an open file can be executed; empty if there is none. `name`: where it may
// lie.
MITOGEN_COLD
inline std::string path_of_descriptor(int fd, [[maybe_unused]] const std::string& name = {}) {
#if defined(__APPLE__) && defined(F_GETPATH)
    char path[1024] = {}; // MAXPATHLEN, which F_GETPATH demands
    return ::fcntl(fd, F_GETPATH, path) < 0 ? "/dev/fd/" + std::to_string(fd) : std::string(path);
#elif defined(__linux__)
    // resolved by the child, before its close-on-exec sweep
    const std::string here = "/proc/self/fd/" + std::to_string(fd);
    if (::access(here.c_str(), F_OK) == 0) return here;
    for (const std::string& path : {name, self_path()}) {
        const unique_fd there(static_cast<int>(os::open(path.c_str(), O_RDONLY | O_NONBLOCK)));
        if (there && same_file(there.get(), fd)) // without a slash it would be searched for
            return path.find('/') == std::string::npos ? "./" + path : path;
    }
    return {};
#else
    return "/dev/fd/" + std::to_string(fd); // needs fdescfs for numbers above 2
#endif
}

inline std::string_view name_of_variable(std::string_view entry) {
    return entry.substr(0, entry.find('='));
}

MITOGEN_COLD inline std::vector<char*> merged_environment(const std::vector<std::string>& changes) {
    std::vector<char*> out;
    for (char** e = environ; e && *e; ++e) {
        bool changed = false;
        for (const auto& c : changes)
            changed = changed || name_of_variable(c) == name_of_variable(*e);
        if (!changed) out.push_back(*e);
    }
    for (const auto& c : changes) {
        if (c.find('=') != std::string::npos) out.push_back(const_cast<char*>(c.c_str()));
    }
    out.push_back(nullptr);
    return out;
}

// Plans what becomes 0, 1 and 2. Whatever lies at 0 to 2 now is duplicated above first (into
// `kept`): the child's dup2() calls run one after the other, so that in=1, out=0 would otherwise
// lose one of them. Returns what failed, or an empty text.
MITOGEN_COLD
inline std::string plan_stdio(const spawn_options& options, spawn_actions& actions,
                              std::array<unique_fd, 4>& kept, long& rc) {
    static constexpr const char* names[3] = {"standard input", "standard output", "standard error"};
    const int wanted[3] = {options.in, options.out, options.err};
    for (int to = 0; to < 3; ++to) {
        int from = wanted[to];
        if (to == 2 && !options.terminal.empty()) {
            actions.open_terminal(options.terminal.c_str(), to);
            continue;
        }
        if (from < 0 && to == 0) {
            actions.open_null(0);
            continue;
        }
        const long flags = descriptor_flags(from < 0 ? to : from);
        if (from < 0) {
            // else the first file that the child opens would become its stdout
            if (flags == -EBADF) actions.open_null(to);
            if (flags != FD_CLOEXEC) continue; // inherited as it is
            from = to;
        }
        rc = flags;
        if (rc >= 0 && from <= 2) rc = dup_above(from, 3);
        if (rc < 0) return std::string(names[to]) + " from descriptor " + std::to_string(from);
        if (from <= 2) {
            kept[static_cast<std::size_t>(to)].reset(static_cast<int>(rc));
            from = static_cast<int>(rc);
        }
        actions.dup(from, to);
    }
    return {};
}

} // namespace detail

/// Starts a program. It begins with an empty signal mask, SIGPIPE and SIGCHLD at their defaults,
/// and every descriptor of ours that is not close-on-exec; the descriptors named in the options may
/// be any, 0 to 2 and each other's targets included.
///
/// Errors: reason::system (or overloaded: out of descriptors or memory); the text names the program
/// and says why it can't run. Threads: any; not while another thread changes the environment.
/// Blocks: until the child has executed the program (about 300 µs).
MITOGEN_COLD inline result<kill_on_destroy_process> spawn(const spawn_options& options) {
    reap_detached_children();
    std::array<unique_fd, 4> kept;
    const std::string shown = !options.path.empty()  ? options.path
                              : options.argv.empty() ? "a descriptor"
                                                     : options.argv[0];
    std::string path = options.path;
    if (options.executable_fd >= 0) {
        int fd = options.executable_fd;
        if (fd <= 2) { // would be overwritten by the child's own 0, 1 or 2
            const long rc = dup_above(fd, 3);
            if (rc < 0) return failure("spawn(" + shown + "), executable", rc, fd);
            kept[3].reset(fd = static_cast<int>(rc));
        }
        path = detail::path_of_descriptor(fd, options.path);
        if (path.empty()) {
            return error(reason::system,
                         "spawn(" + shown +
                             "): where no /proc is mounted only a program that has a name can be "
                             "executed; mount it, or let the program be kept there (keep_program)");
        }
    }
    detail::spawn_actions actions;
    const detail::spawn_attributes attributes(options);
    long rc = 0;
    if (const std::string what = detail::plan_stdio(options, actions, kept, rc); !what.empty()) {
        return failure("spawn(" + shown + "), " + what, rc);
    }
    const int prepared = actions.rc() != 0 ? actions.rc() : attributes.rc();
    if (prepared != 0) return failure("spawn(" + shown + ")", -prepared);

    std::vector<char*> argv;
    for (const auto& a : options.argv) argv.push_back(const_cast<char*>(a.c_str()));
    // hardened kernels refuse an empty argument list
    if (argv.empty()) argv.push_back(const_cast<char*>(shown.c_str()));
    argv.push_back(nullptr);
    std::vector<char*> changed;
    if (!options.environment.empty()) changed = detail::merged_environment(options.environment);
    char** const variables = changed.empty() ? environ : changed.data();

    ::pid_t pid = -1;
    rc = checked("posix_spawn", options.executable_fd, [&] {
        errno = ::posix_spawnp(&pid, path.c_str(), actions.get(), attributes.get(), argv.data(),
                               variables);
        return errno == 0 ? 0 : -1;
    });
    if (rc < 0) return failure("spawn(" + shown + ")", rc);
    return kill_on_destroy_process(pid);
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
