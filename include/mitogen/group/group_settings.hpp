// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_settings.hpp: how the calls of a group are made: how many at once, and when to stop.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/node/node.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {

/// A part of a group, in hundredths of the members that it has when the call begins.
struct percent {
    unsigned value = 0;
    explicit constexpr percent(unsigned hundredths) noexcept : value(hundredths) {}
};

/// A number of members: `3`, or `percent(10)`.
class group_share {
    std::size_t number_ = 0;
    bool of_hundred_ = false;

public:
    /// So many. A logic_error if it is negative.
    template <std::integral Number>
        requires(!std::same_as<Number, bool>)
    constexpr group_share(Number members) : number_(static_cast<std::size_t>(members)) {
        if constexpr (std::is_signed_v<Number>)
            if (members < 0) raise(error(reason::misuse, "a negative number of members"));
    }
    /// So many in a hundred.
    constexpr group_share(percent part) noexcept : number_(part.value), of_hundred_(true) {}

    /// As a batch of a group of `size`: rounded up, and one at least.
    constexpr std::size_t rounded_up(std::size_t size) const noexcept {
        return std::max<std::size_t>(1, of_hundred_ ? part_of(size, 99) : number_);
    }
    /// As a budget of failures of a group of `size`: rounded down.
    constexpr std::size_t rounded_down(std::size_t size) const noexcept {
        return of_hundred_ ? part_of(size, 0) : number_;
    }

private:
    constexpr std::size_t part_of(std::size_t size, unsigned round) const noexcept {
        const std::uint64_t hundredths = static_cast<std::uint64_t>(size) * number_;
        return static_cast<std::size_t>((hundredths + round) / 100);
    }
};

namespace detail {

/// How the calls of a group are made.
struct group_settings {
    call_options options{};
    std::optional<group_share> batch{};   ///< that many, then the next when all of them have ended
    std::size_t at_once = 0;              ///< 0: any number
    std::optional<group_share> allowed{}; ///< failures; none: any number
    std::optional<std::size_t> enough{};  ///< values; none: all
    bool cancel_running = false;          ///< when there are more failures

    /// All begin at once, and each is waited for.
    bool unpaced() const noexcept { return !batch && !at_once && !allowed && !enough; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
