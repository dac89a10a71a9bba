// SPDX-License-Identifier: BSL-1.0
#pragma once
// terminal.hpp: the terminal of this program's session, for a person who types lines at a prompt:
// the terminal's own line discipline is the editor.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/poll.hpp>
#include <mitogen/os/process/signal_set.hpp>
#include <mitogen/os/process/signal_watch.hpp>
#include <mitogen/os/thread/wake_pipe.hpp>

#include <cerrno>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <termios.h>
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// A controlling terminal, put into its line mode for as long as somebody stands at a prompt.
///
/// Ctrl-C is an event of read() meanwhile, and nobody else's; Ctrl-Z stops the program as ever, and
/// the mode is set again when it goes on. Threads: one, on which all signals are blocked, as on the
/// library's own, so that a terminal in whose background it runs does not stop it; wake() any.
/// Blocks: read(), and write() while the terminal takes nothing.
template <class = void> // compiled where it is used
class basic_terminal {
    unique_fd fd_;
    wake_pipe wake_;
    ::termios saved_{};
    std::optional<signal_watch> signals_;
    std::string typed_; // behind the last newline
    bool begun_ = false;

    long set_mode(const ::termios& mode) {
        return checked("tcsetattr", fd_.get(),
                       [&] { return ::tcsetattr(fd_.get(), TCSANOW, &mode); });
    }

    long set_line_mode() {
        ::termios line = saved_;
        line.c_lflag |= ICANON | ECHO | ECHOE | ECHOK | ISIG | IEXTEN;
        line.c_iflag |= ICRNL | IXON;
        line.c_iflag &= ~static_cast<::tcflag_t>(INLCR | IGNCR);
        line.c_oflag |= OPOST | ONLCR;
        if (saved_.c_lflag & ICANON) return set_mode(line);
        line.c_cc[VEOF] = 4; // what VMIN and VTIME are in other modes
        line.c_cc[VEOL] = _POSIX_VDISABLE;
        return set_mode(line);
    }

public:
    enum class event : std::uint8_t {
        line,        ///< a whole line was typed
        interrupt,   ///< Ctrl-C: what was typed before it on that line is dropped
        went_on,     ///< the program was stopped, and goes on: the prompt is gone
        end_of_file, ///< Ctrl-D on an empty line
        woken,       ///< by wake()
        hung_up,     ///< there is no terminal any more
    };

    basic_terminal() = default;
    basic_terminal(basic_terminal&&) = delete;
    ~basic_terminal() { end(); }

    /// Opens it. 0 or -errno: of a program without one, -ENXIO.
    long open() {
        long rc = os::open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK);
        if (rc < 0) return rc;
        fd_.reset(static_cast<int>(rc));
        rc = move_above_stdio(fd_);
        if (rc >= 0) rc = wake_.begin();
        if (rc < 0) fd_.reset();
        return rc < 0 ? rc : 0;
    }

    /// True if keys that are typed there are this program's, and not another job's of its shell.
    bool in_foreground() const noexcept { return ::tcgetpgrp(fd_.get()) == ::getpgrp(); }

    /// Remembers its mode and sets the line mode. 0 or -errno; nothing has changed then.
    long begin() {
        long rc = checked("tcgetattr", fd_.get(), [&] { return ::tcgetattr(fd_.get(), &saved_); });
        if (rc < 0) return rc;
        signals_.emplace(last_resort::never);
        if (!signals_->begin({SIGINT, SIGCONT})) signals_.reset();
        typed_.clear();
        begun_ = true;
        rc = set_line_mode();
        if (rc < 0) end();
        return rc;
    }

    /// Restores its mode. Again, or without begin(): nothing happens.
    void end() {
        if (!begun_) return;
        begun_ = false;
        static_cast<void>(set_mode(saved_));
        signals_.reset();
    }

    /// Makes a read() or write() return. Threads: any.
    void wake() noexcept { wake_.wake(); }

    /// Waits for what a person does; a line comes without its end. Between begin() and end().
    event read(std::string& line) {
        for (;;) {
            if (const std::size_t end = typed_.find('\n'); end != typed_.npos) {
                line = typed_.substr(0, end);
                typed_.erase(0, end + 1);
                return event::line;
            }
            const bool ours = in_foreground(); // what others type is not to be taken away
            ::pollfd ready[3] = {{wake_.fd(), POLLIN, 0},
                                 {signals_ ? signals_->fd() : -1, POLLIN, 0},
                                 {ours ? fd_.get() : -1, POLLIN, 0}};
            constexpr duration_ns look_again = 200'000'000;
            if (os::poll(ready, 3, ours ? -1 : look_again) < 0) return event::hung_up;
            if (wake_.take()) return event::woken;
            unsigned char number = 0;
            if (signals_ && signals_->take({&number, 1}) == 1) {
                if (number == SIGCONT && set_line_mode() < 0) return event::hung_up;
                static_cast<void>(::tcflush(fd_.get(), TCIFLUSH));
                typed_.clear();
                return number == SIGINT ? event::interrupt : event::went_on;
            }
            if (!(ready[2].revents)) continue;
            constexpr std::size_t longest = 4096; // of a line that a terminal edits: termios(3)
            char bytes[longest];
                const long n = os::read(fd_.get(), bytes, sizeof bytes);
            if (n == -EAGAIN) continue;
            if (n < 0) return event::hung_up;
            if (n == 0) return (ready[2].revents & POLLHUP) ? event::hung_up : event::end_of_file;
            typed_.append(bytes, static_cast<std::size_t>(n));
            if (typed_.size() > longest) typed_.clear();
        }
    }

    /// Shows a text. What the terminal does not take is dropped if it hangs up, or if somebody
    /// wakes this thread meanwhile; false then.
    bool write(std::string_view text) {
        while (!text.empty()) {
            const long n = os::write(fd_.get(), text.data(), text.size());
            if (n >= 0) {
                text.remove_prefix(static_cast<std::size_t>(n));
                continue;
            }
            if (n != -EAGAIN) return false;
            ::pollfd ready[2] = {{wake_.fd(), POLLIN, 0}, {fd_.get(), POLLOUT, 0}};
            if (os::poll(ready, 2, -1) < 0 || ready[0].revents != 0) return false;
        }
        return true;
    }

    /// In a copy of the process made by fork(): closes what this holds, and leaves the terminal as
    /// it is.
    void abandon() noexcept {
        begun_ = false;
        fd_.reset();
        wake_.abandon();
    }
};

using terminal = basic_terminal<>;

/// Ends this program as a second Ctrl-C does.
inline void interrupt_self() noexcept { static_cast<void>(::kill(::getpid(), SIGINT)); }

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
