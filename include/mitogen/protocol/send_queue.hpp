// SPDX-License-Identifier: BSL-1.0
#pragma once
// send_queue.hpp: what a link still has to send, in the order in which it will. Does no I/O and
// takes no lock.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/writer.hpp>
#include <mitogen/protocol/account_book.hpp>
#include <mitogen/protocol/frame_reader.hpp>
#include <mitogen/protocol/lane_numbers.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/protocol/source_line.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A run of bytes that one write takes from a send_queue. Whoever holds it may write without a
/// lock.
class send_batch {
    friend class send_queue;

    buffer frames_; // whole frames
    // header of one fragment, before it where needed the announcement
    std::byte head_[2 * header_layout::size + 8];
    std::size_t head_size_ = 0;
    std::span<const std::byte> fragment_{}; // inside the large message's payload
    std::size_t size_ = 0;                  // of all three
    std::size_t done_ = 0;                  // bytes that are written

public:
    bool empty() const noexcept { return done_ == size_; }
    std::size_t size() const noexcept { return size_; }
    std::size_t left() const noexcept { return size_ - done_; }

    /// Calls `add(data, size)` for each piece that is still to be written, at most three times.
    template <class Add>
    void pieces(Add&& add) const {
        std::size_t skip = done_;
        const auto piece = [&](const std::byte* data, std::size_t size) {
            if (skip < size) add(data + skip, size - skip);
            skip -= skip < size ? skip : size;
        };
        piece(frames_.data(), frames_.size());
        if (size_ == frames_.size()) return; // as usual
        piece(head_, head_size_);
        piece(fragment_.data(), fragment_.size());
    }

    /// `count` more bytes are written.
    void consume(std::size_t count) noexcept { done_ += count; }
};

/// The unsent messages of one link.
///
/// Messages up to fragment_bytes go out whole, in order. A larger one goes out a fragment at a
/// time, and between two of its fragments goes whatever else is ready; several large ones take
/// turns. What must not overtake a large message, that is all that the same lane sends to the same
/// destination, is held behind it. A lane is one thread of the sending program: two threads have no
/// order between them.
///
/// What is secret goes out as a large one whatever its size: so it lies in memory of its own, which
/// is overwritten behind it, here and wherever it is passed on.
///
/// Whatever is queued is on somebody's account: of whoever may be said to be its cause, as its user
/// sees it. See charged().
///
/// Fragments that are passed on take turns as well, one at a time. Everything that is passed on
/// says which lane of its source it is of (see lane_numbers), and overtakes whatever is of another
/// lane. It also overtakes fragments of a message that is still coming in: were it of the same
/// lane, it would come behind the last of them.
///
/// Whoever sends far more to be passed on than goes out at once gets a line of its own. Each batch
/// takes as much from every line, and all of what is not in one: so that nobody waits behind the
/// line of another one, and this side behind none. So do the errors with which this side answers
/// one context, which are in no order with anything else.
class send_queue {
    static constexpr std::size_t kept_bytes = 1u << 20; // capacity of an empty batch

    struct item {
        header head;
        buffer payload;
        const void* payer = nullptr;
    };
    struct bulk {
        item message;
        const void* lane;
        std::size_t sent = 0;
        bool announced = false;
        std::vector<item> waiting{};
    };

    /// What keeps its order when it is passed on.
    struct flow {
        context_id src;
        context_id dst;
        std::uint32_t lane;
        bool operator==(const flow&) const = default;
    };
    struct flow_hash {
        std::size_t operator()(const flow& f) const noexcept {
            return static_cast<std::size_t>(
                ((std::uint64_t{f.src} << 32 | f.dst) ^ f.lane) * 0x9E37'79B9'7F4A'7C15u >> 16);
        }
    };

    /// Of one link that sends much to be passed on, or of what one context is answered.
    struct line {
        struct follower { // what is no whole frame, or comes behind such a one
            std::uint64_t behind; // of the bytes of `frames`
            item what;
        };

        const void* source;
        source_line frames{};
        std::deque<follower> followers{};

        bool empty() const noexcept { return frames.empty() && followers.empty(); }
    };

    static constexpr std::size_t most_before_lines = 4 * 1024; // ready
    static constexpr std::size_t most_of_lines = 32 * 1024;    // in one batch
    // a context handles a small frame in 1 or 2 µs
    static constexpr std::size_t most_frames_unread = 128;

    account_book all_;      // what is queued, and what is in the batch
    account_book in_ready_; // of that, what is in ready_
    account_book in_batch_;

    buffer ready_;
    std::vector<line> lines_;
    // fragments, and what must not overtake them
    std::deque<item> passing_;
    // how many in passing_ nothing of that flow may overtake
    std::unordered_map<flow, std::uint32_t, flow_hash> barred_;
    lane_numbers lanes_;
    item passed_;           // its payload may still be in a batch
    bool own_turn_ = false; // if both have fragments
    std::vector<std::unique_ptr<bulk>> bulks_;
    std::size_t turn_ = 0;       // which of bulks_ sends next
    std::unique_ptr<bulk> last_; // fully taken; its payload may still be in a batch
    std::uint32_t next_stream_ = 1;
    std::uint64_t queued_ = 0; // payload and header bytes not yet taken

