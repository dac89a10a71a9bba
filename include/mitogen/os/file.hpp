// SPDX-License-Identifier: BSL-1.0
#pragma once
// file.hpp: the little that the library needs to know about files.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include <fcntl.h>
#if defined(__linux__)
#include <sys/mman.h>
#endif
#include <sys/stat.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Opens a file for reading, close-on-exec: a descriptor or -errno.
inline long open_to_read(const char* path) { return open(path, O_RDONLY); }

/// The file of an open descriptor, opened once more for reading, so that it has a position of its
/// own: a descriptor or -errno. If the system cannot do that, it is a duplicate at the file's
/// beginning.
inline long reopen_to_read(int fd) {
#if defined(__linux__)
    const long own = open(("/proc/self/fd/" + std::to_string(fd)).c_str(), O_RDONLY);
    if (own >= 0) return own;
#endif
    if (::lseek(fd, 0, SEEK_SET) < 0) return -long{errno};
    return dup_above(fd, 3);
}

/// A new file without a name, for reading and writing, above 2 and close-on-exec: a descriptor or
/// -errno. In memory if the system has that.
inline long nameless_file() {
#if defined(__linux__) && defined(MFD_CLOEXEC)
    const long rc =
        checked("memfd_create", -1, [] { return ::memfd_create("mitogen", MFD_CLOEXEC); });
    if (rc < 0) return rc;
    unique_fd made(static_cast<int>(rc));
#else
    char name[] = "/tmp/mitogen-XXXXXX";
    unique_fd made(::mkstemp(name));
    if (!made) return -long{errno};
    static_cast<void>(::unlink(name));
    static_cast<void>(set_cloexec(made.get(), true));
#endif
    const long moved = move_above_stdio(made);
    return moved < 0 ? moved : made.release();
}

/// The contents of a small ordinary file; empty if it is anything else, cannot be read, or is
/// larger than 16 MiB. Whoever made it cannot make this wait.
MITOGEN_COLD inline std::string small_file(const char* path) {
    constexpr std::size_t most = std::size_t{16} << 20;
    const unique_fd file(static_cast<int>(open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)));
    struct ::stat s {};
    if (!file || ::fstat(file.get(), &s) < 0 || !S_ISREG(s.st_mode)) return {};
    std::string text;
    char block[4096];
    for (long n = 0; (n = read(file.get(), block, sizeof block)) > 0;) {
        text.append(block, static_cast<std::size_t>(n));
        if (text.size() > most) return {};
    }
    return text;
}

/// Size in bytes of an open file, or -errno.
inline std::int64_t file_size(int fd) {
    struct ::stat s {};
    if (::fstat(fd, &s) < 0) return -static_cast<std::int64_t>(errno);
    return s.st_size;
}

/// True if both descriptors are open and refer to one file.
inline bool same_file(int a, int b) {
    struct ::stat s {};
    struct ::stat t {};
    return ::fstat(a, &s) == 0 && ::fstat(b, &t) == 0 && s.st_dev == t.st_dev &&
           s.st_ino == t.st_ino;
}

/// What changes when a file is replaced, or written to.
struct file_stamp {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t size = 0;
    std::int64_t modified_ns = 0;
    std::int64_t changed_ns = 0;

    friend bool operator==(const file_stamp&, const file_stamp&) = default;
};

/// The stamp of an open file. 0 or -errno.
inline long stamp_file(int fd, file_stamp& to) {
    struct ::stat s {};
    if (::fstat(fd, &s) < 0) return -long{errno};
    const auto ns = [](const auto& t) {
        return std::int64_t{t.tv_sec} * 1'000'000'000 + t.tv_nsec;
    };
#if defined(__APPLE__)
    to = {static_cast<std::uint64_t>(s.st_dev), s.st_ino, s.st_size, ns(s.st_mtimespec),
          ns(s.st_ctimespec)};
#else
    to = {static_cast<std::uint64_t>(s.st_dev), s.st_ino, s.st_size, ns(s.st_mtim), ns(s.st_ctim)};
#endif
    return 0;
}

/// Removes a file. 0 or -errno.
inline long remove_file(const char* path) { return ::unlink(path) < 0 ? -long{errno} : 0; }

/// Removes an empty directory. 0 or -errno.
inline long remove_directory(const char* path) { return ::rmdir(path) < 0 ? -long{errno} : 0; }

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
