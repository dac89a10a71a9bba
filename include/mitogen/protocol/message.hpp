// SPDX-License-Identifier: BSL-1.0
#pragma once
// message.hpp: the header that every message on a link begins with, and how it is laid out in
// bytes.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace mitogen::inline MITOGEN_ABI {

/// Routing information of one message, or of one fragment of it. Routing looks at nothing else.
struct header {
    context_id dst = 0;   ///< who shall receive it
    context_id src = 0;   ///< who sent it
    context_id auth = 0;  ///< on whose authority: a context at or above `src`
    handle_id handle = 0; ///< which receiver inside `dst`
    handle_id reply_to =
        /// handle inside `src` that an answer goes to; 0: none wanted; is_dead: this reports a
        /// failed delivery
        0;
    std::uint32_t length = 0; ///< payload bytes that follow this header
    /// lane of the sender (see lane_numbers); of a fragment also which of its messages it belongs
    /// to
    std::uint32_t stream = 0;
    std::uint8_t flags = 0; ///< `message_flags`

    bool dead() const noexcept { return reply_to == is_dead; }
    bool wants_reply() const noexcept { return reply_to != 0 && reply_to != is_dead; }
};

namespace detail {

/// Bits of header::flags; the others must be zero.
struct message_flags {
    static constexpr std::uint8_t fragment = 1; ///< part of a message that is larger than one frame
    /// with `fragment`: announces the message; the payload is its total size as u64
    static constexpr std::uint8_t first = 2;
    static constexpr std::uint8_t last = 4; ///< with `fragment`: the final part
    /// an answer whose payload is an error, not a value
    static constexpr std::uint8_t failed = 8;
    /// every place that it comes through overwrites the payload behind it
    static constexpr std::uint8_t secret = 16;
    static constexpr std::uint8_t all = 31;
};

} // namespace detail

/// One received message. The payload is valid only while the receiver runs.
struct message {
    header head{};
    std::span<const std::byte> payload{};
    /// the payload's own memory, for the receiver to take over, if it has one
    buffer* whole = nullptr;

    context_id src() const noexcept { return head.src; }
    bool dead() const noexcept { return head.dead(); }
};

namespace detail {

/// Byte layout of a header, little-endian:
/// 0 magic · 1 version · 2 flags · 3 check · 4 length u32 · 8 dst u32 · 12 src u32 · 16 auth u32 ·
/// 20 stream u32 · 24 handle u64 · 32 reply_to u64
///
/// `check` is a byte mixed from all the others, so that a reader which has lost its place notices
/// within a frame or two.
struct header_layout {
    static constexpr std::size_t size = 40;
    static constexpr std::byte magic{0xA6};
    static constexpr std::byte version{2};
};

template <class T>
inline T load_le(const std::byte* from) noexcept {
    T value;
    wire::load(from, value);
    return value;
}

/// Folds the 36 bytes after `check` and the flags into one byte. Multiplier: 2^64 divided by the
/// golden ratio (Knuth, TAOCP 3, 6.4).
inline std::byte header_check(const std::byte* h) noexcept {
    std::uint64_t mix =
        load_le<std::uint32_t>(h + 4) ^ (std::uint64_t{load_le<std::uint8_t>(h + 2)} << 40);
    for (std::size_t at = 8; at < header_layout::size; at += 8)
        mix = (mix ^ load_le<std::uint64_t>(h + at)) * 0x9E37'79B9'7F4A'7C15u;
    return static_cast<std::byte>(mix >> 56);
}

/// Writes header_layout::size bytes.
inline void write_header(std::byte* to, const header& h) noexcept {
    to[0] = header_layout::magic;
    to[1] = header_layout::version;
    to[2] = static_cast<std::byte>(h.flags);
    wire::store(to + 4, h.length);
    wire::store(to + 8, h.dst);
    wire::store(to + 12, h.src);
    wire::store(to + 16, h.auth);
    wire::store(to + 20, h.stream);
    wire::store(to + 24, h.handle);
    wire::store(to + 32, h.reply_to);
    to[3] = header_check(to);
}

/// Reads header_layout::size bytes. Returns null on success, else what is wrong with them.
inline const char* read_header(const std::byte* from, header& h) noexcept {
    if (from[0] != header_layout::magic) return "not a frame (wrong first byte)";
    if (from[1] != header_layout::version) return "frame of another protocol version";
    if (from[3] != header_check(from)) return "corrupt frame header (check byte differs)";
    h.flags = static_cast<std::uint8_t>(from[2]);
    h.length = load_le<std::uint32_t>(from + 4);
    h.dst = load_le<std::uint32_t>(from + 8);
    h.src = load_le<std::uint32_t>(from + 12);
    h.auth = load_le<std::uint32_t>(from + 16);
    h.stream = load_le<std::uint32_t>(from + 20);
    h.handle = load_le<std::uint64_t>(from + 24);
    h.reply_to = load_le<std::uint64_t>(from + 32);
    if (h.flags & ~message_flags::all) return "frame with unknown flags";
    constexpr std::uint8_t ends = message_flags::first | message_flags::last;
    if ((h.flags & ends) == ends || ((h.flags & ends) && !(h.flags & message_flags::fragment)))
        return "frame with contradictory flags";
    return nullptr;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
