// SPDX-License-Identifier: BSL-1.0
#pragma once
// mishaps.hpp: what goes wrong in a simulated world, and which errors it excuses.

#include <mitogen/simulation.hpp>

#include <cstdint>
#include <string>
#include <string_view>

namespace mishaps {

/// Names: none, kill, cut, spawn, freeze, all.
inline mitogen::simulation::faults faults_of(const std::string& which) {
    constexpr std::int64_t ms = 1'000'000;
    mitogen::simulation::faults f;
    f.most_latency = 5 * ms;
    if (which == "kill" || which == "all") f.kills_per_second = 2;
    if (which == "cut" || which == "all") f.cuts_per_second = 2;
    if (which == "spawn" || which == "all") f.spawn_failure = 0.1, f.out_of_descriptors = 0.02;
    if (which == "freeze" || which == "all") f.freezes_per_second = 4;
    return f;
}

/// True for an error that may come while such things go wrong, or was thrown by a function on
/// purpose ("boom").
inline bool excusable(const mitogen::error& e) {
    switch (e.kind()) {
    case mitogen::kind::disconnected:
    case mitogen::kind::overloaded: return true; // lost, or out of time or of descriptors
    default:
        return e.message().find("boom") != std::string_view::npos ||
               e.reason() == mitogen::reason::connect || e.reason() == mitogen::reason::payload ||
               e.reason() == mitogen::reason::no_init ||
               e.reason() == mitogen::reason::remote_exception;
    }
}

} // namespace mishaps
