// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_progress.hpp: which members of a group may begin, and when none may any more.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/group/group_settings.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Counts the members of a call of a group, which begin in their order. Without I/O.
class group_progress {
    std::size_t size_;
    std::size_t batch_;
    std::size_t at_once_;
    std::size_t allowed_;
    std::size_t enough_;
    std::size_t begun_ = 0;
    std::size_t over_ = 0;
    std::size_t failures_ = 0;
    std::optional<error> stopped_{};

    std::string so_far() const {
        return std::to_string(failures_) + " of " + std::to_string(size_) + " members failed";
    }

public:
    /// What ended() makes of a member's end.
    enum class verdict : std::uint8_t {
        go_on,
        too_many, ///< failures: no further member begins
        enough,   ///< values: what runs is not wanted any more
    };

    group_progress(std::size_t size, const group_settings& how)
        : size_(size), batch_(how.batch ? how.batch->rounded_up(size) : size),
          at_once_(how.at_once ? how.at_once : size),
          allowed_(how.allowed ? how.allowed->rounded_down(size) : size),
          enough_(how.enough.value_or(size + 1)) {
        if (enough_ == 0) stop(error(reason::withheld, "not begun: no value is wanted"));
    }

    std::size_t begun() const noexcept { return begun_; }
    std::size_t running() const noexcept { return begun_ - over_; }
    std::size_t failures() const noexcept { return failures_; }
    bool has_enough() const noexcept { return over_ - failures_ >= enough_; }
    bool within_budget() const noexcept { return failures_ <= allowed_; }
    /// Why no further member begins; null: they do.
    const error* stopped() const noexcept { return stopped_ ? &*stopped_ : nullptr; }

    /// True if the member of rank begun() may begin now.
    bool may_begin() const noexcept {
        if (stopped_ || begun_ == size_ || running() >= at_once_) return false;
        return begun_ % batch_ != 0 || running() == 0;
    }
    void begin() noexcept { ++begun_; }

    /// No further member begins. The first reason stays.
    void stop(error why) {
        if (!stopped_) stopped_.emplace(std::move(why));
    }

    /// One that has begun has ended.
    verdict ended(bool failed) {
        ++over_;
        failures_ += failed;
        if (stopped_) return verdict::go_on;
        if (failures_ > allowed_) {
            stop(error(reason::withheld, "not begun: " + so_far() + ", and " +
                                             std::to_string(allowed_) + " may"));
            return verdict::too_many;
        }
        if (!failed && has_enough()) {
            stop(error(reason::withheld, "not begun: enough others have answered"));
            return verdict::enough;
        }
        return verdict::go_on;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
