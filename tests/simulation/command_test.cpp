// SPDX-License-Identifier: BSL-1.0
// A simulated host has no processes: whoever runs a command there is told so.
#include <catch2/catch.hpp>
#include <mitogen/simulation.hpp>
#include <string>

namespace simulated_command_test {

namespace sim = mitogen::simulation;

TEST_CASE("no command runs on a simulated host") {
    sim::fleet fleet({.seed = 1});
    std::string here = "none";
    std::string there = "none";
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        const auto own = root.myself().try_run("echo");
        if (!own) here = own.error().what();
        const auto other = root.connect(sim::host{.name = "a"}).try_exec("echo");
        if (!other) there = other.error().what();
    });
    REQUIRE(o.completed);
    CHECK(here.find("no processes") != std::string::npos);
    CHECK(there.find("no processes") != std::string::npos);
}

} // namespace simulated_command_test
