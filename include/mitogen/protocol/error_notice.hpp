// SPDX-License-Identifier: BSL-1.0
#pragma once
// error_notice.hpp: errors on the wire: the payload of dead messages and of answers that are
// errors.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Longest text of an error that travels, in bytes; the rest is cut off and the cut is marked.
inline constexpr std::size_t error_text_bytes = 64 * 1024;

/// Most bytes of an encoded error. Errors pass if a message of that size would not: somebody waits
/// for them.
inline constexpr std::size_t error_notice_bytes = 4 * error_text_bytes + 1024;

} // namespace detail

/// The bytes of an error.
inline buffer encode_error(const error& e) {
    const error_detail& d = e.detail();
    std::string text = d.text;
    if (text.size() > detail::error_text_bytes) {
        std::size_t end = detail::error_text_bytes;
        while (end > detail::error_text_bytes - 4 &&
               (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80)
            --end; // not inside a character
        text.resize(end);
        text += " […cut]";
    }
    const auto cut = [](const std::string& s) {
        return std::string_view(s).substr(0, detail::error_text_bytes);
    };
    return encode(static_cast<std::uint16_t>(d.why), text, cut(d.type), cut(d.place),
                  cut(d.backtrace), d.context, d.canceller, static_cast<std::uint8_t>(d.radius),
                  d.has_status, static_cast<std::int32_t>(d.status.code),
                  static_cast<std::int32_t>(d.status.signal));
}

/// The error that the bytes hold; if they hold none, an error that says so.
inline error decode_error(std::span<const std::byte> bytes) {
    reader r(bytes);
    std::uint16_t why{};
    std::uint8_t radius{};
    std::int32_t code{};
    std::int32_t signal{};
    error_detail d;
    if (!decode(r, why, d.text, d.type, d.place, d.backtrace, d.context, d.canceller, radius,
                d.has_status, code, signal) ||
        !r.finish()) {
        return error(reason::bad_arguments,
                     "an error arrived that does not decode: " + r.failure_text());
    }
    d.why = static_cast<reason>(why);
    d.radius = static_cast<cancel_radius>(radius);
    d.status = {code, signal};
    return error(std::move(d));
}

} // namespace mitogen::inline MITOGEN_ABI
