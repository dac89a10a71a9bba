// SPDX-License-Identifier: BSL-1.0
#pragma once
// fd.hpp: one owned file descriptor.

#include <mitogen/base/config.hpp>

#include <type_traits>
#include <utility>

#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Owns one descriptor and closes it. Empty when get() is -1.
///
/// Threads: distinct objects: safe; shared objects: unsafe. Blocks: as close(2): never for pipes,
/// sockets and kernel objects.
class unique_fd {
    int fd_ = -1;

public:
    unique_fd() = default;
    /// Takes ownership of `fd`; any negative number is an empty object.
    explicit unique_fd(int fd) noexcept : fd_(fd < 0 ? -1 : fd) {}
    unique_fd(unique_fd&& other) noexcept : fd_(other.release()) {}
    unique_fd& operator=(unique_fd&& other) noexcept {
        if (this != &other) reset(other.release());
        return *this;
    }
    ~unique_fd() { reset(); }

    /// The descriptor, or -1.
    int get() const noexcept { return fd_; }

    /// Gives up ownership: returns the descriptor and leaves the object empty.
    [[nodiscard]] int release() noexcept { return std::exchange(fd_, -1); }

    /// Closes what is owned and takes `fd` instead.
    void reset(int fd = -1) noexcept {
        // close() is never repeated after EINTR: Linux and FreeBSD have freed the number by then,
        // and another thread may own it.
        if (fd_ >= 0) static_cast<void>(::close(fd_));
        fd_ = fd < 0 ? -1 : fd;
    }

    explicit operator bool() const noexcept { return fd_ >= 0; }
};

static_assert(!std::is_copy_constructible_v<unique_fd> &&
              std::is_nothrow_move_assignable_v<unique_fd>);
static_assert(sizeof(unique_fd) == sizeof(int));

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
