// SPDX-License-Identifier: BSL-1.0
#pragma once
// command_output.hpp: what a command says, cut into lines and kept within bounds.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/command/run_options.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The beginning and the end of a text of any length. Threads: one at a time.
class kept_text {
    std::uint64_t most_head_;
    std::uint64_t most_tail_;
    std::string head_{};
    std::string tail_{}; // up to twice what is kept of it, so that it moves seldom
    std::uint64_t cut_ = 0;

    void trim(std::uint64_t size) {
        const auto more = static_cast<std::size_t>(tail_.size() - size);
        tail_.erase(0, more);
        cut_ += more;
    }

public:
    explicit kept_text(std::uint64_t most) noexcept
        : most_head_(most - most / 2), most_tail_(most / 2) {}

    void append(std::string_view text) {
        const auto room = static_cast<std::size_t>(
            std::min<std::uint64_t>(most_head_ - head_.size(), text.size()));
        head_.append(text.substr(0, room));
        tail_.append(text.substr(room));
        if (tail_.size() / 2 > most_tail_) trim(most_tail_);
    }

    /// All that is kept; `cut`: how much is missing in the middle. Once.
    std::string take(std::uint64_t& cut) {
        if (tail_.size() > most_tail_) trim(most_tail_);
        cut = cut_;
        return std::move(head_) + tail_;
    }
};

/// Cuts what comes into lines, at newlines only. Threads: one at a time.
class line_cutter {
    static constexpr std::size_t most_line = 64u << 10;
    static constexpr duration_ns most_pause = 500'000'000;

    line_callback& call_;
    context who_;        // where the command runs
    std::string open_{}; // the beginning of a line
    instant since_ = 0;  // when that came
    bool goes_on_ = false;

    void give(std::string_view text, line_end why) {
        const bool rest =
            std::exchange(goes_on_, why == line_end::pause || why == line_end::limit);
        const std::string begun = std::exchange(open_, {});
        if (begun.empty()) {
            if (!rest || !text.empty() || call_.told_why()) call_(who_, text, why);
        } else {
            call_(who_, begun + std::string(text), why);
        }
    }

public:
    line_cutter(line_callback& call, const context& who) noexcept : call_(call), who_(who) {}

    void append(std::string_view text, instant now) {
        if (!call_) return;
        while (!text.empty()) {
            const std::size_t newline = text.find('\n');
            const std::size_t room = most_line - open_.size();
            const std::size_t size = std::min(newline, text.size());
            if (size > room) {
                give(text.substr(0, room), line_end::limit);
                text.remove_prefix(room);
            } else if (newline == std::string_view::npos) {
                if (open_.empty()) since_ = now;
                open_.append(text);
                return;
            } else {
                give(text.substr(0, size), line_end::newline);
                text.remove_prefix(size + 1);
            }
        }
    }

    /// When show() has something to do.
    instant due() const noexcept { return open_.empty() ? never : after(since_, most_pause); }
    /// Hands over what has been unfinished for long enough.
    void show(instant now) {
        if (due() <= now) give({}, line_end::pause);
    }
    /// Nothing follows.
    void end() {
        if (!open_.empty() || goes_on_) give({}, line_end::end);
    }
};

/// Both outputs of a command, on the side of whoever has asked for it. Threads: one at a time.
class command_output {
    struct side {
        kept_text kept;
        line_cutter lines;

        side(std::uint64_t most, line_callback& call, const context& who)
            : kept(most), lines(call, who) {}
    };
    side out_;
    side err_;

public:
    command_output(run_options& options, const context& who)
        : out_(options.output_bytes, options.line, who),
          err_(options.output_bytes, options.error_line, who) {}

    void append(bool error, std::string_view text, instant now) {
        side& to = error ? err_ : out_;
        to.kept.append(text);
        to.lines.append(text, now);
    }
    instant due() const noexcept { return std::min(out_.lines.due(), err_.lines.due()); }
    void show(instant now) {
        out_.lines.show(now);
        err_.lines.show(now);
    }
    void end() {
        out_.lines.end();
        err_.lines.end();
    }
    /// What was said, into the result. Once.
    void take(command_result& to) {
        to.out = out_.kept.take(to.out_cut);
        to.err = err_.kept.take(to.err_cut);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
