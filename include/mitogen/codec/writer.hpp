// SPDX-License-Identifier: BSL-1.0
#pragma once
// writer.hpp: stores values as little-endian bytes where room has been made for them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace mitogen::inline MITOGEN_ABI {

namespace wire {
/// True if an object's bytes are the wire's bytes. Hosts of mixed byte order do not exist any more.
inline constexpr bool little = std::endian::native == std::endian::little;
static_assert(little || std::endian::native == std::endian::big);

/// Writes a scalar as little-endian bytes, at any alignment.
template <class T>
inline void store(std::byte* to, const T& value) noexcept {
    if constexpr (little || sizeof(T) == 1) {
        std::memcpy(to, &value, sizeof(T));
    } else {
        std::byte native[sizeof(T)];
        std::memcpy(native, &value, sizeof(T));
        for (std::size_t i = 0; i < sizeof(T); ++i) to[i] = native[sizeof(T) - 1 - i];
    }
}

/// Reads a scalar from little-endian bytes, at any alignment.
template <class T>
inline void load(const std::byte* from, T& value) noexcept {
    if constexpr (little || sizeof(T) == 1) {
        std::memcpy(&value, from, sizeof(T));
    } else {
        std::byte native[sizeof(T)];
        for (std::size_t i = 0; i < sizeof(T); ++i) native[i] = from[sizeof(T) - 1 - i];
        std::memcpy(&value, native, sizeof(T));
    }
}

// Most strings are short, and a call of memcpy with a length that is not a constant costs more than
// copying them: two moves that overlap cover each range of lengths.
inline void copy_text(std::byte* to, const void* bytes, std::size_t size) noexcept {
#if !defined(__OPTIMIZE_SIZE__)
    const auto* from = static_cast<const std::byte*>(bytes);
    if (size - 8 <= 8) { // 8 to 16
        std::uint64_t head;
        std::uint64_t tail;
        std::memcpy(&head, from, 8);
        std::memcpy(&tail, from + size - 8, 8);
        std::memcpy(to, &head, 8);
        std::memcpy(to + size - 8, &tail, 8);
        return;
    }
    if (size - 4 <= 3) { // 4 to 7
        std::uint32_t head;
        std::uint32_t tail;
        std::memcpy(&head, from, 4);
        std::memcpy(&tail, from + size - 4, 4);
        std::memcpy(to, &head, 4);
        std::memcpy(to + size - 4, &tail, 4);
        return;
    }
#endif
    if (size != 0) std::memcpy(to, bytes, size);
}
} // namespace wire

/// Stores into memory that is known to be large enough: encoded_size() was asked before. Nothing is
/// checked.
class writer {
    std::byte* at_;
    context_id destination_;
    const void* router_;
    const char* failure_ = nullptr;
    bool secret_ = false;

public:
    /// `destination`: the context that the bytes are for, and `router`: which router sends them, if
    /// that is known.
    explicit writer(void* to, context_id destination = no_context,
                    const void* router = nullptr) noexcept
        : at_(static_cast<std::byte*>(to)), destination_(destination), router_(router) {}

    /// The context that the bytes are for; no_context if nobody has said it.
    context_id destination() const noexcept { return destination_; }

    /// False if another router sends the bytes than this one.
    bool sends_from(const void* router) const noexcept { return !router_ || router_ == router; }

    /// Says that a value cannot be sent, and why: text that stays. The bytes then go nowhere.
    void fail(const char* why) noexcept { failure_ = why; }
    /// Why a value cannot be sent; null if all can.
    const char* failure() const noexcept { return failure_; }

    /// Says that what is written must not be left behind in memory: see buffer::keep_secret().
    void note_secret() noexcept { secret_ = true; }
    bool has_secret() const noexcept { return secret_; }

    /// The place of the next byte.
    std::byte* at() const noexcept { return at_; }

    /// Passes over `size` bytes, for the caller to fill; returns their beginning.
    std::byte* skip(std::size_t size) noexcept {
        std::byte* here = at_;
        at_ += size;
        return here;
    }

    /// Copies `size` bytes as they are.
    void put(const void* bytes, std::size_t size) noexcept {
        // the pointer may be null when there is nothing to copy
        if (size != 0) std::memcpy(at_, bytes, size);
        at_ += size;
    }

    /// Copies `size` bytes, expected to be few.
    void put_text(const void* bytes, std::size_t size) noexcept {
        wire::copy_text(at_, bytes, size);
        at_ += size;
    }

    /// A scalar in its own width, little-endian.
    template <class T>
    void put_scalar(const T& value) noexcept {
        wire::store(at_, value);
        at_ += sizeof(T);
    }

    void put_u8(std::uint8_t value) noexcept { put_scalar(value); }

    /// A length. Containers of 2^32 elements and more cannot be sent: a message is at most
    /// limits::message_bytes long.
    void put_count(std::size_t count) noexcept { put_scalar(static_cast<std::uint32_t>(count)); }
};

} // namespace mitogen::inline MITOGEN_ABI
