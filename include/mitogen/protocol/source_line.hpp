// SPDX-License-Identifier: BSL-1.0
#pragma once
// source_line.hpp: frames of one source that wait for their turn to be passed on.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/protocol/account_book.hpp>
#include <mitogen/protocol/message.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <span>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Writes a frame behind what is in `to`.
inline void append_frame(buffer& to, const header& h, std::span<const std::byte> payload) {
    const std::size_t at = to.size();
    to.resize(at + header_layout::size + payload.size());
    write_header(to.data() + at, h);
    if (!payload.empty())
        std::memcpy(to.data() + at + header_layout::size, payload.data(), payload.size());
}

/// Whole frames, one behind the other, and who pays for them.
class source_line {
    struct share {
        const void* payer;
        std::size_t bytes;
    };

    buffer bytes_;
    std::size_t begin_ = 0;    // of those, what has been taken
    std::deque<share> shares_; // of the rest, in order
    std::uint64_t taken_ = 0;
    std::uint64_t frames_ = 0; // that have been added

    static constexpr std::size_t most_taken_kept = 64 * 1024;

    std::size_t next_frame() const noexcept {
        header h;
        (void)read_header(bytes_.data() + begin_, h); // which was written here
        return header_layout::size + h.length;
    }

    void pay(std::size_t bytes, account_book& book) {
        while (bytes > 0) {
            share& next = shares_.front();
            const std::size_t part = bytes < next.bytes ? bytes : next.bytes;
            book.add(next.payer, part);
            bytes -= part;
            if ((next.bytes -= part) == 0) shares_.pop_front();
        }
    }

public:
    bool empty() const noexcept { return begin_ == bytes_.size(); }
    /// Bytes that have been taken, and that have been added, since it was made.
    std::uint64_t taken() const noexcept { return taken_; }
    std::uint64_t added() const noexcept { return taken_ + (bytes_.size() - begin_); }

    /// Of a frame that has been added; of none: 0.
    std::size_t mean_size() const noexcept {
        return frames_ ? static_cast<std::size_t>(added() / frames_) : 0;
    }

    void add(header h, std::span<const std::byte> payload, const void* payer) {
        h.length = static_cast<std::uint32_t>(payload.size());
        append_frame(bytes_, h, payload);
        ++frames_;
        const std::size_t size = header_layout::size + payload.size();
        if (!shares_.empty() && shares_.back().payer == payer) {
            shares_.back().bytes += size;
        } else {
            shares_.push_back({payer, size});
        }
    }

    /// Moves frames behind what is in `to`, and onto `book`: one, and more of them up to `quantum`
    /// bytes. Returns how many bytes that are; 0 if nothing is here.
    std::size_t take(buffer& to, account_book& book, std::size_t quantum) {
        if (empty()) return 0;
        std::size_t size = 0;
        const std::size_t from = begin_;
        do {
            const std::size_t next = next_frame();
            if (size != 0 && size + next > quantum) break;
            size += next;
            begin_ += next;
        } while (!empty());
        to.append(bytes_.data() + from, size);
        pay(size, book);
        taken_ += size;
        if (begin_ >= most_taken_kept && begin_ * 2 >= bytes_.size()) {
            std::memmove(bytes_.data(), bytes_.data() + begin_, bytes_.size() - begin_);
            bytes_.resize(bytes_.size() - begin_);
            begin_ = 0;
        }
        return size;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
