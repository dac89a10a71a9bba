// SPDX-License-Identifier: BSL-1.0
#pragma once
// command_pump.hpp: runs a command in this context, and passes on what it reads and says.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/command/command_order.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/waker.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/command/command_process.hpp>
#include <mitogen/os/command/pipe_holders.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/poll.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/scope/thread_worker.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The shell and its arguments for a text of any length: as one argument it may have 128 KiB, so a
/// long one is given in several, which the shell puts together.
MITOGEN_COLD inline std::vector<std::string> shell_words(const std::string& text) {
    constexpr std::size_t most = 96u << 10;
    if (text.size() <= most) return {"/bin/sh", "-c", text};
    std::vector<std::string> pieces;
    std::string all;
    for (std::size_t at = 0; at < text.size(); at += most) {
        pieces.push_back(text.substr(at, most));
        all += "${" + std::to_string(pieces.size()) + "}";
    }
    std::vector<std::string> words{"/bin/sh", "-c",
                                   "eval \"shift " + std::to_string(pieces.size()) + "\n" + all +
                                       "\"",
                                   "/bin/sh"};
    for (std::string& p : pieces) words.push_back(std::move(p));
    return words;
}

/// Between a command and whoever has asked for it. Threads: that of the pump.
class command_port {
public:
    /// Passes on what it has said; waits until that is taken. reason::timeout: not until then.
    virtual result<void> say(std::uint8_t what, std::string_view bytes, instant until) = 0;
    /// The next piece of its input if there is one now, asking for the one behind that. `last`:
    /// there is none.
    /// Waits until `until` at most for room to ask.
    virtual result<std::optional<std::string>> input(bool& last, instant until) = 0;
    /// When show() has something to do; it may change with each say().
    virtual instant due() const noexcept { return never; }
    virtual void show(instant) {}

protected:
    ~command_port() = default;
};

/// Wakes a thread that polls. Threads: notify() any.
class poll_waker final : public wakeable {
    struct anything {} made_for_{};
    io::posix_waker waker_{made_for_};

public:
    void notify() noexcept override { waker_.wake(); }
    int fd() const noexcept { return waker_.fd(); }
    void drain() noexcept { waker_.drain(); }
};

/// One command. Threads: one. Its destructor ends the command.
class command_pump {
    struct output {
        os::unique_fd* fd;
        std::uint8_t what;
        bool ready = false;
        std::size_t left = 0; // when nothing more is waited for
    };
    struct clock {
        mitogen::node& of;
        instant now() const noexcept { return of.now(); }
        void relax() const noexcept {}
    };

    mitogen::node& node_;
    const command_order& order_;
    command_port& port_;
    poll_waker& waker_;
    os::command_process process_;
    output outputs_[2];
    std::string to_write_{}; // input
    std::size_t written_ = 0;
    bool last_input_ = false;
    std::string unsaid_{}; // output that nobody has taken yet
    std::uint8_t unsaid_of_ = 0;
    instant limit_ = never;
    instant drained_ = never; // when nothing more is waited for that others may still say
    bool draining_ = true;
    bool timed_out_ = false;
    std::vector<std::string> left_{}; // who holds an output open
    std::string block_ = std::string(command_piece, '\0');

    static constexpr duration_ns drain_time = 200'000'000;
    static constexpr std::size_t most_left = 16;

public:
    command_pump(mitogen::node& node, const command_order& order, command_port& port,
                 poll_waker& waker)
        : node_(node), order_(order), port_(port), waker_(waker),
          outputs_{{&process_.out(), command_said::out}, {&process_.err(), command_said::err}} {}
    command_pump(command_pump&&) = delete;

    /// Runs it to its end. Errors: it could not be started; the wait was interrupted; the port's.
    MITOGEN_COLD result<command_ended> run() {
        if (order_.time_limit > 0) limit_ = after(node_.now(), order_.time_limit);
        result<std::optional<command_ended>> begun = begin();
        if (!begun) return begun.error();
        if (*begun) return **begun;
        for (;;) {
            const instant now = node_.now();
            if (std::optional<error> why = why_interrupted(now)) return std::move(*why);
            if (now >= limit_) {
                limit_ = never;
                timed_out_ = !process_.status();
                process_.end(now);
            }
            const bool over = process_.step(now);
            if (process_.status() && drained_ == never) {
                drained_ = after(now, drain_time);
                process_.in().reset();
                limit_ = never;
            }
            if (draining_ && now >= drained_) stop_draining();
            port_.show(now);
            if (result<void> moved = move(); !moved) return moved.error();
            if (over && unsaid_.empty() && !open()) break;
            sleep(over);
        }
        return command_ended{*process_.status(), timed_out_, std::move(left_)};
    }

private:
    bool open() const noexcept { return *outputs_[0].fd || *outputs_[1].fd; }

