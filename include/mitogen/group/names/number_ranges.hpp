// SPDX-License-Identifier: BSL-1.0
#pragma once
// number_ranges.hpp: lists of numbers and ranges, as they stand in the brackets of names.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// More digits are no number: the sum of any two is below 2^63.
inline constexpr std::size_t most_digits = 18;

/// What is wrong with a text of names; `at` counts bytes from 0.
MITOGEN_COLD inline error bad_names(std::size_t at, const std::string& what) {
    return error(reason::bad_arguments, "names, column " + std::to_string(at + 1) + ": " + what);
}

MITOGEN_COLD inline error too_many_names(std::size_t at, std::size_t most) {
    return bad_names(at, "more than " + std::to_string(most) + " names");
}

inline bool is_decimal(char c) noexcept { return c >= '0' && c <= '9'; }

/// True for 01 and 00, not for 0.
inline bool is_padded(std::string_view number) noexcept {
    return number.size() > 1 && number[0] == '0';
}

/// The value of at most `most_digits` digits.
inline std::uint64_t decimal_value(std::string_view digits) noexcept {
    std::uint64_t value = 0;
    for (const char c : digits) value = value * 10 + static_cast<std::uint64_t>(c - '0');
    return value;
}

/// One number, or a range with a step.
template <class = void>
struct number_range {
    std::uint64_t first = 0;
    std::uint64_t last = 0; ///< which the steps may not meet
    std::uint64_t step = 1;
    std::size_t width = 0; ///< digits at least, filled up with zeros
    std::size_t at = 0;    ///< where it stands in the text

    std::uint64_t count() const noexcept { return (last - first) / step + 1; }

    /// The digits of all its numbers together. Not for more than a few million numbers.
    std::uint64_t digits() const noexcept {
        std::uint64_t sum = 0;
        std::uint64_t next = first;
        std::uint64_t above = 10; // the least number of more than `length` digits
        for (std::size_t length = 1; next <= last; ++length, above *= 10) {
            if (next >= above) continue;
            const std::uint64_t here = (std::min(last, above - 1) - next) / step + 1;
            sum += here * std::max(length, width);
            next += here * step;
        }
        return sum;
    }
};

/// Appends a number as a range of that width has it.
inline void append_number(std::string& to, std::uint64_t value, std::size_t width) {
    const std::string digits = std::to_string(value);
    if (digits.size() < width) to.append(width - digits.size(), '0');
    to += digits;
}

/// Reads such a list, from one place of a text to another.
template <class T = void>
class range_reader {
    std::string_view text_;
    std::size_t at_;
    std::size_t end_;

    bool takes(char c) noexcept {
        if (at_ == end_ || text_[at_] != c) return false;
        ++at_;
        return true;
    }

    result<std::string_view> read_number() {
        const std::size_t begin = at_;
        while (at_ < end_ && is_decimal(text_[at_])) ++at_;
        const std::string_view digits = text_.substr(begin, at_ - begin);
        if (digits.empty()) return bad_names(begin, "a number is missing");
        if (digits.size() > most_digits)
            return bad_names(begin, "a number of more than " + std::to_string(most_digits) +
                                        " digits");
        return digits;
    }

    result<number_range<T>> read_range() {
        const std::size_t begin = at_;
        const result<std::string_view> first = read_number();
        if (!first) return first.error();
        number_range<T> range{
            .first = decimal_value(*first), .last = decimal_value(*first), .at = begin};
        if (is_padded(*first)) range.width = first->size();
        const bool is_range = takes('-');
        if (is_range) {
            const result<std::string_view> last = read_number();
            if (!last) return last.error();
            range.last = decimal_value(*last);
            if (range.last < range.first) return bad_names(begin, "a range that runs backwards");
            if (is_padded(*last) && last->size() != range.width)
                return bad_names(begin, "a range whose two ends are padded differently");
        }
        const std::size_t slash = at_;
        if (!takes('/')) return range;
        if (!is_range) return bad_names(slash, "a step without a range");
        const result<std::string_view> step = read_number();
        if (!step) return step.error();
        range.step = decimal_value(*step);
        if (range.step == 0) return bad_names(slash + 1, "a step of 0");
        return range;
    }

public:
    range_reader(std::string_view text, std::size_t begin, std::size_t end) noexcept
        : text_(text), at_(begin), end_(end) {}

    /// At least one range, and at most so many numbers in all.
    result<std::vector<number_range<T>>> read(std::size_t most) {
        std::vector<number_range<T>> ranges;
        std::uint64_t count = 0;
        do {
            const result<number_range<T>> range = read_range();
            if (!range) return range.error();
            if (range->count() > most - count) return too_many_names(range->at, most);
            count += range->count();
            ranges.push_back(*range);
        } while (takes(','));
        if (at_ == end_) return ranges;
        return bad_names(at_, "neither a number nor a comma, dash or slash between numbers");
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
