// SPDX-License-Identifier: BSL-1.0
#pragma once
// forked_streams.hpp: the streams of the C library in a copy of a process.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>

#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

/// Of a descriptor that may be open.
inline bool is_writable(int fd) noexcept {
    const int flags = ::fcntl(fd, F_GETFL);
    return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

/// Descriptors of this process into which something can be written, above 2.
inline std::vector<int> writable_descriptors() {
    constexpr int usual = 4096; // where they cannot be listed: a chroot without /proc
    std::vector<int> found;
    ::DIR* const all = ::opendir("/dev/fd");
    if (!all) {
        for (int fd = 3; fd < usual; ++fd)
            if (is_writable(fd)) found.push_back(fd);
        return found;
    }
    const int own = ::dirfd(all);
    while (const ::dirent* entry = ::readdir(all)) {
        const int fd = static_cast<int>(std::strtol(entry->d_name, nullptr, 10));
        if (fd > 2 && fd != own && is_writable(fd)) found.push_back(fd);
    }
    ::closedir(all);
    return found;
}

/// While it lives, as many descriptors as this process may have at all.
class all_descriptors {
    ::rlimit before_{};
    bool raised_ = false;

public:
    all_descriptors() noexcept {
        if (::getrlimit(RLIMIT_NOFILE, &before_) != 0) return;
        ::rlimit most = before_;
        most.rlim_cur = most.rlim_max;
        raised_ = ::setrlimit(RLIMIT_NOFILE, &most) == 0;
    }
    all_descriptors(all_descriptors&&) = delete;
    ~all_descriptors() {
        if (raised_) static_cast<void>(::setrlimit(RLIMIT_NOFILE, &before_));
    }
};

} // namespace detail

/// In a child made by fork(), with one thread: empties the buffers of its streams. What is in them
/// is the parent's, which writes it. No library lets streams be listed, but all can be flushed: so
/// /dev/null takes the place of every descriptor meanwhile. Those of 1 and 2 must be gone already.
MITOGEN_COLD inline void discard_buffered_output() {
    struct set_aside {
        int fd;
        bool cloexec;
        unique_fd file;
    };
    const unique_fd null(static_cast<int>(open("/dev/null", O_WRONLY)));
    if (!null) return;
    const detail::all_descriptors room;
    std::vector<set_aside> files;
    for (const int fd : detail::writable_descriptors()) {
        if (fd == null.get()) continue;
        const bool cloexec = (descriptor_flags(fd) & FD_CLOEXEC) != 0;
        unique_fd file(static_cast<int>(dup_above(fd, 3)));
        if (!file || dup_to(null.get(), fd) < 0) continue;
        files.push_back({fd, cloexec, std::move(file)});
    }
    std::fflush(nullptr);
    for (const set_aside& f : files) {
        static_cast<void>(dup_to(f.file.get(), f.fd));
        if (f.cloexec) static_cast<void>(set_cloexec(f.fd, true));
    }
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
