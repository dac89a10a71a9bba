// SPDX-License-Identifier: BSL-1.0
#pragma once
// namespaces.hpp: this process goes over into the namespaces, and under the root directory, of
// another one.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fd.hpp>

#include <array>
#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#if defined(__linux__)
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// A kind of namespace: as people call it, and its file in /proc/PID/ns.
struct namespace_kind {
    std::string_view name;
    const char* file;
    const char* own_file; ///< where what this process starts is, which is what entering changes
    bool optional;        ///< kernels of the last ten years need not have it
};

/// All kinds, in the order in which they are entered. The one of users comes first: see
/// namespaces_of::enter().
inline constexpr std::array<namespace_kind, 8> namespace_kinds{{
    {"user", "ns/user", "/proc/self/ns/user", false},
    {"cgroup", "ns/cgroup", "/proc/self/ns/cgroup", true},
    {"ipc", "ns/ipc", "/proc/self/ns/ipc", false},
    {"uts", "ns/uts", "/proc/self/ns/uts", false},
    {"net", "ns/net", "/proc/self/ns/net", false},
    {"pid", "ns/pid", "/proc/self/ns/pid_for_children", false},
    {"mount", "ns/mnt", "/proc/self/ns/mnt", false},
    {"time", "ns/time", "/proc/self/ns/time_for_children", true},
}};

/// True if it is the name of one.
inline bool is_namespace(std::string_view name) noexcept {
    for (const namespace_kind& k : namespace_kinds)
        if (k.name == name) return true;
    return false;
}

#if defined(__linux__)

/// Why a process's namespaces cannot be entered.
struct namespace_failure {
    long rc = 0;         ///< -errno
    std::string what{};  ///< "its net namespace"
    bool absent = false; ///< there is no such process (any more)
};

/// Some of the namespaces of a process, those that this one is not in already, with its root and
/// working directories. They are opened when this is made, and stay even if the process ends.
///
/// Threads: unsafe; the whole process changes. Blocks: never.
class namespaces_of {
    std::array<unique_fd, namespace_kinds.size()> files_;
    unique_fd root_;
    unique_fd directory_;
    bool groups_denied_ = false;
    bool user_entered_ = false;
    bool pid_entered_ = false;

    static long open_at(int directory, const char* path, int flags) {
        return checked("openat", directory,
                       [=] { return ::openat(directory, path, flags | O_CLOEXEC); });
    }

    static bool same(int fd, const char* path) {
        struct ::stat a {};
        struct ::stat b {};
        return ::fstat(fd, &a) == 0 && ::stat(path, &b) == 0 && a.st_dev == b.st_dev &&
               a.st_ino == b.st_ino;
    }

    static long join(int fd) {
        return checked("setns", fd, [=] { return ::setns(fd, 0); });
    }

    // If a user namespace knows no groups, or was made by somebody who has no say over his own, the
    // groups must stay.
    static bool denies_groups(int process) {
        const unique_fd map(static_cast<int>(open_at(process, "gid_map", O_RDONLY)));
        const unique_fd rule(static_cast<int>(open_at(process, "setgroups", O_RDONLY)));
        char word[5] = {};
        if (map && os::read(map.get(), word, 1) == 0) return true;
        return rule && os::read(rule.get(), word, 4) == 4 && std::string_view(word) == "deny";
    }

    std::optional<namespace_failure> open_one(int process, std::size_t kind, bool chosen) {
        const namespace_kind& k = namespace_kinds[kind];
        const long rc = open_at(process, k.file, O_RDONLY);
        if (rc == -ENOENT && k.optional && !chosen) return std::nullopt;
        if (rc < 0)
            return namespace_failure{rc, "its " + std::string(k.name) + " namespace",
                                     rc == -ENOENT && !k.optional};
        unique_fd file(static_cast<int>(rc));
        if (!same(file.get(), k.own_file)) files_[kind] = std::move(file);
        return std::nullopt;
    }