    static std::size_t size_of(std::span<const std::byte> payload) noexcept {
        return header_layout::size + payload.size();
    }

    /// What is queued from now on, wherever it waits.
    void count(std::span<const std::byte> payload, const void* payer) {
        queued_ += size_of(payload);
        all_.add(payer, size_of(payload));
    }

    void append(const header& h, std::span<const std::byte> payload, const void* payer) {
        in_ready_.add(payer, size_of(payload));
        append_frame(ready_, h, payload);
    }

    static flow flow_of(const header& h) noexcept {
        return {h.src, h.dst, lane_numbers::lane_of(h.stream)};
    }

    /// True for what everything behind it waits for: the last part of a message, and whole
    /// messages.
    static bool bars(const header& h) noexcept {
        return !(h.flags & message_flags::fragment) || (h.flags & message_flags::last);
    }

    /// As take_fragment, of what is passed on.
    std::size_t take_passing(send_batch& batch) {
        passed_ = std::move(passing_.front());
        passing_.pop_front();
        const header& h = passed_.head;
        if (bars(h)) {
            const auto at = barred_.find(flow_of(h));
            if (--at->second == 0) barred_.erase(at);
        }
        write_header(batch.head_, h);
        batch.head_size_ = header_layout::size;
        batch.fragment_ = {passed_.payload.data(), passed_.payload.size()};
        const std::size_t taken = size_of(passed_.payload);
        in_batch_.add(passed_.payer, taken);
        return taken;
    }

    line* line_of(const void* source) noexcept {
        for (line& l : lines_)
            if (l.source == source) return &l;
        return nullptr;
    }
    /// If it stands in a line, or is to.
    line* line_for(const void* source) {
        line* const own = line_of(source);
        if (own || ready_.size() < most_before_lines) return own;
        return &lines_.emplace_back(line{source});
    }

    /// In place of a link: what context `to` is answered. Odd, as no address of a link is.
    static const void* answers_to(context_id to) noexcept {
        return reinterpret_cast<const void*>(std::uintptr_t{to} << 1 | 1);
    }

    /// What the lines have to send goes out, or stands in passing_, as far as it is their turn.
    void take_lines(send_batch& batch, std::size_t most) {
        const std::size_t each = most / lines_.size();
        for (line& l : lines_) {
            queued_ -= l.frames.take(batch.frames_, in_batch_, each);
            while (!l.followers.empty() && l.followers.front().behind <= l.frames.taken()) {
                passing_.push_back(std::move(l.followers.front().what));
                l.followers.pop_front();
            }
        }
        std::erase_if(lines_, [](const line& l) { return l.empty(); });
    }

    bulk* barrier(const header& h, const void* lane) noexcept {
        for (auto& b : bulks_)
            if (b->lane == lane && b->message.head.dst == h.dst) return b.get();
        return nullptr;
    }

    static bool is_bulk(const buffer& payload) noexcept {
        return payload.size() > fragment_bytes || payload.is_secret();
    }

    void start_bulk(item&& message, const void* lane, std::vector<item>&& waiting = {}) {
        message.head.stream |= next_stream_++ & lane_numbers::stream_mask;
        bulks_.push_back(
            std::make_unique<bulk>(bulk{std::move(message), lane, 0, false, std::move(waiting)}));
    }

    void release_held(bulk& b) {
        for (std::size_t i = 0; i < b.waiting.size(); ++i) {
            item& next = b.waiting[i];
            if (is_bulk(next.payload)) {
                std::vector<item> rest(
                    std::make_move_iterator(b.waiting.begin() + static_cast<std::ptrdiff_t>(i) + 1),
                    std::make_move_iterator(b.waiting.end()));
                start_bulk(std::move(next), b.lane, std::move(rest));
                return;
            }
            append(next.head, next.payload, next.payer);
        }
    }

