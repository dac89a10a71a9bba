// SPDX-License-Identifier: BSL-1.0
#pragma once
// debugger_world.hpp: simulated trees in which threads and tasks stop at the root's terminal, while
// processes are killed, links are cut and scopes end.

#include <cstddef>
#include <cstdint>
#include <string>

#include <mitogen/simulation.hpp>

namespace debugger_world {

/// Runs one seed. What is wrong stands in the outcome's `trouble`: two sessions at once, or one out
/// of turn, somebody who has the terminal and is ended, who does not want it any more and gets it,
/// who goes on although nobody said so, or does not although somebody did; a terminal that is not
/// put back; a context that nobody can end afterwards. Weak: see hostile_world::run.
[[gnu::weak]] mitogen::simulation::outcome run(std::uint64_t seed, std::size_t trace_lines = 0,
                                               std::string* trace = nullptr);

} // namespace debugger_world
