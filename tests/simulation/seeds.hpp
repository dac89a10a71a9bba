// SPDX-License-Identifier: BSL-1.0
#pragma once
// seeds.hpp: how many simulated worlds a test looks at.

#include <cstdint>
#include <cstdlib>

inline constexpr std::uint64_t all_seeds = 10'000;

/// How many of ten thousand worlds are looked at: the environment's MITOGEN_SIMULATION_SEEDS says
/// it, or else all. The same worlds come out of every compiler, so that one stage looks at all and
/// the slower ones at a part.
inline std::uint64_t share_of_seeds() {
    const char* const text = std::getenv("MITOGEN_SIMULATION_SEEDS");
    const std::uint64_t share = text ? std::strtoull(text, nullptr, 10) : all_seeds;
    return share < all_seeds ? share : all_seeds;
}

/// That share of `wanted`, one at least.
inline std::uint64_t seeds(std::uint64_t wanted) {
    return (wanted * share_of_seeds() + all_seeds - 1) / all_seeds;
}

/// What must have happened in these worlds at least, if it is `wanted` times in all of them. A
/// twentieth of them or less are too few to say how often.
inline std::uint64_t often(std::uint64_t wanted) {
    return share_of_seeds() * 20 > all_seeds ? wanted * share_of_seeds() / all_seeds : 0;
}
