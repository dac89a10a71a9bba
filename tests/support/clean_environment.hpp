// SPDX-License-Identifier: BSL-1.0
#pragma once
// clean_environment.hpp: what a process inherits, made the same for all who run the tests.

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <dirent.h>
#include <fcntl.h>
#include <pwd.h>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>
#include <vector>

extern char** environ;

namespace support {

/// Where tests and what they start look for programs: not if somebody has put wrappers first.
inline constexpr const char* clean_path =
    "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Whether a variable is said to the tests: to their options, a sanitizer, a profiler, or the
/// loader, which has obeyed already.
inline bool is_meant_for_tests(std::string_view name) {
    return name.starts_with("MITOGEN_") || name.ends_with("SAN_OPTIONS") ||
           name.starts_with("LD_") || name == "LLVM_PROFILE_FILE" ||
           name.starts_with("GCOV_PREFIX");
}

/// Opens /dev/null as each of 0, 1 and 2 that is closed: else the next file that is opened becomes
/// one of them. Call it first thing in main().
inline void open_standard_descriptors() {
    for (int fd = ::open("/dev/null", O_RDWR); fd >= 0; fd = ::open("/dev/null", O_RDWR)) {
        if (fd <= 2) continue;
        ::close(fd);
        return;
    }
}

/// PATH, HOME (until there is a private one), user, language, terminal; no variable besides that is
/// not meant for tests.
inline void clean_variables() {
    std::vector<std::pair<std::string, std::string>> kept;
    for (char** each = environ; *each; ++each) {
        const std::string_view text = *each;
        const auto end = text.find('=');
        if (end == text.npos || !is_meant_for_tests(text.substr(0, end))) continue;
        kept.emplace_back(text.substr(0, end), text.substr(end + 1));
    }
    static char* nothing[] = {nullptr};
    environ = nothing;
    for (const auto& [name, value] : kept) ::setenv(name.c_str(), value.c_str(), 1);
    const passwd* const me = ::getpwuid(::getuid());
    const std::string user = me ? me->pw_name : "nobody";
    ::setenv("PATH", clean_path, 1);
    ::setenv("HOME", me ? me->pw_dir : "/", 1);
    ::setenv("USER", user.c_str(), 1);
    ::setenv("LOGNAME", user.c_str(), 1);
    ::setenv("SHELL", "/bin/sh", 1);
    ::setenv("LANG", "C.UTF-8", 1);
    ::setenv("TERM", "dumb", 1);
}

/// Those that whoever starts us has left open: ours are closed on exec.
inline void close_inherited_descriptors() {
    std::vector<int> found;
    DIR* const folder = ::opendir("/dev/fd");
    if (!folder) return;
    while (const dirent* const entry = ::readdir(folder)) {
        const int fd = std::atoi(entry->d_name);
        if (fd > 2 && (::fcntl(fd, F_GETFD) & FD_CLOEXEC) == 0) found.push_back(fd);
    }
    ::closedir(folder);
    for (const int fd : found) ::close(fd);
}

/// Signals that are ignored or blocked stay so through exec: nohup, background jobs and other test
/// runners leave some.
inline void restore_signals() {
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction now {};
        if (::sigaction(number, nullptr, &now) == 0 && now.sa_handler == SIG_IGN)
            ::signal(number, SIG_DFL);
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// All of it: variables, umask, descriptors, signals; nothing to read; as many descriptors as one
/// usually may have. Call it before there are threads, and not in a child that the library has
/// started.
inline void clean_environment() {
    clean_variables();
    ::umask(022);
    close_inherited_descriptors();
    const int nothing = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    ::dup2(nothing, 0);
    ::close(nothing);
    restore_signals();
    rlimit files{};
    if (::getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < 1024) {
        files.rlim_cur = files.rlim_max < 1024 ? files.rlim_max : 1024;
        ::setrlimit(RLIMIT_NOFILE, &files);
    }
}

} // namespace support
