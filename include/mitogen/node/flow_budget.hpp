// SPDX-License-Identifier: BSL-1.0
#pragma once
// flow_budget.hpp: what all flows of one context together may have under way.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>

#include <atomic>
#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The sum of the windows of all flows that end in one context, bounded by limits::flow_bytes. What
/// a flow may have under way is taken from here when it is opened, whether it is used or not: a
/// sender that has credit needs nobody's consent to use it.
///
/// One half is shared out: each flow gets a small part of what is left of it, the first ones more
/// than the later. The other half is for the smallest windows, so that very many flows are slow
/// before one is refused. Threads: any.
class flow_budget {
    std::atomic<std::uint64_t> used_{0};

    static std::uint64_t to_share(std::uint64_t used, std::uint64_t limit) noexcept {
        return used < limit / 2 ? limit / 2 - used : 0;
    }

    static std::uint64_t smaller(std::uint64_t a, std::uint64_t b) noexcept {
        return a < b ? a : b;
    }

public:
    /// The smallest window: some ten items of a few bytes.
    static constexpr std::uint64_t least = 1024;
    /// A new flow gets one part in so many of what is left to share.
    static constexpr std::uint64_t parts = 256;

    /// The window of a new flow, at most `most`; 0 if there is none left.
    std::uint32_t open(std::uint32_t most, std::uint64_t limit) noexcept {
        std::uint64_t used = used_.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t part = to_share(used, limit) / parts;
            const std::uint64_t window = smaller(most, part < least ? least : part);
            if (used > limit || window > limit - used) return 0;
            if (used_.compare_exchange_weak(used, used + window, std::memory_order_relaxed))
                return static_cast<std::uint32_t>(window);
        }
    }

    /// By how much a window may grow, of the `wanted` bytes: no more than a small part of what is
    /// left to share.
    std::uint64_t grow(std::uint64_t wanted, std::uint64_t limit) noexcept {
        std::uint64_t used = used_.load(std::memory_order_relaxed);
        for (;;) {
            const std::uint64_t more = smaller(wanted, to_share(used, limit) / 8);
            if (more == 0 ||
                used_.compare_exchange_weak(used, used + more, std::memory_order_relaxed))
                return more;
        }
    }

    /// A flow has ended, and what it has brought is taken.
    void release(std::uint64_t window) noexcept {
        used_.fetch_sub(window, std::memory_order_relaxed);
    }

    std::uint64_t used() const noexcept { return used_.load(std::memory_order_relaxed); }

    /// Why a flow is refused.
    MITOGEN_COLD static error refusal(std::uint64_t limit) {
        return error(reason::overloaded,
                     "too many channels, streams and dialogs are open: together they may have " +
                         std::to_string(limit) + " bytes under way (limits::flow_bytes)");
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
