// SPDX-License-Identifier: BSL-1.0
#pragma once
// seeds.hpp: how many simulated worlds a test looks at.

#include <cstdint>
#include <cstdlib>

/// All of `wanted`, or as many in 10,000 as the environment's MITOGEN_SIMULATION_SEEDS says: the
/// same worlds come out of every compiler, so that one stage looks at all and the slower ones at a
/// part.
inline std::uint64_t seeds(std::uint64_t wanted) {
    constexpr std::uint64_t all = 10'000;
    const char* const text = std::getenv("MITOGEN_SIMULATION_SEEDS");
    const std::uint64_t share = text ? std::strtoull(text, nullptr, 10) : all;
    return share < all ? (wanted * share + all - 1) / all : wanted;
}
