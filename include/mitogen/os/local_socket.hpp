// SPDX-License-Identifier: BSL-1.0
#pragma once
// local_socket.hpp: stream sockets with a name in the file system, for the processes of one user.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/fault.hpp>
#include <mitogen/os/fd.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>

#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/un.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

namespace detail {

/// The path as an address; -ENAMETOOLONG or -EINVAL if it cannot be one.
inline long local_address(const std::string& path, ::sockaddr_un& address) {
    address = {};
    address.sun_family = AF_UNIX;
    if (path.empty() || path.find('\0') != std::string::npos) return -EINVAL;
    // 108 bytes on Linux, 104 on the BSDs
    if (path.size() >= sizeof address.sun_path) return -ENAMETOOLONG;
    std::memcpy(address.sun_path, path.data(), path.size());
    return 0;
}

/// A new stream socket above 2, blocking and close-on-exec.
MITOGEN_COLD inline long local_socket(unique_fd& fd) {
#if defined(SOCK_CLOEXEC)
    const long rc = checked("local_socket", -1,
                            [] { return ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0); });
#else
    const long rc = checked("local_socket", -1, [] { return ::socket(AF_UNIX, SOCK_STREAM, 0); });
#endif
    if (rc < 0) return rc;
    fd.reset(static_cast<int>(rc));
#if !defined(SOCK_CLOEXEC)
    static_cast<void>(set_cloexec(fd.get(), true));
#endif
    return move_above_stdio(fd);
}

inline long connect_to(int fd, const ::sockaddr_un& address) {
    return checked("connect_local", fd, [&] {
        return ::connect(fd, reinterpret_cast<const ::sockaddr*>(&address), sizeof address);
    });
}

inline std::string directory_of(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : slash == 0 ? "/" : path.substr(0, slash);
}

/// Opens the directory that `path` lies in, made if it is missing. Nobody but this user may get
/// into it: then nobody else can reach what is in it, or put something else in its place.
MITOGEN_COLD inline result<unique_fd> open_private_directory(const std::string& path) {
    const std::string name = directory_of(path);
    if (const long rc = checked("mkdir", -1, [&] { return ::mkdir(name.c_str(), 0700); });
        rc < 0 && rc != -EEXIST)
        return failure("mkdir(" + name + ")", rc);
    const long fd = open(name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (fd < 0) return failure("open(" + name + ")", fd);
    unique_fd directory(static_cast<int>(fd));
    struct ::stat s {};
    if (const long rc =
            checked("fstat", directory.get(), [&] { return ::fstat(directory.get(), &s); });
        rc < 0)
        return failure("fstat(" + name + ")", rc);
    if (s.st_uid != ::geteuid())
        return error(reason::system,
                     "the directory " + name + " belongs to another user (id " +
                         std::to_string(s.st_uid) +
                         "): a socket that only this user may use needs one of its own");
    if ((s.st_mode & 07777) != 0700) {
        constexpr char digits[] = "01234567";
        const std::string mode{digits[s.st_mode >> 9 & 7], digits[s.st_mode >> 6 & 7],
                               digits[s.st_mode >> 3 & 7], digits[s.st_mode & 7]};
        return error(reason::system,
                     "the directory " + name + " has mode " + mode +
                         ", it must be 0700: nobody else may get at the socket in it");
    }
    return directory;
}

/// Removes the socket that a process has left behind. An error if one is in use, or something else
/// is there.
MITOGEN_COLD
inline result<void> remove_stale(const std::string& path, const ::sockaddr_un& address) {
    struct ::stat s {};
    const long there = checked("lstat", -1, [&] { return ::lstat(path.c_str(), &s); });
    if (there == -ENOENT) return {};
    if (there < 0) return failure("lstat(" + path + ")", there);
    if (!S_ISSOCK(s.st_mode)) return error(reason::system, path + " exists, and is no socket");
    unique_fd probe;
    long rc = local_socket(probe);
    if (rc >= 0) rc = set_nonblocking(probe.get(), true); // a full queue is an answer as well
    if (rc >= 0) rc = connect_to(probe.get(), address);
    if (rc != -ECONNREFUSED) {
        if (rc >= 0 || rc == -EAGAIN || rc == -EWOULDBLOCK || rc == -EINPROGRESS)
            return error(reason::system, path + " is in use: another process listens there");
        return failure("connect(" + path + ")", rc);
    }
    rc = checked("unlink", -1, [&] { return ::unlink(path.c_str()); });
    return rc < 0 && rc != -ENOENT ? result<void>(failure("unlink(" + path + ")", rc))
                                   : result<void>();
}

} // namespace detail

/// A socket that others of the same user can connect to, under a path. Removes its file at its end,
/// if it is still its own.
///
/// Threads: distinct objects: safe; shared objects: unsafe.
class local_listener {
    unique_fd fd_;
    std::string path_;
    ::dev_t device_{};
    ::ino_t number_{};

    bool owns_file() const {
        struct ::stat s {};
        // The kernel keeps the file's number while the socket is open: nothing else can have it by
        // chance.
        return ::lstat(path_.c_str(), &s) == 0 && s.st_dev == device_ && s.st_ino == number_;
    }

public:
    local_listener() = default;
    local_listener(local_listener&&) noexcept = default;
    local_listener& operator=(local_listener&& other) noexcept {
        if (this != &other) {
            close();
            fd_ = std::move(other.fd_);
            path_ = std::move(other.path_);
            device_ = other.device_;
            number_ = other.number_;
        }
        return *this;
    }
    ~local_listener() { close(); }

