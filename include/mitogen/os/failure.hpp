// SPDX-License-Identifier: BSL-1.0
#pragma once
// failure.hpp: a failed system call as an error that says which call, on which descriptor, and why.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>

#include <cerrno>
#include <cstring>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// The symbol of an error number ("EBADF"); empty for those that this library never meets.
inline std::string_view errno_name(int number) noexcept {
    switch (number) {
#define MITOGEN_ERRNO(name)                                                                        \
    case name: return #name;
        // clang-format off
        MITOGEN_ERRNO(E2BIG) MITOGEN_ERRNO(EACCES) MITOGEN_ERRNO(EADDRINUSE)
        MITOGEN_ERRNO(EAFNOSUPPORT) MITOGEN_ERRNO(EAGAIN) MITOGEN_ERRNO(EBADF)
        MITOGEN_ERRNO(EBUSY) MITOGEN_ERRNO(ECHILD) MITOGEN_ERRNO(ECONNABORTED)
        MITOGEN_ERRNO(ECONNREFUSED) MITOGEN_ERRNO(ECONNRESET) MITOGEN_ERRNO(EEXIST)
        MITOGEN_ERRNO(EFAULT) MITOGEN_ERRNO(EFBIG) MITOGEN_ERRNO(EHOSTUNREACH)
        MITOGEN_ERRNO(EINTR) MITOGEN_ERRNO(EINVAL) MITOGEN_ERRNO(EIO) MITOGEN_ERRNO(EISDIR)
        MITOGEN_ERRNO(ELOOP) MITOGEN_ERRNO(EMFILE) MITOGEN_ERRNO(EMSGSIZE)
        MITOGEN_ERRNO(ENAMETOOLONG) MITOGEN_ERRNO(ENFILE) MITOGEN_ERRNO(ENODEV)
        MITOGEN_ERRNO(ENOENT) MITOGEN_ERRNO(ENOEXEC) MITOGEN_ERRNO(ENOMEM) MITOGEN_ERRNO(ENOSPC)
        MITOGEN_ERRNO(ENOSYS) MITOGEN_ERRNO(ENOTCONN) MITOGEN_ERRNO(ENOTDIR)
        MITOGEN_ERRNO(ENOTSOCK) MITOGEN_ERRNO(ENOTTY) MITOGEN_ERRNO(ENXIO)
        MITOGEN_ERRNO(EOPNOTSUPP) MITOGEN_ERRNO(EPERM) MITOGEN_ERRNO(EPIPE) MITOGEN_ERRNO(EROFS)
        MITOGEN_ERRNO(ESRCH) MITOGEN_ERRNO(ETIMEDOUT) MITOGEN_ERRNO(ETXTBSY)
        MITOGEN_ERRNO(EXDEV)
#undef MITOGEN_ERRNO
    default: return {};
        // clang-format on
    }
}

namespace detail {
// strerror_r comes in two shapes: POSIX returns int and fills the buffer, GNU returns the text.
inline const char* strerror_text(int rc, const char* buffer) noexcept {
    return rc == 0 ? buffer : "unknown error";
}
inline const char* strerror_text(const char* text, const char*) noexcept { return text; }
} // namespace detail

/// The text for an error number: "Bad file descriptor (EBADF)". Threads: any.
inline std::string errno_text(int number) {
    char buffer[128] = {};
    std::string out = detail::strerror_text(::strerror_r(number, buffer, sizeof buffer), buffer);
    const std::string_view name = errno_name(number);
    out += " (";
    out += name.empty() ? "errno " + std::to_string(number) : std::string(name);
    return out += ")";
}

/// The error for a call that returned `rc` (a negative errno): "read(fd 7): Bad file descriptor
/// (EBADF)". `expression` is the name of the call, or already the whole call if `fd` is -1
/// ("open(/etc/x)"). Its reason is `overloaded` if the machine or the process is out of descriptors
/// or memory (it may work later), else `system`.
MITOGEN_COLD inline error failure(std::string_view expression, long rc, int fd = -1) {
    const int number = static_cast<int>(-rc);
    std::string text(expression);
    if (fd >= 0) text += "(fd " + std::to_string(fd) + ")";
    text += ": " + errno_text(number);
    const bool exhausted = number == EMFILE || number == ENFILE || number == ENOMEM;
    return {exhausted ? reason::overloaded : reason::system, std::move(text)};
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
