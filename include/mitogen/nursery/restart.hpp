// SPDX-License-Identifier: BSL-1.0
#pragma once
// restart.hpp: whether a task of a nursery that has ended is begun again, and when.

#include <mitogen/base/config.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/node/outstanding_call.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>

namespace mitogen::inline MITOGEN_ABI {

/// After which ends a task is begun again.
enum class restart : std::uint8_t {
    off,        ///< not at all
    on_failure, ///< after an error
    always,     ///< after any end, until it is cancelled
};

/// How a task of a nursery is begun again: see nursery::restarting.
///
/// A failure is every error that the task ends with, also that its context did not come up or was
/// lost, but for what came of its being cancelled, or of another failure of the nursery. After the
/// n-th failure within the window there is a pause of first_delay · 2^(n-1), and no more than
/// longest_delay; after more failures within it than `limit` the task has failed, with the last. An
/// end without failure, after which `always` goes on, pauses first_delay, and counts for nothing.
struct restart_policy {
    restart when = restart::on_failure;
    /// of failures within the window; above 4096: none
    std::uint32_t limit = 5;
    std::chrono::milliseconds window{60'000}; ///< what lies further back is forgotten
    std::chrono::milliseconds first_delay{100};
    std::chrono::milliseconds longest_delay{10'000};
};

namespace detail {

/// The arithmetic of it. Threads: one at a time.
class restart_schedule {
    restart_policy policy_;
    std::deque<instant> failures_; // within the window, oldest first

    static constexpr std::uint32_t most = 4096;

public:
    explicit restart_schedule(restart_policy policy) noexcept : policy_(policy) {}

    /// The pause before it is begun again; nothing if it is not.
    std::optional<duration_ns> after_end(bool failed, instant now) {
        const duration_ns first = to_ns(policy_.first_delay);
        if (policy_.when == restart::off || (!failed && policy_.when != restart::always))
            return std::nullopt;
        if (!failed) return first;
        while (!failures_.empty() && now - failures_.front() > to_ns(policy_.window))
            failures_.pop_front();
        if (failures_.size() >= policy_.limit && policy_.limit <= most) return std::nullopt;
        failures_.push_back(now);
        if (failures_.size() > most) failures_.pop_front();
        const duration_ns longest = to_ns(policy_.longest_delay);
        duration_ns pause = std::min(first, longest);
        for (std::size_t i = 1; i < failures_.size() && 0 < pause && pause < longest; ++i)
            pause = pause > longest / 2 ? longest : pause * 2;
        return pause;
    }
};

/// What a task has that may be begun again.
struct restarts {
    restart_schedule schedule;
    const bool in_new_context; ///< made for each run
    unique_function<void()> begin{};
    /// under the task's mutex: what ends the pause that it is in
    outstanding_call* pause = nullptr;

    restarts(restart_policy policy, bool makes_contexts)
        : schedule(policy), in_new_context(makes_contexts) {}
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
