// SPDX-License-Identifier: BSL-1.0
#include <mitogen/link/heartbeat_monitor.hpp>

#include <catch2/catch.hpp>
#include <cstdint>

namespace {

using mitogen::heartbeat;
using mitogen::detail::heartbeat_monitor;
using mitogen::instant;

constexpr mitogen::duration_ns second = 1'000'000'000;

TEST_CASE("a link on which nothing is heard is lost within the limit, and not before most of it "
          "has passed") {
    for (instant last_heard = 1000 * second; last_heard < 1015 * second; last_heard += second / 2) {
        heartbeat_monitor s({.interval = 15 * second, .limit = 60 * second});
        REQUIRE(s.on());
        std::uint64_t in = 0;
        instant lost_at = 0;
        for (instant now = s.begin(970 * second + 1); !lost_at; now = s.next_look(now)) {
            if (now >= last_heard) in = 1; // just before this look, or anywhere in the step before
            if (s.look(now, in, 0).lost) lost_at = now;
        }
        CHECK(lost_at - last_heard <= 60 * second);
        CHECK(lost_at - last_heard >= 40 * second);
    }
}

TEST_CASE("any byte counts, in each direction") {
    heartbeat_monitor s({.interval = second, .limit = 4 * second});
    s.begin(0);
    for (int i = 1; i < 100; ++i) {
        const auto f =
            s.look(i * second, static_cast<std::uint64_t>(i), static_cast<std::uint64_t>(i / 2));
        CHECK(f.heard);
        CHECK(f.sent == (i % 2 == 0));
        CHECK_FALSE(f.lost);
    }
}

TEST_CASE(
    "who looks sooner after a look that was late still says something where nothing is heard") {
    heartbeat_monitor s({.interval = 15 * second, .limit = 60 * second});
    // a clock of the operating system is never on time
    instant now = s.begin(7 * second) + 1'000'000;
    CHECK(s.look(now, 0, 0).heard); // the first one: the link is young
    for (int i = 1; i <= 3; ++i) {
        now = s.next_look(now) + 1'000'000 - i * 100'000;
        const auto f = s.look(now, 0, 0);
        CHECK_FALSE(f.heard);
        CHECK_FALSE(f.sent);
    }
}

TEST_CASE("who speaks and does not read is lost when nothing could be written for the limit") {
    const heartbeat beat{.interval = 15 * second, .limit = 60 * second};
    for (const std::uint32_t patience : {1u, 3u}) {
        heartbeat_monitor s(beat);
        instant now = s.begin(0);
        std::uint64_t heard = 0;
        std::uint64_t written = 0;
        const auto look = [&](bool writes) {
            written += writes ? 1 : 0;
            const auto f = s.look(now, ++heard, written, true, patience);
            now = s.next_look(now);
            return f.stuck;
        };
        for (int i = 0; i < 20; ++i) CHECK_FALSE(look(i % 3 == 0)); // slow, and alive
        const instant last = now - 15 * second;
        CHECK_FALSE(look(false));
        s.excuse_reading(); // a debugger holds it
        int steps = 1;
        while (!look(false)) ++steps;
        const mitogen::duration_ns took = now - 15 * second - last;
        CHECK(took <= patience * beat.limit + 15 * second);
        CHECK(took >= patience * beat.limit - 30 * second);
        CHECK(steps < 20);
    }
    heartbeat_monitor idle(beat);
    idle.begin(0);
    for (int i = 1; i < 20; ++i) // nothing waits to be written
        CHECK_FALSE(idle.look(i * 15 * second, static_cast<std::uint64_t>(i), 0, false).stuck);
}

TEST_CASE("who stood still itself gives the other side fresh time") {
    heartbeat_monitor s({.interval = 15 * second, .limit = 60 * second});
    s.begin(0);
    CHECK_FALSE(s.look(15 * second, 1, 1).lost);
    CHECK_FALSE(s.look(30 * second, 1, 1).lost);
    CHECK_FALSE(s.look(45 * second, 1, 1).lost);
    instant now = 3600 * second;
    CHECK_FALSE(s.look(now, 1, 1).lost); // asleep for an hour
    CHECK_FALSE(s.look(now += 15 * second, 1, 1).lost);
    CHECK(s.look(now += 15 * second, 1, 1).lost); // there was time enough
    for (int i = 0; i < 10; ++i) s.look(now += 3600 * second, 2, 1);
    CHECK_FALSE(s.look(now += 3600 * second, 2, 1).lost);
}

TEST_CASE("either zero switches it off, and a short limit shortens the interval") {
    CHECK_FALSE(heartbeat_monitor({.interval = 0, .limit = second}).on());
    CHECK_FALSE(heartbeat_monitor({.interval = second, .limit = 0}).on());
    CHECK(heartbeat{.interval = 15 * second, .limit = 2 * second}.step() == second / 2);
    CHECK(heartbeat{.interval = 1, .limit = 1}.step() == 1);
}

TEST_CASE("all links look at the same moments") {
    const heartbeat_monitor s({.interval = 10, .limit = 100});
    CHECK(s.next_look(0) == 10);
    CHECK(s.next_look(9) == 10);
    CHECK(s.next_look(10) == 20);
    CHECK(heartbeat_monitor({.interval = 10, .limit = 100}).begin(15) == 20);
}

} // namespace
