// SPDX-License-Identifier: BSL-1.0
#pragma once
// frame_text.hpp: a stack as it is shown, from the program's own line on.

#include <mitogen/base/config.hpp>
#include <mitogen/debug/frames/frame.hpp>

#include <cctype>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Reads the name of a function as demanglers write it, up to its parameters.
class function_name_reader {
    std::string_view text_;
    std::size_t at_ = 0;
    std::size_t begin_ = 0; // of the name; what is before it is the type that is returned
    int depth_ = 0;         // of brackets

    bool skip(std::string_view word) noexcept {
        if (!text_.substr(at_).starts_with(word)) return false;
        at_ += word.size();
        return true;
    }

    // Of operators, whose names hold brackets and blanks. Of a conversion the rest is a type.
    bool skip_operator() noexcept {
        constexpr std::string_view word = "operator";
        constexpr std::string_view signs = "<>=!+-*/%^&|~,";
        const bool begins = at_ == begin_ || text_[at_ - 1] == ':';
        if (!begins || !text_.substr(at_).starts_with(word)) return false;
        const std::string_view rest = text_.substr(at_ + word.size());
        if (rest.empty() || (signs.find(rest[0]) == signs.npos && rest[0] != '(' &&
                             rest[0] != '[' && rest[0] != ' '))
            return false;
        at_ += word.size();
        if (skip("()") || skip("[]")) return true;
        while (at_ < text_.size() && signs.find(text_[at_]) != signs.npos) ++at_;
        if (text_.substr(at_).starts_with(" <")) ++at_; // its template arguments
        else if (rest[0] == ' ') at_ = text_.size();
        return true;
    }

public:
    explicit function_name_reader(std::string_view text) noexcept : text_(text) {}

    std::string_view read() noexcept {
        while (at_ < text_.size()) {
            if (depth_ == 0 && (skip("(anonymous namespace)") || skip_operator())) continue;
            const char c = text_[at_];
            // a bracket in front of a name is part of the type before it: decltype (x)
            if (c == '(' && depth_ == 0 && at_ != begin_) break;
            if (c == '<' || c == '(' || c == '{' || c == '[') ++depth_;
            if ((c == '>' && text_[at_ - (at_ > 0)] != '-') || c == ')' || c == '}' || c == ']')
                --depth_;
            ++at_;
            if (c == ' ' && depth_ == 0) begin_ = at_;
        }
        return text_.substr(begin_, at_ - begin_);
    }
};

/// True of the library's own functions, as breakpoint() and all that it calls, and what calls the
/// program's functions.
inline bool is_library_frame(const named_frame& one) noexcept {
    const std::string_view name = function_name_reader(one.function).read();
    if (name.starts_with("mitogen::")) return true;
    // of an inlined lambda some compilers tell no more than "operator()"
    return name.find("::") == name.npos && one.file.find("include/mitogen/") != one.file.npos;
}

/// All in one line, from the innermost one that is not the library's; all of them if they all are.
template <class = void> // compiled where it is used
MITOGEN_COLD std::vector<named_frame>
frames_to_show(std::span<const std::vector<named_frame>> named) {
    std::vector<named_frame> all;
    for (const auto& each : named) all.insert(all.end(), each.begin(), each.end());
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (is_library_frame(all[i])) continue;
        all.erase(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(i));
        break;
    }
    return all;
}

/// A function's name without what tells versions of this library apart: "mitogen::v0_1_pd::run".
MITOGEN_COLD inline std::string plain_name(std::string name) {
    constexpr std::string_view ours = "mitogen::v";
    for (std::size_t at = 0; (at = name.find(ours, at)) != name.npos;) {
        const std::size_t begin = at + ours.size() - 1;
        std::size_t end = begin + 1;
        while (end < name.size() &&
               (name[end] == '_' || std::isalnum(static_cast<unsigned char>(name[end]))))
            ++end;
        at = begin;
        const bool version = end > begin + 1 && name[begin + 1] >= '0' && name[begin + 1] <= '9';
        if (version && name.compare(end, 2, "::") == 0) name.erase(begin, end + 2 - begin);
    }
    return name;
}

/// "function at file:line", with "(inlined) " before it, without what is not known.
MITOGEN_COLD inline std::string frame_text(const named_frame& one) {
    std::string text = (one.inlined ? "(inlined) " : "") + plain_name(one.function);
    if (!one.file.empty()) text += " at " + one.file + ":" + std::to_string(one.line);
    return text;
}

/// A line for each: "#0  function at file:line\n", "#1  (inlined) …", "#2  module+0x12ab".
template <class = void> // compiled where it is used
MITOGEN_COLD std::string frame_list_text(std::span<const named_frame> frames) {
    std::string text;
    std::size_t number = 0;
    for (const named_frame& each : frames) {
        const std::string label = "#" + std::to_string(number++);
        text += label + std::string(label.size() < 4 ? 4 - label.size() : 1, ' ');
        text += frame_text(each) + "\n";
    }
    return text;
}

/// A text with such a list behind it, if there is one.
template <class = void> // compiled where it is used
MITOGEN_COLD std::string with_stack(std::string text, std::span<const named_frame> frames) {
    if (frames.empty()) return text;
    text += "\n" + frame_list_text(frames);
    text.pop_back(); // the end of its last line
    return text;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
