// SPDX-License-Identifier: BSL-1.0
#pragma once
// stdout_forwarder.hpp: what a child's functions print, on its way up the tree.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/child/text_tail.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/logging/log_forwarder.hpp>
#include <mitogen/loop/broker_engine.hpp>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A child's own stdout: a pipe whose lines go up the tree as log records.
///
/// A thread of its own reads it, which never prints: whatever prints waits while the pipe is full,
/// and the loop may be what prints, in a task or a handler.
///
/// Threads: start() and finish() one after the other, abandon() in a copy.
template <class Io>
class stdout_forwarder {
    /// What the thread waits with.
    struct wake_up {
        typename Io::waker waker;
        typename Io::poller poller;
        explicit wake_up(Io& io) : waker(io), poller(io) {}
    };

    detail::broker_engine<Io>& loop_;
    log_forwarder<Io>& up_;
    typename Io::descriptor end_;
    std::optional<wake_up> wake_;
    typename Io::thread reader_{};
    text_tail lines_; // the thread's while there is one
    std::atomic<bool> reading_{false}; // what it has read is not on its way yet

    static constexpr std::uint64_t to_end = 1;
    static constexpr std::uint64_t to_read = 2;
    // twice what a pipe holds at most; whoever else prints there may never end
    static constexpr int reads_at_end = 128;

    /// False if there is no more to read at the moment, or `ended`: ever.
    bool read(bool& ended) {
        char bytes[16 * 1024];
        reading_.store(true);
        const long n = loop_.io().read(end_.get(), bytes, sizeof bytes);
        if (n > 0) {
            lines_.feed({bytes, static_cast<std::size_t>(n)},
                        [this](std::string_view line) { up_.line(line); });
            up_.write_now();
        }
        reading_.store(false);
        ended = n <= 0 && n != -EAGAIN && n != -EWOULDBLOCK;
        return n == static_cast<long>(sizeof bytes);
    }

    /// Whether what this process has printed is to be saved if it crashes.
    void save_at_crash(bool yes) noexcept {
        if constexpr (requires(Io io) { io.save_at_crash(-1, &reading_); })
            loop_.io().save_at_crash(yes ? end_.get() : -1, &reading_);
    }

    /// What the thread does.
    void read_all() {
        bool ended = false;
        for (;;) {
            io::event ready[2];
            const int n = wake_->poller.wait(ready, 2, never);
            bool asked = n < 0 && n != -EINTR;
            for (int i = 0; i < n; ++i) asked = asked || ready[i].token == to_end;
            if (asked) break;
            if (n > 0) (void)read(ended);
            if (ended) wake_->poller.remove(end_.get());
        }
        for (int times = reads_at_end; !ended && times > 0 && read(ended); --times) {}
    }

public:
    /// `read_end` is nonblocking; empty if nothing is captured.
    stdout_forwarder(detail::broker_engine<Io>& loop, log_forwarder<Io>& up,
                     typename Io::descriptor read_end)
        : loop_(loop), up_(up), end_(std::move(read_end)) {}

    /// Begins to read, when there is a parent. Where no thread or descriptor is to be had, stdout
    /// is not captured.
    void start() {
        if (!end_) return;
        Io& io = loop_.io();
        const construction attempt;
        wake_.emplace(io);
        if (!attempt.failure()) {
            (void)wake_->poller.add(wake_->waker.fd(), to_end, io::interest::read);
            (void)wake_->poller.add(end_.get(), to_read, io::interest::read);
            reader_ = typename Io::thread(io, "mitogen stdout", [this] { read_all(); });
        }
        if (!attempt.failure()) return save_at_crash(true);
        io.release_stdout();
        wake_.reset();
        end_.reset();
    }

    /// Forwards what is in the pipe now, a last line without newline included.
    void finish() {
        if (!wake_) return;
        save_at_crash(false);
        wake_->waker.wake();
        reader_.join();
        lines_.finish([this](std::string_view line) { up_.line(line); });
        wake_.reset();
    }

    /// In a child made by fork(): closes the descriptors. The thread does not exist there.
    void abandon() noexcept {
        save_at_crash(false);
        reader_.forget();
        wake_.reset();
        end_.reset();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
