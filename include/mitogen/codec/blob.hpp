// SPDX-License-Identifier: BSL-1.0
#pragma once
// blob.hpp: owning bytes as an argument or a result.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <cstring>
#include <span>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// Bytes of any content: a file, an image, another program's message. A value; moving is cheap,
/// copying copies.
///
/// Unlike std::vector<std::byte> it is never zeroed before it is filled. Threads: as any value.
class blob {
    buffer bytes_;

public:
    using value_type = std::byte;

    blob() = default;

    /// Takes the bytes over.
    blob(buffer bytes) noexcept : bytes_(std::move(bytes)) {}

    /// `size` bytes of no defined value.
    explicit blob(std::size_t size) : bytes_(size) {}

    /// Copies of `bytes`.
    explicit blob(std::span<const std::byte> bytes) : bytes_(bytes) {}
    explicit blob(std::string_view bytes) { bytes_.append(bytes.data(), bytes.size()); }
    blob(const void* bytes, std::size_t size) { bytes_.append(bytes, size); }

    blob(const blob& other) : bytes_(std::span<const std::byte>(other.bytes_)) {}
    blob(blob&&) noexcept = default;
    blob& operator=(const blob& other) {
        if (this != &other) {
            bytes_.clear();
            bytes_.append(other.data(), other.size());
        }
        return *this;
    }
    blob& operator=(blob&&) noexcept = default;
    ~blob() = default;

    std::byte* data() noexcept { return bytes_.data(); }
    const std::byte* data() const noexcept { return bytes_.data(); }
    std::size_t size() const noexcept { return bytes_.size(); }
    bool empty() const noexcept { return bytes_.empty(); }
    std::byte* begin() noexcept { return bytes_.begin(); }
    std::byte* end() noexcept { return bytes_.end(); }
    const std::byte* begin() const noexcept { return bytes_.begin(); }
    const std::byte* end() const noexcept { return bytes_.end(); }
    std::byte& operator[](std::size_t i) noexcept { return bytes_[i]; }
    const std::byte& operator[](std::size_t i) const noexcept { return bytes_[i]; }

    /// Makes the size `size`; bytes that are added have no defined value.
    void resize(std::size_t size) { bytes_.resize(size); }

    /// The same bytes, seen as characters.
    std::string_view text() const noexcept {
        return {reinterpret_cast<const char*>(data()), size()};
    }

    /// Gives the bytes away; the blob is empty afterwards.
    buffer take() noexcept { return std::move(bytes_); }

    friend bool operator==(const blob& a, const blob& b) noexcept { return a.text() == b.text(); }
};

template <>
struct codec<blob> {
    static constexpr std::size_t least = 4;

    static std::size_t size(const blob& bytes) noexcept { return 4 + bytes.size(); }
    static void encode(writer& w, const blob& bytes) noexcept {
        w.put_count(bytes.size());
        w.put(bytes.data(), bytes.size());
    }
    static bool decode(reader& r, blob& bytes) {
        std::size_t count = 0;
        if (!r.take_count(count, 1)) [[unlikely]]
            return r.expected(&signature);
        bytes.resize(count);
        if (count != 0) std::memcpy(bytes.data(), r.take(count), count);
        return true;
    }
    static void signature(signature_sink& s) { s.put("blob"); }
};

} // namespace mitogen::inline MITOGEN_ABI
