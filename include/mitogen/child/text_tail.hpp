// SPDX-License-Identifier: BSL-1.0
#pragma once
// text_tail.hpp: splits what a process prints into lines, and remembers the last of them for error
// messages.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Replaces control characters but tabs: what a stranger's program prints must not reprogram the
/// terminal of whoever reads it.
inline void defuse(std::string& text) noexcept {
    for (char& c : text)
        if ((static_cast<unsigned char>(c) < 0x20 && c != '\t') || c == 0x7f) c = '?';
}

/// Overwrites every `word` in `text` with asterisks.
inline void mask(std::string& text, std::string_view word) {
    if (word.empty()) return;
    for (std::size_t at = 0; (at = text.find(word, at)) != std::string::npos;)
        text.replace(at, word.size(), "***"), at += 3;
}

/// Bytes in, lines out. A line longer than `line_limit` is given out in pieces. Control characters
/// but tabs become '?'.
class text_tail {
    std::string partial_;
    std::vector<std::string> last_; // few enough to move up when the first goes
    std::size_t kept_bytes_ = 0;

    static constexpr std::size_t line_limit = 8192;
    static constexpr std::size_t tail_lines = 20;
    static constexpr std::size_t tail_bytes = 4096;

    template <class Line>
    void give(Line&& line) {
        defuse(partial_);
        if constexpr (std::is_same_v<decltype(line(std::string_view(partial_))), bool>) {
            if (!line(std::string_view(partial_))) return partial_.clear();
        } else {
            line(std::string_view(partial_));
        }
        kept_bytes_ += partial_.size();
        last_.push_back(std::exchange(partial_, {}));
        // the very last stays whole
        while (last_.size() > tail_lines || (kept_bytes_ > tail_bytes && last_.size() > 1)) {
            kept_bytes_ -= last_.front().size();
            last_.erase(last_.begin());
        }
    }

public:
    /// Adds bytes; calls `line(std::string_view)` for each line that is complete. If that answers
    /// false, the line is not remembered.
    template <class Line>
    void feed(std::string_view bytes, Line&& line) {
        for (const char c : bytes) {
            if (c == '\n') {
                if (!partial_.empty() && partial_.back() == '\r') partial_.pop_back();
                give(line);
            } else {
                partial_.push_back(c);
                if (partial_.size() == line_limit) give(line);
            }
        }
    }

    /// The end has come: a last line without newline is a line too.
    template <class Line>
    void finish(Line&& line) {
        if (!partial_.empty()) give(line);
    }

    /// Forgets a line that has not ended.
    void drop_unfinished() noexcept { partial_.clear(); }

    /// Calls `change(std::string&)` for every line that is remembered.
    template <class Change>
    void revise(Change&& change) {
        kept_bytes_ = 0;
        for (std::string& l : last_) {
            change(l);
            kept_bytes_ += l.size();
        }
        change(partial_);
    }

    /// The last lines, one below the other.
    std::string text() const {
        std::string out;
        for (const std::string& l : last_) out.append(out.empty() ? "" : "\n  ").append(l);
        if (!partial_.empty()) {
            std::string unfinished = partial_;
            defuse(unfinished);
            out.append(out.empty() ? "" : "\n  ").append(unfinished);
        }
        return out;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
