// SPDX-License-Identifier: BSL-1.0
#pragma once
// rate_limiter.hpp: decides which log records pass and which are dropped, and counts those. Has no
// clock and no link.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/time.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Two token buckets, for lines and for bytes; both begin full, so that the earliest lines pass.
///
/// If one line is dropped, so is all that follows within `pause`: what is lost lies together and
/// can be told in one record, once in a pause at most, at the place that lacks it.
///
/// A bucket is kept as the moment at which it will be full again (the generic cell rate algorithm,
/// ITU-T I.371).
class rate_limiter {
    instant lines_full_ = -never;
    instant bytes_full_ = -never;
    std::uint64_t dropped_ = 0; // and not told
    instant resumes_ = 0;       // if something was
    std::string why_;           // of the latest that began a pause

    static bool empty(instant full, instant now, duration_ns most) noexcept {
        return full > now && full - now >= most;
    }
    static void take(instant& full, instant now, std::uint64_t count,
                     std::uint64_t per_second) noexcept {
        if (per_second)
            full = after(std::max(full, now),
                         static_cast<duration_ns>(count * 1'000'000'000 / per_second));
    }

    bool drop(instant now, std::string why, std::uint64_t count = 1) {
        dropped_ += count;
        resumes_ = after(now, pause);
        why_ = std::move(why);
        return false;
    }

public:
    static constexpr duration_ns pause = 1'000'000'000;
    /// bytes that a record has on its way beside its text, about
    static constexpr std::size_t line_cost = 64;

    /// True if a line of so many bytes, less than 2^32, passes. `obstacle`: what hinders all lines
    /// at the moment, or null.
    bool admit(instant now, std::size_t bytes, const char* obstacle, const log::bounds& b) {
        if (!pass(now, obstacle)) return false;
        const duration_ns most = std::int64_t{std::max(b.seconds_at_once, 1u)} * 1'000'000'000;
        if (empty(lines_full_, now, most) || empty(bytes_full_, now, most)) {
            return drop(now, "more than " + std::to_string(b.lines_per_second) + " lines or " +
                                 std::to_string(b.bytes_per_second) + " bytes per second");
        }
        take(lines_full_, now, 1, b.lines_per_second);
        take(bytes_full_, now, bytes + line_cost, b.bytes_per_second);
        return true;
    }

    /// True within a pause: the line is dropped.
    bool drops(instant now, std::uint64_t count = 1) noexcept {
        if (!dropped_ || now >= resumes_) return false;
        dropped_ += count;
        return true;
    }

    /// The same for what was measured elsewhere: only the obstacle counts. `count`: for how many
    /// lines it stands.
    bool pass(instant now, const char* obstacle, std::uint64_t count = 1) {
        if (drops(now, count)) return false;
        return obstacle ? drop(now, obstacle, count) : true;
    }

    /// How many were dropped, and not told.
    std::uint64_t dropped() const noexcept { return dropped_; }

    /// When to say what was dropped; never, if nothing was.
    instant tell_at() const noexcept { return dropped_ ? resumes_ : never; }

    /// It cannot be said now: not before another pause.
    void postpone(instant now) noexcept { resumes_ = after(now, pause); }

    /// Text that says how much was dropped, and why; it counts as told. `one`, `many`: of what, as
    /// in "line of stdout".
    std::string tell(std::string_view one, std::string_view many) {
        const std::uint64_t count = std::exchange(dropped_, 0);
        std::string text = std::to_string(count) + " ";
        text.append(count == 1 ? one : many)
            .append(count == 1 ? " was dropped (" : " were dropped (")
            .append(why_)
            .append(")");
        return text;
    }
};

/// Estimates how many bytes of log records wait in a link's queue, from how much the link has
/// written and how much waits in all. Never less than there is; up to twice as much, if other
/// messages wait too.
class log_backlog {
    std::uint64_t older_ = 0;     // will have been written at older_end_
    std::uint64_t newer_ = 0;     // was added since
    std::uint64_t older_end_ = 0; // in bytes written
    bool full_ = false;

public:
    /// False from when `limit` is reached until half of it is free. `written`: bytes so far;
    /// `waiting`: all that is queued.
    bool has_room(std::uint64_t written, std::uint64_t waiting, std::uint64_t limit) noexcept {
        if (waiting == 0) older_ = newer_ = 0;
        if (written >= older_end_) {
            older_ = std::exchange(newer_, 0);
            older_end_ = written + waiting;
        }
        full_ = bytes() >= (full_ ? limit / 2 : limit);
        return !full_;
    }

    /// So many bytes were queued.
    void add(std::uint64_t count) noexcept { newer_ += count; }

    std::uint64_t bytes() const noexcept { return older_ + newer_; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
