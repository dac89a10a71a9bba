// SPDX-License-Identifier: BSL-1.0
#pragma once
// flow.hpp: items that travel from one context to another without ever filling its memory: their
// messages, and the credit for them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <cstddef>
#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Where items are to be sent, and how many bytes of them may be under way.
struct flow_address {
    handle_id port = 0; ///< registered by the receiving end; 0: none
    std::uint32_t window = 0;
};

} // namespace detail

namespace wire {

/// The first byte of a message of a flow: what it is. The rest is the value.
enum class flow_frame : std::uint8_t {
    item = 0,
    end = 1,   ///< the sending end sends no more; u64: how many items it has sent
    done = 2,  ///< as end, because the function has ended: its answer says how
    begun = 3, ///< of a dialog: where its items are to go, and the value of started()
    lost = 4,  ///< in the place of an item: somebody whose items are passed on is lost, and why
    // What the receiving end says.
    credit = 16, ///< u64: that many bytes more may be sent
    stop = 17,   ///< nobody takes items any more
};

/// What an item costs besides its bytes: what it takes in a queue, with what an allocator adds.
inline constexpr std::uint64_t item_overhead = 96;

/// Bytes of items that may be under way on one flow at first. A pipe holds 64 KiB, and a message is
/// cut into fragments of 128 KiB: with twice that, a sender on the same machine rarely waits.
inline constexpr std::uint32_t flow_window = 256 * 1024;

/// The sending end's account. The last item may be larger than what is left: no item is too large
/// for a window.
class flow_credit {
    std::int64_t left_;

public:
    explicit flow_credit(std::uint32_t window) noexcept : left_(window) {}

    bool may_send() const noexcept { return left_ > 0; }
    void spend(std::size_t bytes) noexcept {
        left_ -= static_cast<std::int64_t>(bytes + item_overhead);
    }
    /// No window is as large as what a peer may claim to grant: it gives without limit then, and no
    /// more than that.
    void grant(std::uint64_t bytes) noexcept {
        constexpr std::int64_t most = std::int64_t{1} << 40;
        left_ = bytes < static_cast<std::uint64_t>(most) && left_ < most
                    ? left_ + static_cast<std::int64_t>(bytes)
                    : most;
    }
};

/// The receiving end's account.
class flow_ledger {
    std::uint64_t window_;
    std::uint64_t most_;
    std::int64_t allowed_;   // what the sender may still send, as this end knows it
    std::uint64_t owed_ = 0; // consumed, and not granted again yet
    std::uint64_t received_ = 0;
    std::uint64_t announced_ = UINT64_MAX; // how many items there are, once that is known

public:
    /// `most`: what the window grows to, and so what a receiver that stops may hold of one flow,
    /// besides one item.
    flow_ledger(std::uint32_t window, std::uint32_t most) noexcept
        : window_(window), most_(most), allowed_(window) {}

    std::uint64_t window() const noexcept { return window_; }

    /// By how much the window would grow now if its last item were taken: see consume().
    std::uint64_t growth() const noexcept {
        if (allowed_ > 0 || window_ >= most_) return 0;
        return window_ < most_ - window_ ? window_ : most_ - window_;
    }

    /// An item has arrived. False if the sender had no credit for it, or has announced fewer.
    bool receive(std::size_t bytes) noexcept {
        if (allowed_ <= 0 || received_ == announced_) return false;
        allowed_ -= static_cast<std::int64_t>(bytes + item_overhead);
        ++received_;
        return true;
    }

    /// The sender has said how many items it has sent: those of its threads may arrive behind that.
    /// False if it lies.
    bool announce(std::uint64_t items) noexcept {
        if (announced_ != UINT64_MAX || items < received_ || items == UINT64_MAX) return false;
        announced_ = items;
        return true;
    }

    /// Everything that was announced is here.
    bool complete() const noexcept { return received_ == announced_; }

    /// An item has left the queue. How much credit to grant for it now: nothing until half a window
    /// is owed, so that grants are few. `starved`: it was the last one there. If the sender has
    /// used up its credit then, only the window holds it back, because more than that fits on the
    /// way between them: the window doubles, or grows by `room` if that is less.
    std::uint64_t consume(std::size_t bytes, bool starved = false,
                          std::uint64_t room = UINT64_MAX) noexcept {
        owed_ += bytes + item_overhead;
        if (starved) {
            const std::uint64_t wanted = growth();
            const std::uint64_t more = room < wanted ? room : wanted;
            owed_ += more;
            window_ += more;
        }
        if (owed_ < window_ / 2) return 0;
        const std::uint64_t granted = owed_;
        allowed_ += static_cast<std::int64_t>(granted);
        owed_ = 0;
        return granted;
    }
};

} // namespace wire

} // namespace mitogen::inline MITOGEN_ABI
