// SPDX-License-Identifier: BSL-1.0
#pragma once
// port_numbers.hpp: the upper halves of the handles of answers and flows, which nobody else can
// guess.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/io/policy.hpp>

#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Turns what is counted into what looks random, and each number into another one, so that none
/// comes twice: a Feistel network of four rounds, whose keys come from one number that the I/O
/// policy gives. A few nanoseconds, and no system call. Threads: any.
class port_numbers {
    std::uint64_t keys_[8];

    static constexpr std::uint64_t mixed(std::uint64_t z) noexcept {
        z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9u;
        z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBu;
        return z ^ (z >> 31);
    }

public:
    explicit port_numbers(std::uint64_t seed) noexcept {
        for (std::uint64_t& key : keys_) key = mixed(seed += 0x9E37'79B9'7F4A'7C15u);
    }

    /// Of the policy's own numbers, where it has some.
    template <class Io>
    static port_numbers from(const Io& io) {
        if constexpr (io::has_random_numbers<Io>)
            return port_numbers(io.random_number());
        else
            return port_numbers(static_cast<std::uint64_t>(io.now()));
    }

    /// Counts on, past what would become 0. `salt` tells those apart who count alike.
    std::uint32_t next(std::uint32_t& counted, std::uint32_t salt = 0) const noexcept {
        for (;;)
            if (const std::uint32_t number = (*this)(++counted ^ salt)) return number;
    }

    std::uint32_t operator()(std::uint32_t counted) const noexcept {
        std::uint32_t left = counted >> 16, right = counted & 0xffff;
        for (int i = 0; i < 4; ++i) {
            const std::uint64_t round = keys_[2 * i] + right * (keys_[2 * i + 1] | 1);
            const std::uint32_t next = left ^ static_cast<std::uint32_t>(round >> 48);
            left = right;
            right = next;
        }
        return left << 16 | right;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
