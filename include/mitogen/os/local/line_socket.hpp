// SPDX-License-Identifier: BSL-1.0
#pragma once
// line_socket.hpp: a person's terminal in another program: lines come through a local socket, and
// texts go.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/poll.hpp>
#include <mitogen/os/terminal.hpp>
#include <mitogen/os/thread/wake_pipe.hpp>

#include <cerrno>
#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// What that program sends in the place of a line when its user has typed Ctrl-D.
inline constexpr std::string_view end_of_file_line = "\x04";

inline bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

/// Sends what the socket takes now. As os::write(), but whoever has closed the other end is an
/// error, and no signal.
inline long send_some(int fd, std::string_view text) {
#if defined(MSG_NOSIGNAL)
    constexpr int quietly = MSG_NOSIGNAL;
#else
    constexpr int quietly = 0; // the library ignores SIGPIPE
#endif
    return checked("send", fd, [&] { return ::send(fd, text.data(), text.size(), quietly); });
}

/// The same events as a terminal's, from whoever is at the other end. Keeps no more than a line.
/// Threads: one; wake() any. Blocks: read(), and write() while the other end takes nothing.
template <class = void> // compiled where it is used
class basic_line_socket {
    unique_fd fd_; // nonblocking
    wake_pipe wake_;
    std::string typed_; // behind the last newline

    static constexpr std::size_t longest = 4096; // of a line

public:
    using event = terminal::event;

    explicit basic_line_socket(unique_fd fd) : fd_(std::move(fd)) {}
    basic_line_socket(basic_line_socket&&) = delete;

    /// Before anything else. 0 or -errno.
    long begin() {
        return wake_.begin();
    }

    /// Waits for a line, which comes without its end, or what else happens.
    event read(std::string& line) {
        for (;;) {
            if (const std::size_t end = typed_.find('\n'); end != typed_.npos) {
                line = typed_.substr(0, end);
                typed_.erase(0, end + 1);
                return line == end_of_file_line ? event::end_of_file : event::line;
            }
            ::pollfd ready[2] = {{wake_.fd(), POLLIN, 0}, {fd_.get(), POLLIN, 0}};
            if (os::poll(ready, 2, -1) < 0) return event::hung_up;
            if (wake_.take()) return event::woken;
            if (ready[1].revents == 0) continue;
            char bytes[longest];
            const long n = os::read(fd_.get(), bytes, sizeof bytes);
            if (n == -EAGAIN) continue;
            if (n <= 0) return event::hung_up;
            typed_.append(bytes, static_cast<std::size_t>(n));
            if (typed_.size() > longest && typed_.find('\n') == typed_.npos) typed_.clear();
        }
    }

    /// Sends a text. What the other end does not take is dropped when that goes, or if somebody
    /// wakes this thread meanwhile; false then.
    bool write(std::string_view text) {
        while (!text.empty()) {
            const long n = send_some(fd_.get(), text);
            if (n >= 0) {
                text.remove_prefix(static_cast<std::size_t>(n));
                continue;
            }
            if (n != -EAGAIN && n != -EWOULDBLOCK) return false;
            ::pollfd ready[2] = {{wake_.fd(), POLLIN, 0}, {fd_.get(), POLLOUT, 0}};
            if (os::poll(ready, 2, -1) < 0 || ready[0].revents != 0) return false;
        }
        return true;
    }

    /// Says to the other end that nothing more comes or is read.
    void hang_up() noexcept { static_cast<void>(::shutdown(fd_.get(), SHUT_RDWR)); }

    /// Makes a read() or write() return. Threads: any.
    void wake() noexcept { wake_.wake(); }

    /// In a copy of the process made by fork().
    void abandon() noexcept {
        fd_.reset();
        wake_.abandon();
    }
};

using line_socket = basic_line_socket<>;

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
