// SPDX-License-Identifier: BSL-1.0
#pragma once
// visible_text.hpp: makes text that somebody else wrote safe to show: nothing in it moves a cursor,
// ends a line or turns the direction of writing.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>

#include <cstddef>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Bytes of the character that `text` begins with, and its number; 0 if it is no UTF-8 (RFC 3629).
inline std::size_t read_utf8(std::string_view text, char32_t& number) noexcept {
    const auto at = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = at(0);
    const std::size_t size = first < 0x80   ? 1
                             : first < 0xC2 ? 0
                             : first < 0xE0 ? 2
                             : first < 0xF0 ? 3
                             : first < 0xF5 ? 4
                                            : 0;
    if (size == 0 || size > text.size()) return 0;
    number = size == 1 ? first : first & (0x7Fu >> size);
    for (std::size_t i = 1; i < size; ++i) {
        if ((at(i) & 0xC0u) != 0x80u) return 0;
        number = number << 6 | (at(i) & 0x3Fu);
    }
    const bool too_long = (size == 3 && number < 0x800) || (size == 4 && number < 0x10000);
    const bool surrogate = number >= 0xD800 && number <= 0xDFFF;
    return too_long || surrogate || number > 0x10FFFF ? 0 : size;
}

/// Controls, but the tab, and what Unicode's bidirectional algorithm (UAX 9) takes for commands;
/// the two separators end a line.
inline bool is_command(char32_t c) noexcept {
    return (c < 0x20 && c != 9) || (c >= 0x7F && c < 0xA0) || c == 0x61C || c == 0x200E ||
           c == 0x200F || (c >= 0x2028 && c <= 0x202E) || (c >= 0x2066 && c <= 0x2069);
}

/// True if all of `text` can be shown: UTF-8 without control characters (but tabs) and without
/// those that change the direction of writing.
inline bool is_visible(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        char32_t number = 0;
        const std::size_t size = read_utf8(text.substr(at), number);
        if (size == 0 || is_command(number)) return false;
        at += size;
    }
    return true;
}

/// `text` with all else written out: `\n`, `\x1b`, `\u202e`. Does not change what it has made.
MITOGEN_COLD inline std::string visible_text(std::string_view text) {
    constexpr const char* digits = "0123456789abcdef";
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        char32_t number = 0;
        std::size_t size = read_utf8(text.substr(at), number);
        if (size != 0 && !is_command(number)) {
            out.append(text, at, size);
        } else if (text[at] == '\n') {
            out += "\\n";
        } else {
            if (size == 0) number = static_cast<unsigned char>(text[at]);
            const bool wide = size > 1;
            out += wide ? "\\u" : "\\x";
            for (int shift = wide ? 12 : 4; shift >= 0; shift -= 4)
                out += digits[number >> shift & 0xFu];
            if (size == 0) size = 1;
        }
        at += size;
    }
    return out;
}

/// The same of a context's name, of at most `most` bytes: what is more is cut off, between two
/// characters.
MITOGEN_COLD inline std::string visible_name(std::string_view name, std::size_t most = most_name) {
    std::string out = visible_text(name);
    if (out.size() <= most) return out;
    while (most > 0 && (static_cast<unsigned char>(out[most]) & 0xC0u) == 0x80u) --most;
    out.resize(most);
    return out;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
