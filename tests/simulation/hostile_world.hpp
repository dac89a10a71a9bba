// SPDX-License-Identifier: BSL-1.0
#pragma once
// hostile_world.hpp: a simulated tree in which one context sends what it likes, and everybody else
// must not notice.

#include <cstddef>
#include <cstdint>
#include <string>

#include <mitogen/simulation.hpp>

namespace hostile_world {

/// Runs one seed: of a child of the root, or, where the seed is odd, of a grandchild. What is wrong
/// stands in the outcome's `trouble`: a healthy context that gets another value than the right one,
/// loses somebody who is there, waits for longer than a second, or runs what it was not asked to.
/// Weak: not in every program that could run it, whose other worlds depend on what functions it
/// has.
[[gnu::weak]] mitogen::simulation::outcome run(std::uint64_t seed, std::size_t trace_lines = 0,
                                               std::string* trace = nullptr);

} // namespace hostile_world
