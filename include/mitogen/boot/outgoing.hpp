// SPDX-License-Identifier: BSL-1.0
#pragma once
// outgoing.hpp: what a starting child must hear before the link carries frames, written as the
// descriptor takes it.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/file.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Bytes, or a file with a line in front. One at a time: the next when everything is written.
class outgoing {
    buffer bytes_;
    std::size_t done_ = 0;
    int program_ = -1;
    std::int64_t at_ = 0;   // of the program: how much was taken
    std::int64_t left_ = 0; // still to be taken
    std::string trouble_;

public:
    enum class progress : std::uint8_t {
        written,    ///< everything
        waiting,    ///< the descriptor takes no more at the moment
        closed,     ///< nobody hears it any more
        unreadable, ///< the program cannot be read; see trouble()
    };

    /// Says these bytes.
    void say(buffer bytes) {
        bytes_ = std::move(bytes);
        done_ = 0;
        left_ = 0;
    }

    /// Says `front` and then the program, which stays open until it is written. It is read piece by
    /// piece: it may be larger than what anybody wants to keep in memory.
    void send_program(int file, std::string_view front) {
        program_ = file;
        at_ = 0;
        left_ = os::file_size(file);
        done_ = 0;
        bytes_.clear();
        if (left_ >= 0) bytes_.append(front.data(), front.size());
    }

    /// How much of the program was written, and of how much; bytes.
    std::uint64_t program_sent() const noexcept {
        return static_cast<std::uint64_t>(at_) - (at_ ? bytes_.size() - done_ : 0);
    }
    std::uint64_t program_size() const noexcept { return static_cast<std::uint64_t>(at_ + left_); }

    /// In words, after `unreadable`.
    const std::string& trouble() const noexcept { return trouble_; }

    /// Writes as much as `fd` takes.
    template <class Io>
    MITOGEN_COLD progress write(Io& io, int fd) {
        for (;;) {
            if (done_ == bytes_.size()) {
                if (left_ == 0) return progress::written;
                if (!refill()) return progress::unreadable;
            }
            const long n = io.write(fd, bytes_.data() + done_, bytes_.size() - done_);
            if (n == -EAGAIN || n == -EWOULDBLOCK) return progress::waiting;
            if (n < 0) return progress::closed;
            done_ += static_cast<std::size_t>(n);
        }
    }

private:
    MITOGEN_COLD bool refill() {
        constexpr std::int64_t chunk = 64 * 1024;
        done_ = 0;
        bytes_.clear();
        long n = static_cast<long>(left_); // negative: its size could not be found out
        if (left_ > 0) {
            bytes_.resize(static_cast<std::size_t>(std::min(left_, chunk)));
            n = os::pread(program_, bytes_.data(), bytes_.size(), at_);
        }
        if (n <= 0) {
            trouble_ = n < 0 ? os::errno_text(static_cast<int>(-n)) : "it has become shorter";
            return false;
        }
        bytes_.resize(static_cast<std::size_t>(n));
        at_ += n;
        left_ -= n;
        return true;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
