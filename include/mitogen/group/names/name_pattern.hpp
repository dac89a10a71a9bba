// SPDX-License-Identifier: BSL-1.0
#pragma once
// name_pattern.hpp: reads a text of names, one name with its brackets at a time, and expands it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/group/names/ipv6_text.hpp>
#include <mitogen/group/names/number_ranges.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Text that stands for itself, or, if `ranges` is not empty, numbers.
template <class T>
struct name_part {
    std::string_view text{};
    std::vector<number_range<T>> ranges{};
};

/// Reads names from a text. Holds one of them at a time, as it is written.
template <class T = void>
class name_pattern {
    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t begin_ = 0; // of the name
    std::vector<name_part<T>> parts_;
    std::uint64_t count_ = 0;
    bool any_ = false;

    static bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\n'; }
    bool at_end() const noexcept { return at_ == text_.size(); }
    void skip_blanks() noexcept {
        while (!at_end() && is_blank(text_[at_])) ++at_;
    }

    /// Also in UTF-8.
    bool is_control() const noexcept {
        const auto byte = static_cast<unsigned char>(text_[at_]);
        if (byte < 0x20 || byte == 0x7F) return true;
        if (byte != 0xC2 || at_ + 1 == text_.size()) return false;
        const auto next = static_cast<unsigned char>(text_[at_ + 1]);
        return next >= 0x80 && next <= 0x9F;
    }

    void end_text(std::size_t begin) {
        if (begin < at_) parts_.push_back({.text = text_.substr(begin, at_ - begin)});
    }

    /// Behind the opening bracket of numbers.
    result<void> read_numbers(std::size_t end, std::size_t most) {
        const std::string_view inside = text_.substr(at_, end - at_);
        if (inside.empty()) return bad_names(at_ - 1, "an empty bracket");
        if (inside.find('=') != std::string_view::npos)
            return bad_names(at_, "named dimensions are not known; write a bracket for each");
        result<std::vector<number_range<T>>> ranges = range_reader<T>(text_, at_, end).read(most);
        if (!ranges) return ranges.error();
        std::uint64_t count = 0;
        for (const number_range<T>& range : *ranges) count += range.count();
        count_ *= count;
        if (count_ > most) return too_many_names(begin_, most);
        parts_.push_back({.ranges = *std::move(ranges)});
        return {};
    }

    result<void> read_name(std::size_t most) {
        if (text_[at_] == '-') return bad_names(at_, "a name that begins with a dash");
        std::size_t begin = at_;
        while (!at_end() && !is_blank(text_[at_]) && text_[at_] != ',') {
            if (is_control()) return bad_names(at_, "a control character");
            if (text_[at_] == ']')
                return bad_names(at_, "a closing bracket without an opening one");
            if (text_[at_] != '[') {
                ++at_;
                continue;
            }
            const std::size_t end = text_.find(']', at_);
            if (end == std::string_view::npos)
                return bad_names(at_, "a bracket that is not closed");
            const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
            if (inside.find(':') == std::string_view::npos) {
                end_text(begin);
                ++at_;
                if (result<void> done = read_numbers(end, most); !done) return done;
                begin = end + 1;
            } else if (!is_ipv6(inside)) {
                return bad_names(at_, "a bracket with a colon, and no IPv6 address");
            }
            at_ = end + 1;
        }
        end_text(begin);
        return {};
    }

public:
    explicit name_pattern(std::string_view text) noexcept : text_(text) {}

    /// Reads the next name, which may stand for so many; false if there is no more.
    result<bool> next(std::size_t most) {
        skip_blanks();
        if (any_ && !at_end() && text_[at_] == ',') {
            ++at_;
            skip_blanks();
            if (at_end()) return bad_names(at_, "a name is missing");
        }
        if (at_end()) return false;
        if (text_[at_] == ',') return bad_names(at_, "a name is missing");
        any_ = true;
        begin_ = at_;
        parts_.clear();
        count_ = 1;
        if (result<void> done = read_name(most); !done) return done.error();
        if (count_ > most) return too_many_names(begin_, most);
        return true;
    }

    /// Where the name begins, and how many it stands for.
    std::size_t begin() const noexcept { return begin_; }
    std::uint64_t count() const noexcept { return count_; }
    bool has_numbers() const noexcept { return parts_.size() > 1 || !parts_[0].ranges.empty(); }

    /// The sum of the lengths of the names that it stands for.
    std::uint64_t bytes() const noexcept {
        std::uint64_t sum = 0;
        for (const name_part<T>& part : parts_) {
            std::uint64_t numbers = 0;
            std::uint64_t digits = 0;
            for (const number_range<T>& range : part.ranges) {
                numbers += range.count();
                digits += range.digits();
            }
            sum += numbers ? count_ / numbers * digits : count_ * part.text.size();
        }
        return sum;
    }

    /// Calls take(std::string) with each of them, the last bracket being counted through first.
    template <class Take>
    void expand(Take&& take) const {
        if (!has_numbers()) return take(std::string(parts_[0].text));
        struct counter {
            std::size_t range = 0;
            std::uint64_t value = 0;
        };
        std::vector<counter> counters(parts_.size());
        for (std::size_t i = 0; i < parts_.size(); ++i)
            if (!parts_[i].ranges.empty()) counters[i].value = parts_[i].ranges[0].first;
        const auto advance = [&](const name_part<T>& part, counter& c) {
            const number_range<T>& range = part.ranges[c.range];
            const bool more = range.last - c.value >= range.step;
            if (more) {
                c.value += range.step;
                return true;
            }
            c.range = (c.range + 1) % part.ranges.size();
            c.value = part.ranges[c.range].first;
            return c.range != 0;
        };
        for (std::uint64_t left = count_; left > 0; --left) {
            std::string name;
            for (std::size_t i = 0; i < parts_.size(); ++i) {
                if (parts_[i].ranges.empty())
                    name += parts_[i].text;
                else
                    append_number(name, counters[i].value,
                                  parts_[i].ranges[counters[i].range].width);
            }
            take(std::move(name));
            for (std::size_t i = parts_.size(); i-- > 0;)
                if (!parts_[i].ranges.empty() && advance(parts_[i], counters[i])) break;
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
