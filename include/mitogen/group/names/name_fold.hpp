// SPDX-License-Identifier: BSL-1.0
#pragma once
// name_fold.hpp: puts names that differ only in numbers together again, as one with brackets.

#include <mitogen/base/config.hpp>
#include <mitogen/group/names/number_ranges.hpp>
#include <mitogen/group/names/unique_names.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// One number of a name, or the list of several that took its place.
template <class T>
struct fold_cell {
    std::string_view text;
    std::uint64_t value = 0; ///< of the first number

    auto order() const noexcept { return std::tuple(value, text.size(), text); }
    friend bool operator==(const fold_cell& a, const fold_cell& b) noexcept {
        return a.text == b.text;
    }
};

/// Numbers in ascending order as the shortest list without steps: 1-3,5. A number follows another
/// if a range of that one's padding has it next: 09-11, 9-11, 098-101.
template <class T>
class range_writer {
    struct run {
        std::string_view first;
        std::string_view last;
    };
    std::vector<run> runs_;
    // by width, 0 being none: the run that was added to last, + 1, and its last value
    struct open_run {
        std::size_t run = 0;
        std::uint64_t last = 0;
    };
    open_run open_[most_digits + 1];

public:
    void add(const fold_cell<T>& number) {
        const bool padded = is_padded(number.text);
        const std::size_t length = number.text.size();
        for (std::size_t width = padded ? length : 0; width <= length; ++width) {
            open_run& open = open_[width];
            if (open.run == 0 || open.last + 1 != number.value) continue;
            runs_[open.run - 1].last = number.text;
            open.last = number.value;
            return;
        }
        runs_.push_back({number.text, number.text});
        open_[padded ? length : 0] = {runs_.size(), number.value};
    }

    std::string text() const {
        std::string out;
        for (const run& r : runs_) {
            if (!out.empty()) out += ',';
            out += r.first;
            if (r.first == r.last) continue;
            out += '-';
            out += r.last;
        }
        return out;
    }
};

/// Names of one shape: the same text around the same count of numbers.
template <class T>
class fold_shape {
    std::size_t dimensions_;
    std::vector<fold_cell<T>> cells_; // row by row

    const fold_cell<T>& cell(std::size_t row, std::size_t dimension) const noexcept {
        return cells_[row * dimensions_ + dimension];
    }

    /// The first dimension but `except` in which two rows differ, or dimensions_.
    std::size_t differ_in(std::size_t a, std::size_t b, std::size_t except) const noexcept {
        for (std::size_t d = 0; d < dimensions_; ++d)
            if (d != except && !(cell(a, d) == cell(b, d))) return d;
        return dimensions_;
    }

    void sort(std::vector<std::size_t>& rows, std::size_t last) const {
        const auto before = [&](std::size_t a, std::size_t b) {
            const std::size_t d = differ_in(a, b, last);
            const std::size_t decides = d < dimensions_ ? d : last;
            if (decides == dimensions_) return false;
            return cell(a, decides).order() < cell(b, decides).order();
        };
        if (!std::is_sorted(rows.begin(), rows.end(), before)) // most are
            std::sort(rows.begin(), rows.end(), before);
    }

    /// Makes one row of those that differ in that dimension only. What is new of it is in `lists`.
    void merge(std::vector<std::size_t>& rows, std::size_t dimension,
               std::deque<std::string>& lists) {
        sort(rows, dimension);
        std::size_t kept = 0;
        for (std::size_t begin = 0, end = 0; begin < rows.size(); begin = end) {
            range_writer<T> list;
            for (end = begin; end < rows.size(); ++end) {
                if (differ_in(rows[begin], rows[end], dimension) < dimensions_) break;
                list.add(cell(rows[end], dimension));
            }
            if (end - begin > 1)
                cells_[rows[begin] * dimensions_ + dimension].text =
                    lists.emplace_back(list.text());
            rows[kept++] = rows[begin];
        }
        rows.resize(kept);
    }

public:
    explicit fold_shape(std::size_t dimensions) : dimensions_(dimensions) {}

    void add(const std::vector<fold_cell<T>>& row) {
        cells_.insert(cells_.end(), row.begin(), row.end());
    }

    /// Appends the names; `text` has `mark` in the place of each number.
    void write(std::string& out, std::string_view text, char mark) {
        std::deque<std::string> lists;
        std::vector<std::size_t> rows(dimensions_ ? cells_.size() / dimensions_ : 1);
        for (std::size_t row = 0; row < rows.size(); ++row) rows[row] = row;
        if (rows.size() > 1) {
            for (std::size_t d = dimensions_; d-- > 0;) merge(rows, d, lists);
            sort(rows, dimensions_);
        }
        for (const std::size_t row : rows) {
            if (!out.empty()) out += ',';
            std::size_t d = 0;
            for (const char c : text) {
                if (c != mark) {
                    out += c;
                    continue;
                }
                const std::string_view numbers = cell(row, d++).text;
                const bool many = numbers.find_first_of(",-") != std::string_view::npos;
                if (many) out += '[';
                out += numbers;
                if (many) out += ']';
            }
        }
    }
};

/// Names without numbers in brackets, as few with them.
template <class T = void>
class name_folder {
    static constexpr char mark = '\x01'; // no name has a control character
    static constexpr std::size_t most_dimensions = 8;

    unique_names<T> texts_; // the names, with marks
    std::vector<fold_shape<T>> shapes_;
    std::string text_;
    std::vector<fold_cell<T>> row_;

    struct stretch {
        std::size_t begin, end;
    };
    std::vector<stretch> numbers_;

    /// Where a name has numbers: not in the brackets of an address.
    void find_numbers(std::string_view name) {
        numbers_.clear();
        for (std::size_t at = 0; at < name.size();) {
            const std::size_t begin = at;
            if (name[at] == '[') {
                at = name.find(']', at);
            } else if (is_decimal(name[at])) {
                while (at < name.size() && is_decimal(name[at])) ++at;
                if (at - begin <= most_digits) numbers_.push_back({begin, at});
            } else {
                ++at;
            }
        }
    }

public:
    void add(std::string_view name) {
        find_numbers(name);
        const std::size_t skipped = numbers_.size() - std::min(numbers_.size(), most_dimensions);
        text_.clear();
        row_.clear();
        std::size_t done = 0;
        for (std::size_t i = skipped; i < numbers_.size(); ++i) {
            const auto [begin, end] = numbers_[i];
            const std::string_view number = name.substr(begin, end - begin);
            text_ += name.substr(done, begin - done);
            text_ += mark;
            row_.push_back({number, decimal_value(number)});
            done = end;
        }
        text_ += name.substr(done);
        const std::size_t place = texts_.add(text_);
        if (place == shapes_.size()) shapes_.emplace_back(row_.size());
        shapes_[place].add(row_);
    }

    std::string text() {
        std::string out;
        for (std::size_t i = 0; i < shapes_.size(); ++i)
            shapes_[i].write(out, texts_.all()[i], mark);
        return out;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
