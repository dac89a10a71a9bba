// SPDX-License-Identifier: BSL-1.0
#pragma once
// heartbeat_monitor.hpp: for how long a link's other side has said nothing at all. Counts bytes at
// intervals: no message costs anything.

#include <mitogen/base/config.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/time.hpp>

#include <algorithm>
#include <cstdint>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// One link's silence. Knows only times and how many bytes there were: no clock, no descriptor.
class heartbeat_monitor {
    duration_ns step_ = 0; // 0: off
    duration_ns limit_ = 0;
    duration_ns lasts_ = 0; // at least so long nothing was heard
    duration_ns unread_ = 0; // at least so long nothing could be written
    instant last_look_ = 0;
    bool begun_ = true; // and not looked yet
    std::uint64_t in_ = 0;
    std::uint64_t out_ = 0;

public:
    struct finding {
        bool heard; ///< something, in the step before this look
        bool sent;
        bool lost; ///< the silence has reached its limit
        bool stuck = false; ///< something has waited to be written for as long
    };

    explicit heartbeat_monitor(const heartbeat& beat) noexcept
        : step_(beat.on() ? beat.step() : 0), limit_(beat.limit) {}

    bool on() const noexcept { return step_ != 0; }
    /// Returns when to look first.
    instant begin(instant now) noexcept {
        last_look_ = now;
        begun_ = true;
        return next_look(now);
    }

    /// All links look at the same moments: a process wakes once for all of them.
    instant next_look(instant now) const noexcept { return (now / step_ + 1) * step_; }

    /// `in` and `out`: all bytes so far; `waits`: more is to be written. Between two looks lies one
    /// step; if it was much more, this process itself stood still, and the other side gets two
    /// fresh steps to be heard. `patience`: how many times the limit nothing may be written.
    finding look(instant now, std::uint64_t in, std::uint64_t out, bool waits = false,
                 std::uint32_t patience = 1) noexcept {
        const duration_ns gap = now - std::exchange(last_look_, now);
        finding f{std::exchange(in_, in) != in, std::exchange(out_, out) != out, false};
        if (f.heard) {
            lasts_ = 0;
        } else if (gap <= 2 * step_) {
            lasts_ += gap;
        } else {
            lasts_ = std::min(lasts_, limit_ - 3 * step_);
        }
        // What was heard last may have come at any time in the step before the silence began to
        // count.
        f.lost = lasts_ > limit_ - step_ - step_ / 2;
        if (f.sent || !waits) {
            unread_ = 0;
        } else {
            unread_ += std::min(gap, step_);
        }
        f.stuck = unread_ > limit_ * patience - step_ - step_ / 2;
        // The first look comes early: nothing needs to be said yet. Any other may be a moment early
        // as well, if the one before was late, but then something does: both sides could find so
        // again and again, and lose each other in silence.
        if (std::exchange(begun_, false) && gap < step_) f.heard = f.sent = true;
        return f;
    }

    /// How long it has lasted at least.
    duration_ns lasts() const noexcept { return lasts_; }

    /// The next look counts as if something had been heard: this side does not read.
    void excuse() noexcept { lasts_ = 0; }

    /// How long nothing could be written at least.
    duration_ns unread_for() const noexcept { return unread_; }
    /// The next look counts as if something had been written.
    void excuse_reading() noexcept { unread_ = 0; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