    /// Begins to listen at `path`, in a directory of mode 0700 that is this user's, made if it is
    /// missing. What a process that is gone has left there is replaced. Two that try at the same
    /// time take turns: the directory is locked meanwhile.
    MITOGEN_COLD static result<local_listener> open(const std::string& path) {
        ::sockaddr_un address;
        if (const long rc = detail::local_address(path, address); rc < 0)
            return failure("socket path \"" + path + "\"", rc);
        result<unique_fd> directory = detail::open_private_directory(path);
        if (!directory) return directory.error();
        long rc =
            checked("flock", directory->get(), [&] { return ::flock(directory->get(), LOCK_EX); });
        if (rc < 0) return failure("flock(" + detail::directory_of(path) + ")", rc);
        if (result<void> free = detail::remove_stale(path, address); !free) return free.error();
        local_listener made;
        rc = detail::local_socket(made.fd_);
        const int fd = made.fd_.get();
        if (rc >= 0) rc = set_nonblocking(fd, true);
        if (rc >= 0)
            rc = checked("bind", fd, [&] {
                return ::bind(fd, reinterpret_cast<const ::sockaddr*>(&address), sizeof address);
            });
        if (rc < 0) return failure("bind(" + path + ")", rc);
        struct ::stat s {};
        rc = checked("lstat", -1, [&] { return ::lstat(path.c_str(), &s); });
        if (rc < 0) return failure("lstat(" + path + ")", rc);
        made.path_ = path;
        made.device_ = s.st_dev;
        made.number_ = s.st_ino;
        // Nobody can connect before listen(), so that it does not matter what the mode was until
        // here.
        rc = checked("chmod", -1, [&] { return ::chmod(path.c_str(), 0600); });
        if (rc < 0) return failure("chmod(" + path + ")", rc);
        rc = checked("listen", fd, [&] { return ::listen(fd, 128); });
        if (rc < 0) return failure("listen(" + path + ")", rc);
        return made;
    }

    /// Becomes readable when somebody connects; -1 when closed.
    int fd() const noexcept { return fd_.get(); }
    const std::string& path() const noexcept { return path_; }

    /// Takes one that has connected: nonblocking, close-on-exec, above 2. 0, or -errno: -EAGAIN if
    /// nobody waits.
    MITOGEN_COLD long accept(unique_fd& taken) const {
#if defined(SOCK_CLOEXEC) && !defined(__APPLE__)
        const long rc = checked("accept", fd(), [this] {
            return ::accept4(fd(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        });
#else
        const long rc =
            checked("accept", fd(), [this] { return ::accept(fd(), nullptr, nullptr); });
#endif
        if (rc < 0) return rc;
        taken.reset(static_cast<int>(rc));
#if !defined(SOCK_CLOEXEC) || defined(__APPLE__)
        static_cast<void>(set_cloexec(taken.get(), true));
        static_cast<void>(set_nonblocking(taken.get(), true));
#endif
        return move_above_stdio(taken);
    }

    /// Removes the file, unless it is another's by now, and listens no more.
    void close() noexcept {
        if (!fd_) return;
        if (!path_.empty() && owns_file()) static_cast<void>(::unlink(path_.c_str()));
        fd_.reset();
    }

    /// In a child made by fork(): closes the descriptor; the file is the parent's.
    void abandon() noexcept { fd_.reset(); }
};

/// Bounds how long one read or write of a blocking socket sleeps; it then returns -EAGAIN. 0 or
/// -errno.
MITOGEN_COLD inline long set_patience(int fd, duration_ns span) {
    ::timeval t{};
    if (span < 1000) span = 1000; // zero would mean for ever
    t.tv_sec = static_cast<decltype(t.tv_sec)>(span / 1'000'000'000);
    t.tv_usec = static_cast<decltype(t.tv_usec)>(span % 1'000'000'000 / 1000);
    return checked("set_patience", fd, [&] {
        const int rc = ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
        return rc < 0 ? rc : ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
    });
}

/// Connects to the one that listens at `path`: blocking, close-on-exec, above 2. 0 or -errno;
/// -EAGAIN after `patience`.
inline long connect_local(const std::string& path, duration_ns patience, unique_fd& fd) {
    ::sockaddr_un address;
    long rc = detail::local_address(path, address);
    if (rc >= 0) rc = detail::local_socket(fd);
    if (rc >= 0) rc = set_patience(fd.get(), patience);
    if (rc >= 0) rc = detail::connect_to(fd.get(), address);
    return rc;
}

/// The effective user id of the process at the other end when it connected or began to listen; or
/// -errno.
MITOGEN_COLD inline std::int64_t peer_user(int fd) {
    ::uid_t user{};
#if defined(SO_PEERCRED) && defined(__linux__)
    ::ucred who{};
    ::socklen_t size = sizeof who;
    const long rc = checked("peer_user", fd,
                            [&] { return ::getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &size); });
    user = who.uid;
#else
    ::gid_t group{};
    const long rc = checked("peer_user", fd, [&] { return ::getpeereid(fd, &user, &group); });
#endif
    return rc < 0 ? rc : static_cast<std::int64_t>(user);
}

/// True if that user may do whatever this process may: it is the same, or root.
inline bool is_trusted_user(std::int64_t user) noexcept {
    return user == 0 || user == static_cast<std::int64_t>(::geteuid());
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
