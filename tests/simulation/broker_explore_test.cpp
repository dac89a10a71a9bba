// SPDX-License-Identifier: BSL-1.0
// The broker, its waiters and its timers in all orders of a few threads.
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/simulation/explore.hpp>

#include <catch2/catch.hpp>
#include <stdexcept>

namespace {

namespace sim = mitogen::simulation;
using io_type = mitogen::io::simulated;

/// A waiting thread is told by another one, and by deferred work, whoever leads the loop.
void wait_for_both(io_type io, bool lead) {
    mitogen::detail::broker_engine<io_type> loop(io);
    mitogen::detail::waiter<io_type> wake(io);
    int told = 0;
    io_type::thread other(io, "other", [&] {
        ++told;
        wake.notify();
        loop.defer([&] {
            ++told;
            wake.notify();
        });
    });
    if (!loop.wait(wake, mitogen::never, lead, [&] { return told == 2; }))
        throw std::runtime_error("the wait ended early");
}

TEST_CASE("a wait for two notifications ends in all orders, with up to two interruptions") {
    const bool lead = GENERATE(true, false);
    const sim::findings found = sim::explore({.most_interruptions = 2, .most_runs = 20'000},
                                             [lead](io_type io) { wait_for_both(io, lead); });
    INFO(found.text());
    CHECK(found.complete);
}

TEST_CASE("a wait for two notifications ends in many orders") {
    const bool lead = GENERATE(true, false);
    const auto how = GENERATE(sim::exploration::kind::random, sim::exploration::kind::priority);
    const sim::findings found = sim::explore({.how = how, .choices = 100, .last_seed = 500},
                                             [lead](io_type io) { wait_for_both(io, lead); });
    INFO(found.text());
    CHECK(found.complete);
}

} // namespace
