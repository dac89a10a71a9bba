// SPDX-License-Identifier: BSL-1.0
#pragma once
// stdout_forwarder.hpp: what a child's functions print, on its way up the tree.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/connect/forwarded_log.hpp>
#include <mitogen/connect/text_tail.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/route/router_core.hpp>

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

    basic_router_core<Io>& router_;
    typename Io::descriptor end_;
    source source_{};
    text_tail lines_;

    void read() {
        for (;;) {
            char bytes[16 * 1024];
            const long n = router_.loop().io().read(end_.get(), bytes, sizeof bytes);
            if (n == -EAGAIN || n == -EWOULDBLOCK) return;
            if (n <= 0) return router_.loop().unwatch(source_);
            lines_.feed({bytes, static_cast<std::size_t>(n)}, [this](std::string_view line) { send(line); });
            if (static_cast<std::size_t>(n) < sizeof bytes) return;
        }
    }

    void send(std::string_view line) { forward_log(router_, router_.id(), log::level::info, "stdout", line); }

public:
    /// `read_end` is nonblocking; empty where nothing is captured.
    stdout_forwarder(basic_router_core<Io>& node, typename Io::descriptor read_end) : router_(node), end_(std::move(read_end)) {
        source_.fd = end_.get();
        source_.self = this;
        source_.ready = [](event_source& s, bool, bool) { static_cast<source&>(s).self->read(); };
    }

    /// Threads: loop.
    void start() {
        if (end_) router_.loop().watch(source_, io::interest::read);
    }

    /// Forwards what is in the pipe now, a last line without newline included. Threads: loop.
    void finish() {
        if (source_.watched) read();
        lines_.finish([this](std::string_view line) { send(line); });
        router_.loop().unwatch(source_);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
