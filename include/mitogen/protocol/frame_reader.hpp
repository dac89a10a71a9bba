// SPDX-License-Identifier: BSL-1.0
#pragma once
// frame_reader.hpp: turns the bytes that arrive on a link into frames. Does no I/O: the link asks
// where bytes should go and says how many came.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/wipe.hpp>
#include <mitogen/protocol/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstring>
#include <span>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Largest payload of one frame, in bytes; longer messages travel as fragments of this size. At 3
/// GB/s one fragment holds up a small message behind it for 40 µs, and its header is 0.03 % of it.
inline constexpr std::size_t fragment_bytes = 128 * 1024;

/// A place for bytes that are about to be read.
struct read_target {
    std::byte* data;
    std::size_t size;
};

/// Splits a byte stream into frames.
///
/// `Sink` offers:
///   void frame(const header&, std::span<const std::byte>)   one whole frame; the span is valid
///                                                           during the call
///   std::byte* reserve(const header&)             room for the payload of a frame that has not
///                                                 arrived whole; null: buffer it
///   void reserved_complete(const header&)         the payload that was reserved is there
///   bool stopped()                                true: deliver no more, now; asked before each
class frame_reader {
    // below this a second read() costs more than the copy that it saves
    static constexpr std::size_t direct_threshold = 8 * 1024;

    buffer in_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::byte* body_ = nullptr; // place of the rest of a reserved payload
    std::size_t body_left_ = 0;
    header body_head_{};
    bool stopped_ = false; // before a frame that may be here

public:
    /// Bytes of input that are held; also the largest single read.
    static constexpr std::size_t capacity = header_layout::size + fragment_bytes + 64 * 1024;

    /// True if the sink has stopped before all that is here was delivered: go_on() comes before the
    /// next prepare().
    bool stopped() const noexcept { return stopped_; }

    /// The place of the next bytes: fills one or two targets and returns how many. To be followed
    /// by commit().
    int prepare(read_target (&targets)[2]) {
        if (in_.size() == 0) in_.resize(capacity); // at first use: an idle link holds no buffer
        int n = 0;
        if (body_left_) targets[n++] = {body_, body_left_};
        targets[n++] = {in_.data() + end_, capacity - end_};
        return n;
    }

    /// `count` bytes have arrived in the targets. Delivers every frame that is complete. Returns
    /// null, or why these bytes cannot be frames; the link is then of no further use.
    template <class Sink>
    const char* commit(std::size_t count, Sink& sink) {
        if (body_left_) {
            const std::size_t part = std::min(count, body_left_);
            body_ += part;
            body_left_ -= part;
            count -= part;
            if (body_left_) return nullptr;
            sink.reserved_complete(body_head_);
        }
        end_ += count;
        return go_on(sink);
    }

    /// Delivers what is here: as commit(0).
    template <class Sink>
    const char* go_on(Sink& sink) {
        stopped_ = false;
        while (end_ - begin_ >= header_layout::size) {
            if (sink.stopped()) {
                stopped_ = true;
                break;
            }
            const std::byte* at = in_.data() + begin_;
            header h;
            if (const char* wrong = read_header(at, h)) return wrong;
            if (h.length > fragment_bytes) return "frame longer than a fragment may be";
            const std::size_t available = end_ - begin_ - header_layout::size;
            if (available >= h.length) {
                begin_ += header_layout::size + h.length;
                sink.frame(h, {at + header_layout::size, h.length});
                if (h.flags & message_flags::secret) [[unlikely]]
                    forget(at, header_layout::size + h.length);
                continue;
            }
            if (h.flags & message_flags::secret) in_.keep_secret(); // the rest may never come
            if (h.length >= direct_threshold) {
                if (std::byte* to = sink.reserve(h)) {
                    std::memcpy(to, at + header_layout::size, available);
                    if (h.flags & message_flags::secret)
                        forget(at, header_layout::size + available);
                    body_ = to + available;
                    body_left_ = h.length - available;
                    body_head_ = h;
                    begin_ = end_ = 0;
                    return nullptr;
                }
            }
            break;
        }
        if (begin_ == end_) {
            begin_ = end_ = 0;
        } else if (capacity - begin_ < header_layout::size + fragment_bytes) {
            std::memmove(in_.data(), in_.data() + begin_, end_ - begin_);
            if (in_.is_secret()) wipe(in_.data() + end_ - begin_, begin_);
            end_ -= begin_;
            begin_ = 0;
        }
        return nullptr;
    }

private:
    /// Overwrites input that has been used.
    void forget(const std::byte* from, std::size_t size) noexcept {
        wipe(in_.data() + (from - in_.data()), size);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
