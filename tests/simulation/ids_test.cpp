// SPDX-License-Identifier: BSL-1.0
// Numbers for new contexts come from the root, but a child that needs one does not wait for it.
#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <mitogen/simulation.hpp>
#include <vector>

namespace {

namespace sim = mitogen::simulation;
using mitogen::duration_ns;

constexpr duration_ns millisecond = 1'000'000;
constexpr duration_ns latency = 10 * millisecond;

/// How long each of so many attempts to make a child takes, in virtual time. None comes up, but
/// each takes a number.
std::vector<duration_ns> attempts(mitogen::router& here, std::uint32_t count) {
    std::vector<duration_ns> times;
    for (std::uint32_t i = 0; i < count; ++i) {
        const mitogen::instant from = mitogen::io::simulated().now();
        static_cast<void>(here.try_connect(sim::host{.name = "nobody"}));
        times.push_back(mitogen::io::simulated().now() - from);
    }
    return times;
}

/// The same while the process of that number, the root, is stopped.
std::vector<duration_ns> attempts_without(mitogen::router& here, std::uint32_t pid,
                                          std::uint32_t count) {
    mitogen::io::simulated io;
    io.kernel().signal(pid, 19);
    std::vector<duration_ns> times = attempts(here, count);
    io.kernel().signal(pid, 18);
    return times;
}

mitogen::context_id id_of_new_child(mitogen::router& here) {
    return here.connect(sim::host{.name = "somebody"}).id();
}

TEST_CASE("only a child's first child waits for the root") {
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 4));
    CAPTURE(seed);
    sim::fleet fleet({.seed = seed, .faults = {.least_latency = latency, .most_latency = latency}});
    fleet.refuses("nobody");
    mitogen::router_options options;
    options.rules.heartbeat.interval = 0; // a stopped root is not lost here
    std::vector<duration_ns> first;
    std::vector<duration_ns> stopped;
    mitogen::context_id last = 0;
    mitogen::context_id next_of_root = 0;
    const sim::outcome o = fleet.run(
        [&](mitogen::router& root) {
            mitogen::log::set_sink([](const mitogen::log::record&) {});
            const auto pid = static_cast<std::uint32_t>(mitogen::io::simulated().own_pid());
            const mitogen::context child = root.connect(sim::host{.name = "child"});
            CHECK(child.id() == 1);
            first = child.call<&attempts>(901u);
            // The answer came behind the request for the next block. What the root said to that is
            // there before this is.
            stopped = child.call<&attempts_without>(pid, 99u + 850u);
            last = child.call<&id_of_new_child>();
            next_of_root = id_of_new_child(root);
        },
        options);
    INFO(o.trouble);
    REQUIRE(o.completed);
    REQUIRE(first.size() == 901);
    REQUIRE(stopped.size() == 949);
    const duration_ns usual = *std::max_element(first.begin() + 1, first.end());
    CHECK(first[0] >= usual + 2 * latency - millisecond);
    CHECK(*std::max_element(stopped.begin(), stopped.end()) < usual + latency);
    CHECK(last == 2 + 901 + 949); // no number is left out
    CHECK(next_of_root == 2 + 2 * 1000);
}

} // namespace
