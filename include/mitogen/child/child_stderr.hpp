// SPDX-License-Identifier: BSL-1.0
#pragma once
// child_stderr.hpp: what a child says on stderr, as its parent reads it: to the log, or into the
// error that its failure becomes.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/child/rate_limiter.hpp>
#include <mitogen/child/text_tail.hpp>
#include <mitogen/link/visible_text.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/loop/broker_engine.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a line is of a child's report of its crash.
enum class crash_part : std::uint8_t {
    none,
    head, ///< kept for the debugger, and shown as any other
    frame ///< kept for the debugger alone
};

/// Tells that of a line. Null: nobody debugs. Process-wide.
inline constinit std::atomic<crash_part (*)(std::string_view line) noexcept> crash_part_reader{
    nullptr};

/// Lines are kept while the child starts. Once it is up they go to the log, those that were kept
/// first; if it does not come up its error quotes the last of them, and the log shows none. Those
/// that come too fast are dropped and counted: see log::bounds. It may be a terminal, at which the
/// child asks questions before it is up.
///
/// Threads: loop.
template <class Io>
class child_stderr {
    struct source : event_source {
        child_stderr* self;
    };

    enum class use : std::uint8_t { keep, show, drop };

    detail::broker_engine<Io>& loop_;
    typename Io::descriptor end_;
    typename Io::descriptor terminal_; // so that it has no end while a tool may close and open it
    unique_function<void(std::string_view)> heard_;
    bool answer_ends_line_ = false; // at which nobody looks
    context_id id_;
    std::string name_;
    source source_{};
    text_tail tail_;
    std::vector<std::string> kept_;
    std::size_t kept_bytes_ = 0;
    use use_ = use::keep;
    std::string crash_; // lines of a report
    rate_limiter meter_;
    timer tell_{}; // what was dropped

    static constexpr int most_reads = 64; // in one go
    static constexpr std::size_t most_kept = 1u << 20;
    static constexpr std::size_t most_of_crash = 1u << 16;

public:
    /// `end` may be empty. `terminal`: the child's side, if it is one. The context's name and
    /// number are for the log.
    child_stderr(detail::broker_engine<Io>& loop, typename Io::descriptor end, context_id id,
                 std::string name, typename Io::descriptor terminal = typename Io::descriptor())
        : loop_(loop), end_(std::move(end)), terminal_(std::move(terminal)), id_(id),
          name_(std::move(name)) {
        source_.fd = end_.get();
        source_.self = this;
        source_.ready = [](event_source& s, bool, bool) { static_cast<source&>(s).self->read(); };
        tell_.fire = [this] {
            if (meter_.tell_at() <= loop_.io().now()) tell();
            plan();
        };
    }

    child_stderr(child_stderr&&) = delete;

    /// Begins to listen. 0 or -errno.
    long begin() { return end_ ? loop_.watch(source_, io::interest::read) : 0; }

    /// Who hears what it says, so as to answer; may hang up, but not end this.
    void listen(unique_function<void(std::string_view)> heard) { heard_ = std::move(heard); }

    /// Types an answer at its terminal. The question is not shown: it is forgotten, and so is the
    /// end of its line.
    void type(std::string_view answer) {
        // an empty terminal takes 4 KiB
        static_cast<void>(loop_.io().write(end_.get(), answer.data(), answer.size()));
    }
    void question_answered() {
        tail_.drop_unfinished();
        answer_ends_line_ = true;
    }

    /// Masks a word in all that is kept.
    void mask(std::string_view word) {
        const auto change = [word](std::string& line) { detail::mask(line, word); };
        tail_.revise(change);
        for (std::string& line : kept_) change(line);
    }

    /// Closes a terminal: whoever runs there is told with SIGHUP, and reads no more.
    void hang_up() {
        if (!terminal_) return;
        drain();
        loop_.unwatch(source_);
        end_.reset();
        terminal_.reset();
    }

