// SPDX-License-Identifier: BSL-1.0
#pragma once
// shutdown_ladder.hpp: the limits of a shutdown, all of them, and what is due at a moment of it.
// Knows only the time: no process, no link.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/child/shutdown_timeouts.hpp>

#include <algorithm>
#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The limits of a shutdown that no option sets.
struct shutdown_limits {
    /// What each level of contexts below a child adds to its time: it is to see the end of its
    /// children, from their SIGTERM to their SIGKILL, before it goes itself. Nobody else could end
    /// one that is stopped.
    static constexpr duration_ns each_level = 1'500'000'000;
    /// The grace of a child whose parent is in a expedite: with SIGTERM and SIGKILL less than a
    /// level's.
    static constexpr duration_ns hurried_grace = 300'000'000;
    /// Between two looks at a process whose end the poller does not report.
    static constexpr duration_ns process_poll = 5'000'000;
    /// Of a child that ends its own children first: between two looks at whether they are gone.
    static constexpr duration_ns levels_poll = 20'000'000;
    /// Of a child whose functions do not stop: from the SIGTERM that it sends itself, to SIGKILL.
    static constexpr duration_ns own_kill = 1'000'000'000;
    /// For what a context has still to say, until it closes its link to the parent.
    static constexpr duration_ns last_words = 1'000'000'000;

    /// When a child begins to end itself by force, after it was asked to end: before its parent,
    /// with the whole `grace`, does.
    static constexpr duration_ns own_grace(duration_ns grace) noexcept { return grace - grace / 6; }
};

/// The ladder from being asked to end, over SIGTERM, to SIGKILL.
class shutdown_ladder {
    shutdown_timeouts timeouts_;
    instant asked_at_ = never;
    duration_ns for_levels_ = 0;
    instant exited_at_ = never;
    instant served_at_ = never;
    int signals_sent_ = 0;
    bool held_ = false;

    instant term_at() const noexcept {
        return held_ ? never : after(after(asked_at_, timeouts_.grace), for_levels_);
    }
    instant kill_at() const noexcept {
        return held_ ? never : after(term_at(), timeouts_.after_term);
    }

public:
    static constexpr int no_signal = 0;
    static constexpr int term = 15;
    static constexpr int kill = 9;

    explicit shutdown_ladder(shutdown_timeouts timeouts) noexcept : timeouts_(timeouts) {}

    /// It was asked to end, or its link has ended. `levels`: how deep the tree below it is.
    void begin(instant now, std::uint32_t levels = 0) noexcept {
        asked_at_ = now;
        for_levels_ = levels * shutdown_limits::each_level;
    }

    /// From now on it has little time but what the levels below it need.
    void expedite(instant now) noexcept {
        asked_at_ = now;
        timeouts_.grace = std::min(timeouts_.grace, shutdown_limits::hurried_grace);
    }

    /// Somebody looks at it, or at a context below it, in a debugger: no signal is due.
    void hold() noexcept { held_ = true; }
    /// Nobody does any more: it has all of its time again.
    void release(instant now) noexcept {
        held_ = false;
        if (asked_at_ != never) asked_at_ = now;
    }

    /// Its process has ended. Only the first time counts.
    void exited(instant now) noexcept {
        if (exited_at_ == never) exited_at_ = now;
    }

    /// What its process, a client, has connected to has ended in order. Only the first time counts.
    void served(instant now) noexcept {
        if (served_at_ == never) served_at_ = now;
    }

    /// When such a client is not waited for any more.
    instant client_end() const noexcept { return after(served_at_, timeouts_.for_status); }

    /// It was sent SIGTERM, without having been asked before.
    void terminated(instant now) noexcept {
        asked_at_ = now;
        timeouts_.grace = 0;
        signals_sent_ = 1;
    }

    /// It was killed: no further signal is due.
    void killed() noexcept { signals_sent_ = 2; }

    /// The signal to send now; counts as sent.
    MITOGEN_COLD int due_signal(instant now) noexcept {
        if (signals_sent_ <= 1 && now >= kill_at()) {
            signals_sent_ = 2;
            return kill;
        }
        if (signals_sent_ == 0 && now >= term_at()) {
            signals_sent_ = 1;
            return term;
        }
        return no_signal;
    }

    /// True if its loss should be reported although there is no exit status yet.
    bool report_due(instant now) const noexcept {
        return now >= after(asked_at_, timeouts_.for_status);
    }

    /// When the link of a process that has ended is closed: until then answers may still be in the
    /// pipe.
    instant link_end() const noexcept { return after(exited_at_, timeouts_.for_link); }

    /// When to look again at a process that has not ended. `watched`: its end is reported by the
    /// poller, else it must be asked for. `reported`: report_due() does not matter any more.
    instant next_look(instant now, bool watched, bool reported) const noexcept {
        instant next = watched ? never : after(now, shutdown_limits::process_poll);
        if (!reported) next = std::min(next, after(asked_at_, timeouts_.for_status));
        if (signals_sent_ == 0) next = std::min({next, term_at(), client_end()});
        if (signals_sent_ == 1) next = std::min(next, kill_at());
        if (next == never) next = after(now, timeouts_.after_term);
        return std::max(next, now);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