    /// Returns how much of what is queued it takes: of a large message, the payload and one header.
    std::size_t take_fragment(send_batch& batch) {
        if (turn_ >= bulks_.size()) turn_ = 0;
        bulk& b = *bulks_[turn_];
        const buffer& payload = b.message.payload;
        std::byte* at = batch.head_;
        header h = b.message.head;
        const auto keep =
            static_cast<std::uint8_t>(h.flags & (message_flags::failed | message_flags::secret));
        std::size_t taken = 0;
        if (!b.announced) {
            b.announced = true;
            taken = header_layout::size;
            h.length = 8;
            h.flags =
                static_cast<std::uint8_t>(message_flags::fragment | message_flags::first | keep);
            write_header(at, h);
            wire::store(at + header_layout::size, static_cast<std::uint64_t>(payload.size()));
            at += header_layout::size + 8;
        }
        const std::size_t part =
            payload.size() - b.sent < fragment_bytes ? payload.size() - b.sent : fragment_bytes;
        const bool final_part = b.sent + part == payload.size();
        h.length = static_cast<std::uint32_t>(part);
        h.flags = static_cast<std::uint8_t>(message_flags::fragment |
                                            (final_part ? message_flags::last : 0) | keep);
        write_header(at, h);
        at += header_layout::size;
        batch.head_size_ = static_cast<std::size_t>(at - batch.head_);
        batch.fragment_ = {payload.data() + b.sent, part};
        b.sent += part;
        in_batch_.add(b.message.payer, taken + part);
        if (final_part) {
            last_ = std::move(bulks_[turn_]);
            bulks_.erase(bulks_.begin() + static_cast<std::ptrdiff_t>(turn_));
            release_held(*last_);
        } else {
            ++turn_;
        }
        return taken + part;
    }

public:
    /// Appends a message whose bytes are copied. Up to fragment_bytes. `payer`: on whose account;
    /// null: on this side's own.
    void push(header h, std::span<const std::byte> payload, const void* lane,
              const void* payer = nullptr) {
        h.length = static_cast<std::uint32_t>(payload.size());
        h.stream = lanes_.number(lane);
        count(payload, payer);
        if (!bulks_.empty()) {
            if (bulk* b = barrier(h, lane)) {
                buffer copy;
                copy.append(payload.data(), payload.size());
                b->waiting.push_back({h, std::move(copy), payer});
                return;
            }
        }
        if (h.dead()) [[unlikely]]
            if (line* own = line_for(answers_to(h.dst)))
                return own->frames.add(h, payload, payer);
        append(h, payload, payer);
    }

    /// Appends a message of any size and takes the bytes over.
    void push(header h, buffer&& payload, const void* lane, const void* payer = nullptr) {
        if (!is_bulk(payload))
            return push(h, std::span<const std::byte>(payload.data(), payload.size()), lane, payer);
        h.length = 0;
        h.stream = lanes_.number(lane);
        if (payload.is_secret()) h.flags |= message_flags::secret;
        count(payload, payer);
        if (bulk* b = barrier(h, lane)) {
            b->waiting.push_back({h, std::move(payload), payer});
        } else {
            start_bulk({h, std::move(payload), payer}, lane);
        }
    }

    /// Appends a frame that is passed on as it came, fragments included. `source`: the link that it
    /// came by.
    void forward(const header& h, std::span<const std::byte> payload, const void* source,
                 const void* payer = nullptr) {
        count(payload, payer);
        if (!(h.flags & (message_flags::fragment | message_flags::secret)) &&
            (barred_.empty() || !barred_.contains(flow_of(h)))) {
            if (line* own = line_for(source)) return own->frames.add(h, payload, payer);
            return append(h, payload, payer);
        }
        if (bars(h)) ++barred_[flow_of(h)];
        item whole{h, buffer(payload), payer};
        if (h.flags & message_flags::secret) whole.payload.keep_secret();
        if (line* own = line_of(source)) {
            own->followers.push_back({own->frames.added(), std::move(whole)});
        } else {
            passing_.push_back(std::move(whole));
        }
    }

    /// How many bytes of what stands in lines may lie unread at the other end, so that other frames
    /// are not behind many of these there. Nothing if no line is here.
    std::optional<std::size_t> most_unread() const noexcept {
        if (lines_.empty()) return std::nullopt;
        std::size_t mean = fragment_bytes;
        for (const line& l : lines_)
            if (!l.frames.empty()) mean = std::min(mean, l.frames.mean_size());
        return mean * most_frames_unread;
    }

    /// Refills an empty batch with what goes out next, of what stands in lines about `of_lines`
    /// bytes. False if there is nothing.
    bool take(send_batch& batch, std::size_t of_lines = most_of_lines) {
        batch.frames_.clear();
        // one burst must not cost memory for ever
        if (batch.frames_.capacity() > kept_bytes) batch.frames_.reset();
        batch.head_size_ = 0;
        batch.fragment_ = {};
        batch.done_ = 0;
        last_.reset();
        passed_.payload.clear();
        all_.settle(in_batch_);
        in_batch_.take(in_ready_);
        batch.frames_.swap(ready_);
        queued_ -= batch.frames_.size();
        if (of_lines != 0 && !lines_.empty()) [[unlikely]]
            take_lines(batch, std::min(of_lines, most_of_lines));
        own_turn_ = !bulks_.empty() && (passing_.empty() || !own_turn_);
        if (own_turn_) {
            queued_ -= take_fragment(batch);
        } else if (!passing_.empty()) {
            queued_ -= take_passing(batch);
        }
        batch.size_ = batch.frames_.size() + batch.head_size_ + batch.fragment_.size();
        return !batch.empty();
    }

    bool empty() const noexcept {
        return ready_.size() == 0 && lines_.empty() && bulks_.empty() && passing_.empty();
    }

    /// Bytes that no batch has taken yet.
    std::uint64_t queued() const noexcept { return queued_; }
    /// Bytes on somebody's account: queued, or in the batch that was taken last.
    std::uint64_t charged(const void* payer) const noexcept { return all_.of(payer); }
    /// On all accounts but this side's own.
    std::uint64_t charged() const noexcept { return all_.sum(); }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