    /// The command runs, or has ended already because there is no such program.
    result<std::optional<command_ended>> begin() {
        os::program_start what;
        what.argv = order_.shell ? shell_words(order_.words.front()) : order_.words;
        what.environment = order_.environment;
        what.inherit_environment = order_.inherit_environment;
        what.directory = order_.directory;
        long rc = 0;
        const std::string name = what.argv.front();
        last_input_ = !order_.has_input;
        // a terminal without a reader for what is typed would be waited for
        if (order_.pty && last_input_) end_of_typing();
        using step = os::program_started::step;
        const step failed = process_.begin(std::move(what), {order_.has_input, order_.pty},
                                           order_.leave_running, rc);
        if (rc >= 0) return std::optional<command_ended>();
        const int number = static_cast<int>(-rc);
        if (failed == step::directory)
            return os::failure("a command cannot begin in the directory " + order_.directory, rc);
        if (failed != step::program) return os::failure("a command cannot be started", rc);
        if (number == E2BIG)
            return error(reason::message_too_large,
                         "the arguments and variables of " + name.substr(0, 200) +
                             " are longer than this system lets them be: " +
                             os::errno_text(number));
        const std::string text = name + ": " + os::errno_text(number) + "\n";
        const std::uint8_t where = order_.pty ? command_said::out : command_said::err;
        if (result<void> said = port_.say(where, text, never); !said) return said.error();
        return std::optional(command_ended{
            {.code = number == ENOENT || number == ENOTDIR ? 127 : 126}, false, {}});
    }

    /// What others than the command hold open does not count any more, but what is there already.
    void stop_draining() {
        draining_ = false;
        for (output& o : outputs_) {
            if (!*o.fd) continue;
            o.left = os::unread(o.fd->get());
            if (left_.empty()) left_ = os::holders_of_pipe(o.fd->get(), most_left);
            if (o.left == 0) o.fd->reset();
        }
    }

    result<void> move() {
        if (result<void> fed = feed(); !fed) return fed;
        for (output& o : outputs_) {
            if (!unsaid_.empty()) break;
            if (o.ready && *o.fd) read(o);
            if (result<void> said = say(); !said) return said;
        }
        return say();
    }

    void read(output& o) {
        const std::size_t most = draining_ ? block_.size() : std::min(block_.size(), o.left);
        const long n = os::read(o.fd->get(), block_.data(), most);
        if (n == -EAGAIN || n == -EWOULDBLOCK) {
            o.ready = false;
            if (!draining_) o.fd->reset();
            return;
        }
        if (n <= 0) return o.fd->reset(); // its end; a terminal's is EIO
        const auto size = static_cast<std::size_t>(n);
        unsaid_.assign(block_.data(), size);
        unsaid_of_ = o.what;
        if (draining_) return;
        o.left -= size;
        if (o.left == 0) o.fd->reset();
    }

    /// How long nothing needs to be looked at but the port.
    instant patience() const noexcept { return std::min(limit_, process_.due()); }

    result<void> say() {
        if (unsaid_.empty()) return {};
        const instant until = patience();
        if (result<void> said = port_.say(unsaid_of_, unsaid_, until); !said) {
            if (said.error() == reason::timeout && node_.now() >= until) return {};
            return said;
        }
        unsaid_.clear();
        return {};
    }

    /// Its end of what is typed: twice, where the first only ends an open line.
    void end_of_typing() {
        to_write_ += to_write_.empty() || to_write_.back() == '\n' ? "\4" : "\4\4";
    }

    result<void> feed() {
        while (process_.in()) {
            if (written_ == to_write_.size()) {
                if (last_input_) {
                    if (!order_.pty) process_.in().reset();
                    return {};
                }
                result<std::optional<std::string>> next = port_.input(last_input_, patience());
                if (!next) return next.error();
                if (!*next) return {};
                to_write_ = std::move(**next);
                written_ = 0;
                if (last_input_ && order_.pty) end_of_typing();
                continue;
            }
            const long n = os::write(process_.in().get(), to_write_.data() + written_,
                                     to_write_.size() - written_);
            if (n == -EAGAIN || n == -EWOULDBLOCK) return {};
            if (n < 0) { // it reads no more
                process_.in().reset();
                return {};
            }
            written_ += static_cast<std::size_t>(n);
        }
        return {};
    }

    bool has_to_write() const noexcept { return written_ < to_write_.size(); }

    /// Until something happens.
    void sleep(bool over) {
        ::pollfd waits[5];
        std::size_t count = 0;
        const auto add = [&](int fd, short what) { waits[count++] = {fd, what, 0}; };
        add(waker_.fd(), POLLIN);
        for (const output& o : outputs_)
            add(*o.fd && unsaid_.empty() ? o.fd->get() : -1, POLLIN);
        add(process_.in() && has_to_write() ? process_.in().get() : -1, POLLOUT);
        add(process_.poll_fd(), POLLIN);
        instant until = std::min({limit_, process_.due(), port_.due()});
        if (draining_) until = std::min(until, drained_);
        if (!over && process_.look_again() != never)
            until = std::min(until, after(node_.now(), process_.look_again()));
        bool woken = false;
        clock time{node_};
        static_cast<void>(sleep_in_scopes(
            time, waker_, until, [&] { return woken; },
            [&](instant end, auto ended) {
                while (!ended()) {
                    const duration_ns left = end == never ? -1 : end - node_.now();
                    if (end != never && left <= 0) return false;
                    const long rc = os::poll(waits, count, left);
                    woken = rc != 0;
                    if (rc > 0 && waits[0].revents) waker_.drain();
                }
                return true;
            }));
        for (std::size_t i = 0; i < 2; ++i) outputs_[i].ready = waits[i + 1].revents != 0;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
