// SPDX-License-Identifier: BSL-1.0
#pragma once
// stdout_forwarder.hpp: what a child's functions print, on its way up the tree.

#include <mitogen/base/config.hpp>
#include <mitogen/child/text_tail.hpp>
#include <mitogen/logging/log_forwarder.hpp>
#include <mitogen/loop/broker_engine.hpp>

#include <cerrno>
#include <cstddef>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A child's own stdout: a pipe that its loop reads, whose lines go up the tree as log records.
template <class Io>
class stdout_forwarder {
    struct source : event_source {
        stdout_forwarder* self;
    };

    detail::broker_engine<Io>& loop_;
    log_forwarder<Io>& up_;
    typename Io::descriptor end_;
    source source_{};
    text_tail lines_;

    // thousands of lines already: what else the loop has to do comes in between
    static constexpr int reads_in_turn = 1;
    // twice what a pipe holds at most; whoever else prints there may never end
    static constexpr int reads_at_end = 128;

    /// Reads so often, at most.
    void read(int times) {
        while (times-- > 0) {
            char bytes[16 * 1024];
            const long n = loop_.io().read(end_.get(), bytes, sizeof bytes);
            if (n == -EAGAIN || n == -EWOULDBLOCK) return;
            if (n <= 0) return loop_.unwatch(source_);
            lines_.feed({bytes, static_cast<std::size_t>(n)},
                        [this](std::string_view line) { up_.line(line); });
            if (static_cast<std::size_t>(n) < sizeof bytes) return;
        }
    }

public:
    /// `read_end` is nonblocking; empty if nothing is captured.
    stdout_forwarder(detail::broker_engine<Io>& loop, log_forwarder<Io>& up,
                     typename Io::descriptor read_end)
        : loop_(loop), up_(up), end_(std::move(read_end)) {
        source_.fd = end_.get();
        source_.self = this;
        source_.ready = [](event_source& s, bool, bool) {
            static_cast<source&>(s).self->read(reads_in_turn);
        };
    }

    /// Threads: loop.
    void start() {
        if (end_) loop_.watch(source_, io::interest::read);
    }

    /// Forwards what is in the pipe now, a last line without newline included. Threads: loop.
    void finish() {
        if (source_.watched) read(reads_at_end);
        lines_.finish([this](std::string_view line) { up_.line(line); });
        loop_.unwatch(source_);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
