// SPDX-License-Identifier: BSL-1.0
#pragma once
// program_compressor.hpp: compresses programs with a tool of this machine, while the loop goes on.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/bound_source.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/os/fd.hpp>
#include <mitogen/os/file.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/program/compressor.hpp>

#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Runs a tool of this machine that writes into a file without a name, which is kept for those who
/// need it later; the loop goes on meanwhile. A tool that takes too long is given up.
template <class Io>
class program_compressor final : public compressor {
    using callback = unique_function<void(const compressed_program&)>;

    struct request {
        std::vector<std::string_view> tools;
        callback done;
    };

    /// One program and one tool: under way, and then done.
    struct job {
        program_compressor* owner;
        os::file_stamp stamp;
        const compression_tool* tool;
        std::shared_ptr<os::unique_fd> file{}; ///< null if it has failed
        std::optional<typename Io::process> process{};
        typename Io::descriptor end{}; // of a pipe that it holds until it ends
        bound_source<job> source{};
        timer limit{};
        instant given_up_at = never;
        os::unique_fd program{}; // should another tool be tried
        std::vector<request> waiting{};

        void readable() {
            char words[512]; // what it complains of helps nobody: the program is sent as it is
            const long n = owner->loop_.io().read(end.get(), words, sizeof words);
            if (n > 0 || n == -EAGAIN || n == -EWOULDBLOCK) return;
            owner->loop_.unwatch(source);
            owner->look_after(*this);
        }
    };

    detail::broker_engine<Io>& loop_;
    std::vector<std::unique_ptr<job>> jobs_;

    static constexpr duration_ns patience = 10'000'000'000;
    static constexpr duration_ns shortly = 1'000'000;

public:
    explicit program_compressor(detail::broker_engine<Io>& loop) : loop_(loop) {}
    program_compressor(program_compressor&&) = delete;

    MITOGEN_COLD
    void make(const os::unique_fd& program, std::vector<std::string_view> tools,
              callback done) override {
        os::file_stamp stamp;
        if (os::stamp_file(program.get(), stamp) < 0 || stamp.size < least_pressed) return done({});
        for (const compression_tool& tool : compression_tools) {
            bool known_there = false;
            for (const std::string_view name : tools)
                known_there = known_there || name == tool.name;
            if (!known_there) continue;
            job* j = find(stamp, tool);
            if (!j) j = begin(stamp, tool, program);
            if (j->process) return j->waiting.push_back({std::move(tools), std::move(done)});
            if (j->file) return done({j->file, tool.name});
        }
        done({});
    }

    /// Ends what is under way. Nobody waits for it any more. Threads: loop.
    void close() {
        for (const auto& j : jobs_) {
            j->waiting.clear();
            if (j->process) {
                stop(*j);
                j->file.reset();
            }
        }
    }

    /// In a child made by fork(): closes descriptors and forgets processes.
    void abandon() noexcept {
        for (const auto& j : jobs_) {
            if (j->process) j->process->forget();
            j->end.reset();
            j->program.reset();
            j->file.reset();
        }
    }

private:
    job* find(const os::file_stamp& stamp, const compression_tool& tool) {
        for (const auto& j : jobs_)
            if (j->stamp == stamp && j->tool == &tool) return j.get();
        return nullptr;
    }

    /// Starts it. If that fails, it is done and has no file.
    MITOGEN_COLD
    job* begin(const os::file_stamp& stamp, const compression_tool& tool,
               const os::unique_fd& program) {
        job& j = *jobs_.emplace_back(std::make_unique<job>());
        j.owner = this;
        j.stamp = stamp;
        j.tool = &tool;
        // with a position of its own
        j.program.reset(static_cast<int>(os::reopen_to_read(program.get())));
        os::unique_fd out(static_cast<int>(os::nameless_file()));
        typename Io::descriptor theirs;
        if (!j.program || !out || loop_.io().pipe(j.end, theirs) < 0) return &j;
        (void)loop_.io().set_nonblocking(j.end.get(), true);
        os::spawn_options start;
        start.path = std::string(tool.name);
        start.argv = {start.path, std::string(tool.options)};
        start.in = j.program.get();
        start.out = out.get();
        start.err = theirs.get();
        auto process = loop_.io().spawn(start);
        if (!process) {
            j.end.reset();
            j.program.reset();
            return &j;
        }
        j.process.emplace(std::move(*process));
        j.file = std::make_shared<os::unique_fd>(std::move(out));
        j.given_up_at = after(loop_.io().now(), patience);
        j.limit.fire = [this, &j] { look_after(j); };
        on_ready<&job::readable>(j.source, j, j.end.get());
        loop_.set_timer(j.limit, j.given_up_at);
        // should that fail, it is given up in the end
        (void)loop_.watch(j.source, io::interest::read);
        return &j;
    }

    /// It has closed its stderr, and so is about to end; or takes too long.
    MITOGEN_COLD void look_after(job& j) {
        const instant now = loop_.io().now();
        const auto status = j.process->try_wait();
        if (!status && now < j.given_up_at) return loop_.set_timer(j.limit, after(now, shortly));
        const bool whole = status && status->success();
        stop(j);
        // a gain of less than a tenth is not worth it
        if (!whole || os::file_size(j.file->get()) > j.stamp.size / 10 * 9) j.file.reset();
        const os::unique_fd program = std::move(j.program);
        // it, or another tool
        for (request& r : std::exchange(j.waiting, {}))
            make(program, std::move(r.tools), std::move(r.done));
    }

    void stop(job& j) {
        loop_.cancel_timer(j.limit);
        loop_.unwatch(j.source);
        j.end.reset();
        j.process.reset(); // kills and reaps it, should it still be there
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