    /// From now on the log shows what it says, and shows now what was kept.
    void show() {
        if (use_ != use::keep) return;
        use_ = use::show;
        for (const std::string& line : std::exchange(kept_, {})) emit(line);
        plan();
    }

    /// From now on nobody is told what it says.
    void drop() {
        use_ = use::drop;
        kept_.clear();
        loop_.cancel_slow_timer(tell_);
    }

    /// The last lines. Takes what is in the pipe now, so that an error has the last words; a line
    /// that has not ended is one too.
    std::string last_words() {
        drain();
        tail_.finish([this](std::string_view line) { return take(line); });
        return tail_.text();
    }

    /// What it has said of its crash, a line each. After last_words().
    std::string crash_report() { return std::exchange(crash_, {}); }

    /// Stops listening; what is in the pipe now, a last line without newline included, is the last.
    void finish() {
        drain();
        loop_.unwatch(source_);
        show();
        tail_.finish([this](std::string_view line) { return take(line); });
        loop_.cancel_slow_timer(tell_);
        tell();
    }

    /// In a child made by fork(): closes the descriptor.
    void abandon() noexcept {
        end_.reset();
        terminal_.reset();
    }

private:
    /// Reads once. False if there is nothing more now.
    bool read() {
        char bytes[4096];
        const long n = loop_.io().read(end_.get(), bytes, sizeof bytes);
        if (n > 0) {
            hear({bytes, static_cast<std::size_t>(n)});
            return true;
        }
        if (n != -EAGAIN && n != -EWOULDBLOCK) {
            loop_.unwatch(source_);
            if (!terminal_) end_.reset(); // else who still has it would be hung up on
        }
        return false;
    }

    void hear(std::string_view bytes) {
        if (std::exchange(answer_ends_line_, false))
            bytes.remove_prefix(std::min(bytes.find_first_not_of("\r\n"), bytes.size()));
        tail_.feed(bytes, [this](std::string_view line) { return take(line); });
        if (heard_) heard_(bytes);
    }

    void drain() {
        for (int reads = 0; reads < most_reads && source_.watched && read(); ++reads) {}
    }

    /// False if the line is no last word: it is for the debugger alone.
    bool take(std::string_view line) {
        const auto part_of = crash_part_reader.load(std::memory_order_relaxed);
        const crash_part part = part_of ? part_of(line) : crash_part::none;
        if (part == crash_part::head) crash_.clear();
        if (part != crash_part::none && crash_.size() + line.size() < most_of_crash) {
            crash_.append(line).append("\n");
            if (part == crash_part::frame) return false;
        }
        say(line);
        return true;
    }

    void say(std::string_view line) {
        if (use_ == use::drop) return;
        const instant now = loop_.io().now();
        if (use_ == use::show && meter_.tell_at() <= now) tell();
        const char* obstacle =
            kept_bytes_ < most_kept ? nullptr : "more than is kept until it is up";
        if (!meter_.admit(now, line.size(), use_ == use::keep ? obstacle : nullptr,
                          log::current_bounds()))
            return plan();
        if (use_ == use::show) return emit(line);
        kept_bytes_ += line.size() + rate_limiter::line_cost;
        kept_.emplace_back(line);
    }

    void emit(std::string_view line) {
        const at_work here(named_work, "the log's sink");
        if (is_visible(line)) [[likely]]
            return log::emit({log::level::info, id_, name_, "stderr", line});
        log::emit({log::level::info, id_, name_, "stderr", visible_text(line)});
    }

    /// Has what was dropped told in time.
    void plan() {
        if (use_ == use::show && meter_.tell_at() != never && !tell_.is_set())
            loop_.set_slow_timer(tell_, meter_.tell_at());
    }

    void tell() {
        if (use_ != use::show || meter_.tell_at() == never) return;
        log::emit({log::level::warning, id_, name_, "mitogen",
                   meter_.tell("line of stderr", "lines of stderr")});
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