    std::optional<namespace_failure> open_directories(int process) {
        long rc = open_at(process, "root", O_PATH | O_DIRECTORY);
        if (rc < 0) return namespace_failure{rc, "its root directory", rc == -ENOENT};
        root_.reset(static_cast<int>(rc));
        if (!files_[mount_at] && same(root_.get(), "/")) root_.reset();
        rc = open_at(process, "cwd", O_PATH | O_DIRECTORY);
        if (rc >= 0) directory_.reset(static_cast<int>(rc)); // one that is gone is no obstacle
        return std::nullopt;
    }

    static constexpr std::size_t user_at = 0;
    static constexpr std::size_t pid_at = 5;
    static constexpr std::size_t mount_at = 6;
    static_assert(namespace_kinds[pid_at].name == "pid" &&
                  namespace_kinds[mount_at].name == "mount");

public:
    namespaces_of() = default;

    /// Opens those of process `pid` whose names are in `chosen`; empty: all. Its directories come
    /// with the one of mounts.
    MITOGEN_COLD
    std::optional<namespace_failure> open(int pid, const std::vector<std::string>& chosen) {
        const std::string path = "/proc/" + std::to_string(pid);
        const long rc = os::open(path.c_str(), O_RDONLY | O_DIRECTORY);
        if (rc < 0) return namespace_failure{rc, path, rc == -ENOENT};
        // of this very process, also when its number is used again
        const unique_fd process(static_cast<int>(rc));
        bool with_mounts = chosen.empty();
        for (std::size_t i = 0; i < namespace_kinds.size(); ++i) {
            bool wanted = chosen.empty();
            for (const std::string& c : chosen) wanted = wanted || c == namespace_kinds[i].name;
            if (!wanted) continue;
            if (auto failed = open_one(process.get(), i, !chosen.empty())) return failed;
            with_mounts = with_mounts || i == mount_at;
        }
        if (files_[user_at]) groups_denied_ = denies_groups(process.get());
        return with_mounts ? open_directories(process.get()) : std::nullopt;
    }

    /// Enters them. What takes rights that only the user namespace gives is entered after it; what
    /// takes rights that are lost in there, before. A new pid namespace is that of the processes
    /// which this one makes from now on.
    MITOGEN_COLD std::optional<namespace_failure> enter() {
        // Whoever rules in there shall not look into this process while it still is this program.
        // Executing another one ends it.
        static_cast<void>(
            checked("prctl", -1, [] { return ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }));
        user_entered_ = static_cast<bool>(files_[user_at]);
        pid_entered_ = static_cast<bool>(files_[pid_at]);
        for (const bool last : {false, true}) {
            for (std::size_t i = last ? user_at : user_at + 1; i < files_.size(); ++i) {
                if (!files_[i]) continue;
                const long rc = join(files_[i].get());
                if (rc >= 0)
                    files_[i].reset();
                else if (last)
                    return namespace_failure{rc, "its " + std::string(namespace_kinds[i].name) +
                                                     " namespace"};
            }
        }
        return change_directories();
    }

    bool user_entered() const noexcept { return user_entered_; } ///< after enter()
    bool pid_entered() const noexcept { return pid_entered_; }   ///< after enter()
    /// nobody may change his groups in there
    bool groups_denied() const noexcept { return groups_denied_; }

private:
    MITOGEN_COLD std::optional<namespace_failure> change_directories() {
        const auto to = [](const unique_fd& fd) {
            return checked("fchdir", fd.get(), [&] { return ::fchdir(fd.get()); });
        };
        if (root_) {
            long rc = to(root_);
            if (rc >= 0) rc = checked("chroot", -1, [] { return ::chroot("."); });
            if (rc < 0) return namespace_failure{rc, "its root directory"};
        }
        if (directory_ && to(directory_) < 0 && ::chdir("/") < 0)
            return namespace_failure{-long{errno}, "its working directory"};
        root_.reset();
        directory_.reset();
        return std::nullopt;
    }
};

#endif

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
