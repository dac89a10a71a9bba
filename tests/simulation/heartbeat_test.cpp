// SPDX-License-Identifier: BSL-1.0
// A link that is cut without a word is noticed; whoever is only busy, or was suspended with
// everybody else, is not lost.
#include "../support/engine.hpp"

#include <mitogen/simulation.hpp>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace {

namespace sim = mitogen::simulation;

constexpr std::int64_t second = 1'000'000'000;
constexpr mitogen::tree_rules quick{.heartbeat = {.interval = 5 * second, .limit = 20 * second}};

std::uint32_t twice(std::uint32_t x) { return 2 * x; }
void nap(std::int64_t span) { sim::sleep_for(span); }
mitogen::context child_of(mitogen::router& router, const std::string& name) {
    return router.connect(sim::host{.name = name});
}
mitogen::tree_rules rules_of(mitogen::router& router) {
    return support::engine<mitogen::io::simulated>(router).rules();
}
std::int64_t interval_of(mitogen::router& router) { return rules_of(router).heartbeat.interval; }

/// Swallows what one end of the link between a process and its parent says, or both.
void silence(sim::kernel& k, std::uint32_t pid, bool from, bool to) {
    for (const auto& pipe : k.pipes_of(pid)) {
        if ((from && pipe->from_process == pid) || (to && pipe->to_process == pid))
            pipe->silent = true;
    }
}

TEST_CASE("a call over a link that falls silent ends within the limit, in either direction") {
    for (int which = 1; which <= 3; ++which) {
        sim::fleet fleet(17);
        const sim::outcome o = fleet.run(
            [&](mitogen::router& root) {
                mitogen::io::simulated io;
                const mitogen::context child = child_of(root, "child");
                const mitogen::context deep = child.call<&child_of>("deep");
                CHECK(deep.call<&interval_of>() == 5 * second); // inherited
                auto one = child.call_async<&nap>(3600 * second);
                auto two = deep.call_async<&nap>(3600 * second);
                io.sleep_for(second);
                silence(io.kernel(), 2, (which & 1) != 0, (which & 2) != 0);
                const std::int64_t from = io.now();
                for (const auto& got : {one.try_get(), two.try_get()}) {
                    REQUIRE_FALSE(got);
                    CHECK(got.error().kind() == mitogen::kind::disconnected);
                }
                // the child's loss is told with its exit status
                CHECK(io.now() - from < 22 * second);
                CHECK(io.now() - from > 10 * second);
                const auto why = root.node().why_lost(child.id());
                REQUIRE(why);
                INFO(why->what());
                if (which & 1)
                    CHECK(std::string(why->what()).find("no sign of life for ") !=
                          std::string::npos);
            },
            {.rules = quick});
        CHECK(o.trouble.empty());
    }
}

TEST_CASE("a context that only computes, and one that nobody talks to, are not lost") {
    sim::fleet fleet(3);
    const sim::outcome o = fleet.run(
        [&](mitogen::router& root) {
            const mitogen::context busy = child_of(root, "busy");
            const mitogen::context idle = busy.call<&child_of>("idle");
            busy.call<&nap>(3600 * second);
            CHECK(idle.call<&twice>(3u) == 6);
        },
        {.rules = quick});
    CHECK(o.trouble.empty());
    CHECK(o.steps < 200'000); // an hour costs little
}

TEST_CASE("whoever was suspended gives everybody fresh time when it goes on") {
    for (std::uint64_t seed = 1; seed <= 20; ++seed) {
        sim::fleet fleet(seed);
        const sim::outcome o = fleet.run(
            [&](mitogen::router& root) {
                mitogen::io::simulated io;
                const mitogen::context child = child_of(root, "child");
                const mitogen::context deep = child.call<&child_of>("deep");
                for (int i = 0; i < 5; ++i) {
                    io.sleep_for(7 * second);
                    io.kernel().threads().clock_jump(600 * second);
                    io.sleep_for(i * second);
                    CHECK(deep.call<&twice>(3u) == 6);
                }
            },
            {.rules = quick});
        CHECK(o.trouble.empty());
    }
}

TEST_CASE("a context that is stopped for longer than the limit is lost, and ended") {
    sim::fleet fleet(5);
    fleet.hangs_after("hung", 30 * second);
    const sim::outcome o = fleet.run(
        [&](mitogen::router& root) {
            const mitogen::context hung = child_of(root, "hung");
            const mitogen::context well = child_of(root, "well");
            const auto got = hung.try_call<&nap>(3600 * second);
            REQUIRE_FALSE(got);
            CHECK(got.error().kind() == mitogen::kind::disconnected);
            CHECK(mitogen::io::simulated().now() < 60 * second);
            CHECK(well.call<&twice>(3u) == 6);
        },
        {.rules = quick});
    CHECK(o.trouble.empty());
}

TEST_CASE("a router describes the tree that it sees") {
    sim::fleet fleet(9);
    const sim::outcome o = fleet.run(
        [&](mitogen::router& root) {
            const mitogen::context child = child_of(root, "child");
            const mitogen::context deep = child.call<&child_of>("deep");
            auto napping = deep.call_async<&nap>(30 * second);
            mitogen::io::simulated().sleep_for(20 * second);
            const std::vector<mitogen::context_status> all = root.status();
            REQUIRE(all.size() == 3);
            CHECK(all[0].where == mitogen::context_status::place::self);
            CHECK(all[1].where == mitogen::context_status::place::child);
            CHECK(all[1].name == "child");
            CHECK(all[1].uptime >= 20 * second);
            CHECK(all[1].round_trip < second);
            CHECK(all[1].bytes_out > 0);
            CHECK(all[2].where == mitogen::context_status::place::below);
            CHECK(all[2].parent == child.id());
            CHECK(all[2].pending_calls == 1);
            INFO(root.describe());
            const std::string below = "context " + std::to_string(deep.id()) +
                                      " \"deep\": below context 1, 1 pending calls\n";
            // noticed at 10 s, when nothing had been said for a while
            const std::string wait = "this program waits for the answer to "
                                     "(anonymous namespace)::nap in child.deep, for ";
            CHECK(root.describe().find(child.describe() + "\n" + below + wait) !=
                  std::string::npos);
            CHECK(child.describe().find("context 1 \"child\": child, 0 bytes queued, up for 2") ==
                  0);
            CHECK(deep.describe().find(below + wait) == 0);
            CHECK(root.context_by_id(4711).describe() == "context 4711: not known here");
            napping.get();
        },
        {.rules = quick});
    CHECK(o.trouble.empty());
}

} // namespace
