// SPDX-License-Identifier: BSL-1.0
#pragma once
// wake_pipe.hpp: makes a thread return that polls, from any other.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// Wakes coalesce. Threads: wake() any; the rest one.
template <class = void> // compiled where it is used
class basic_wake_pipe {
    unique_fd read_end_;
    unique_fd write_end_;

public:
    /// Before anything else. 0 or -errno.
    long begin() {
        long rc = os::pipe(read_end_, write_end_);
        for (unique_fd* each : {&read_end_, &write_end_}) {
            if (rc >= 0) rc = move_above_stdio(*each);
            if (rc >= 0) rc = set_nonblocking(each->get(), true);
        }
        return rc < 0 ? rc : 0;
    }

    /// Readable once somebody has woken.
    int fd() const noexcept { return read_end_.get(); }

    void wake() noexcept {
        const char one = 1;
        static_cast<void>(os::write(write_end_.get(), &one, 1));
    }

    /// Takes what wake() has left. False if that is nothing.
    bool take() {
        char bytes[64];
        bool woken = false;
        while (os::read(read_end_.get(), bytes, sizeof bytes) > 0) woken = true;
        return woken;
    }

    /// In a copy of the process made by fork().
    void abandon() noexcept {
        read_end_.reset();
        write_end_.reset();
    }
};

using wake_pipe = basic_wake_pipe<>;

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
