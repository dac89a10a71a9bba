// SPDX-License-Identifier: BSL-1.0
#pragma once
// signal_set.hpp: some of the signals of the system, as a value.

#include <mitogen/base/config.hpp>

#include <cstdint>
#include <initializer_list>

namespace mitogen::inline MITOGEN_ABI {

/// Some signals: `{SIGINT, SIGTERM, SIGHUP}`. Numbers from 1 to 64. Threads: as any value.
class signal_set {
    std::uint64_t bits_ = 0;
    int misfit_ = 0;

public:
    static constexpr int highest = 64;

    constexpr signal_set() noexcept = default;
    constexpr signal_set(std::initializer_list<int> numbers) noexcept {
        for (const int n : numbers) add(n);
    }

    constexpr void add(int number) noexcept {
        if (number < 1 || number > highest) {
            misfit_ = number ? number : -1;
        } else {
            bits_ |= bit(number);
        }
    }
    constexpr bool contains(int number) const noexcept {
        return number >= 1 && number <= highest && (bits_ & bit(number));
    }
    constexpr bool empty() const noexcept { return bits_ == 0 && !misfit_; }
    /// One that was added and is no signal; 0: none.
    constexpr int misfit() const noexcept { return misfit_; }
    /// One bit for each; the lowest is that of signal 1.
    constexpr std::uint64_t bits() const noexcept { return bits_; }

    friend bool operator==(const signal_set&, const signal_set&) = default;

private:
    static constexpr std::uint64_t bit(int number) noexcept {
        return std::uint64_t{1} << (number - 1);
    }
};

} // namespace mitogen::inline MITOGEN_ABI
