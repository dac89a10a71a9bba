// SPDX-License-Identifier: BSL-1.0
#pragma once
// tool_output.hpp: runs a tool for what it prints, while the loop goes on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/os/process/process.hpp>

#include <cerrno>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// One run of one tool, which has nothing to read. Its end kills the tool.
///
/// Threads: loop.
template <class Io>
class tool_output {
    static constexpr std::size_t most = 65536;

    detail::broker_engine<Io>& loop_;
    typename Io::process process_{};
    typename Io::descriptor out_{};
    bound_source<tool_output> source_{};
    std::string text_;
    unique_function<void(const std::string&)> done_;

public:
    explicit tool_output(detail::broker_engine<Io>& loop) : loop_(loop) {}
    tool_output(tool_output&&) = delete;
    ~tool_output() { close(); }

    /// Has `done` called, later, with what it has printed, stderr among it, at most 64 KiB; it may
    /// destroy this. False if it cannot be started.
    MITOGEN_COLD bool begin(std::vector<std::string> argv,
                            unique_function<void(const std::string&)> done) {
        Io& io = loop_.io();
        typename Io::descriptor theirs;
        if (io.pipe(out_, theirs) < 0 || io.set_nonblocking(out_.get(), true) < 0) return false;
        os::spawn_options start;
        start.path = argv[0];
        start.argv = std::move(argv);
        start.out = theirs.get();
        auto started = io.spawn(start);
        if (!started) return false;
        process_ = std::move(*started);
        done_ = std::move(done);
        on_ready<&tool_output::readable>(source_, *this, out_.get());
        return loop_.watch(source_, io::interest::read) >= 0;
    }

    /// In a child made by fork(): it is not ours.
    void abandon() noexcept {
        process_.forget();
        out_.reset();
    }

private:
    void close() {
        if (!out_) return;
        loop_.unwatch(source_);
        out_.reset();
    }

    void readable() {
        char bytes[4096];
        const long n = loop_.io().read(out_.get(), bytes, sizeof bytes);
        if (n == -EAGAIN || n == -EWOULDBLOCK) return;
        if (n > 0) text_.append(bytes, static_cast<std::size_t>(n));
        if (n > 0 && text_.size() < most) return;
        close();
        const std::string text = std::move(text_);
        auto done = std::move(done_);
        done(text); // the last that is done here
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
