// SPDX-License-Identifier: BSL-1.0
#pragma once
// buffer.hpp: bytes that grow without being zeroed and without being copied twice.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/block_cache.hpp>
#include <mitogen/codec/wipe.hpp>

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// Owning bytes. Unlike std::vector<std::byte> it never zeroes what it is about to overwrite, and
/// grows by realloc (which moves pages instead of bytes if it can). New bytes have no defined
/// value. As a contiguous range it converts to std::span.
///
/// Errors: out of memory is std::bad_alloc, or the end of the process without exceptions. Threads:
/// as any value.
class buffer {
    std::byte* data_ = nullptr;
    std::size_t size_ = 0;
    std::size_t capacity_ = 0;
    bool secret_ = false;

    [[noreturn]] MITOGEN_COLD static void out_of_memory() {
#if MITOGEN_HAS_EXCEPTIONS
        throw std::bad_alloc();
#else
        std::abort();
#endif
    }

    MITOGEN_COLD void reallocate(std::size_t capacity) {
        if (!data_ && capacity >= wire::block_cache::least) {
            if (void* spare = wire::block_cache::take(capacity)) {
                data_ = static_cast<std::byte*>(spare);
                capacity_ = capacity;
                return;
            }
        }
        auto* moved = static_cast<std::byte*>(secret_ ? std::malloc(capacity)
                                                      : std::realloc(data_, capacity));
        if (!moved) out_of_memory();
        if (secret_) {
            if (size_ != 0) std::memcpy(moved, data_, size_);
            release();
        }
        data_ = moved;
        capacity_ = capacity;
    }

    void release() noexcept {
        if (data_) give_back(); // most buffers that end are empty
    }

    void give_back() noexcept {
        if (secret_) [[unlikely]]
            detail::wipe(data_, capacity_);
        if (capacity_ >= wire::block_cache::least) {
            wire::block_cache::give(data_, capacity_);
        } else {
            std::free(data_);
        }
    }

    void grow(std::size_t least) {
        if (least < size_) out_of_memory(); // the sum has wrapped
        std::size_t capacity = capacity_ + capacity_ / 2;
        if (capacity < least) capacity = least;
        reallocate(capacity < 64 ? 64 : capacity);
    }

public:
    using value_type = std::byte;

    buffer() = default;

    /// `size` bytes of no defined value.
    explicit buffer(std::size_t size) { resize(size); }

    /// A copy of `bytes`.
    explicit buffer(std::span<const std::byte> bytes) {
        if (bytes.empty()) return;
        reserve(bytes.size()); // and no more: few copies grow
        append(bytes.data(), bytes.size());
    }

    buffer(buffer&& other) noexcept
        : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)),
          capacity_(std::exchange(other.capacity_, 0)),
          secret_(std::exchange(other.secret_, false)) {}

    buffer& operator=(buffer&& other) noexcept {
        swap(other);
        other.reset();
        return *this;
    }

    ~buffer() { release(); }

    void swap(buffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
        std::swap(secret_, other.secret_);
    }

    std::byte* data() noexcept { return data_; }
    const std::byte* data() const noexcept { return data_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t capacity() const noexcept { return capacity_; }
    bool empty() const noexcept { return size_ == 0; }
    bool is_secret() const noexcept { return secret_; }
    std::byte* begin() noexcept { return data_; }
    std::byte* end() noexcept { return data_ + size_; }
    const std::byte* begin() const noexcept { return data_; }
    const std::byte* end() const noexcept { return data_ + size_; }
    std::byte& operator[](std::size_t i) noexcept { return data_[i]; }
    const std::byte& operator[](std::size_t i) const noexcept { return data_[i]; }

    /// Makes the size `size`; bytes that are added have no defined value.
    void resize(std::size_t size) {
        if (size > capacity_) grow(size);
        size_ = size;
    }

    /// Makes room for `capacity` bytes in all.
    void reserve(std::size_t capacity) {
        if (capacity > capacity_) reallocate(capacity);
    }

    /// Adds `size` bytes of no defined value and returns their beginning.
    std::byte* extend(std::size_t size) {
        const std::size_t old = size_;
        if (size > capacity_ - size_) grow(size_ + size);
        size_ = old + size;
        return data_ + old;
    }

    /// Adds a copy of `size` bytes; they must not be this buffer's own.
    void append(const void* bytes, std::size_t size) {
        if (size != 0) std::memcpy(extend(size), bytes, size);
    }

    /// The memory is overwritten before it is given back, or used again after clear(). As long as
    /// it holds these bytes.
    void keep_secret() noexcept { secret_ = true; }

    /// Forgets the bytes and keeps the memory.
    void clear() noexcept {
        if (std::exchange(secret_, false)) [[unlikely]]
            detail::wipe(data_, capacity_);
        size_ = 0;
    }

    /// Gives the memory back.
    void reset() noexcept {
        release();
        data_ = nullptr;
        size_ = capacity_ = 0;
        secret_ = false;
    }
};

static_assert(std::is_convertible_v<const buffer&, std::span<const std::byte>> &&
              std::is_convertible_v<buffer&, std::span<std::byte>>);

} // namespace mitogen::inline MITOGEN_ABI
