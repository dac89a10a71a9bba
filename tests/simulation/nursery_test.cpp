// SPDX-License-Identifier: BSL-1.0
// A nursery under kills, cuts and everything else: join() returns, and nothing of its own is left.
#include "../support/engine.hpp"
#include "mishaps.hpp"
#include "seeds.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <mitogen/simulation.hpp>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

namespace nursery_simulation {

namespace sim = mitogen::simulation;
constexpr std::int64_t ms = 1'000'000;

int nap(std::int64_t span, std::stop_token stop) {
    for (; span > 0 && !stop.stop_requested(); span -= 10 * ms) sim::sleep_for(10 * ms);
    return 1;
}
/// Does not look at whether it should stop.
int oversleep(std::int64_t span) {
    sim::sleep_for(span);
    return 2;
}
int boom(std::int64_t when) {
    sim::sleep_for(when);
    throw std::runtime_error("boom");
}
/// Sleeps until it is late or cancelled, then puts things right for so long.
int tidies(std::int64_t span) {
    if (mitogen::try_sleep_for(std::chrono::hours(1))) return 1;
    const mitogen::shield s{std::chrono::hours(1)};
    mitogen::sleep_for(std::chrono::nanoseconds(span));
    throw std::runtime_error("tidied up");
}
/// Has a nursery of its own.
int nested(mitogen::router& here, std::int64_t span, std::stop_token stop) {
    mitogen::nursery inner{here, {.stop = stop}};
    auto a = inner.start<&nap>(sim::host{.name = "inner"}, span);
    inner.start<&nap>(sim::host{.name = "inner"}, span / 2);
    inner.join();
    return a.get();
}

} // namespace nursery_simulation

namespace {

using namespace nursery_simulation;

void begin_one(mitogen::nursery& n, sim::random& dice, int i) {
    const sim::host method{.name = "h" + std::to_string(i)};
    const std::int64_t span = dice.between(1 * ms, 2000 * ms);
    switch (dice.below(6)) {
    case 0: n.start<&nap>(method, span); break;
    case 1: n.start<&nested>(method, span); break;
    case 2: {
        const auto up = n.try_connect(method);
        if (!up) break;
        n.start<&nap>(*up, span);
        n.start<&nap>(*up, span); // behind it
        break;
    }
    case 3: static_cast<void>(n.connect_async(method)); break; // nobody wants it
    case 4: n.start<&oversleep>(method, dice.chance(0.2) ? 3'600'000 * ms : span); break;
    case 5:
        if (dice.chance(0.3)) {
            n.start<&boom>(method, span);
        } else {
            auto cancelled = n.start<&nap>(method, 3'600'000 * ms);
            cancelled.cancel();
        }
        break;
    }
}

} // namespace

TEST_CASE("join always returns, and no process of a nursery is left, whatever goes wrong") {
    std::uint64_t struck = 0;
    std::uint64_t failed = 0;
    const std::string which = GENERATE("none", "kill", "cut", "spawn", "freeze", "all");
    // fewer are too few to say how often something fails
    const std::uint64_t worlds = std::max<std::uint64_t>(seeds(1000), 20);
    for (std::uint64_t seed = 1; seed <= worlds; ++seed) {
        CAPTURE(which, seed);
        sim::fleet fleet({.seed = seed, .faults = mishaps::faults_of(which)});
        std::string trouble;
        const sim::outcome o = fleet.run([&](mitogen::router& root) {
            mitogen::log::set_sink([](const mitogen::log::record&) {});
            mitogen::io::simulated io;
            sim::random dice(seed);
            std::stop_source source;
            std::optional<mitogen::result<void>> ended;
            {
                mitogen::nursery n{
                    root, {.grace = std::chrono::milliseconds(500), .stop = source.get_token()}};
                const int count = static_cast<int>(1 + dice.below(6));
                for (int i = 0; i < count; ++i) begin_one(n, dice, i);
                if (dice.chance(0.2))
                    n.start<&boom>(sim::host{.name = "bad"}, dice.between(1 * ms, 500 * ms));
                mitogen::io::simulated::thread stopper(io, "stopper",
                                                       [&, when = dice.between(0, 3000 * ms)] {
                                                           io.sleep_for(when);
                                                           source.request_stop();
                                                       });
                if (dice.chance(0.8)) ended = n.try_join();
            }
            std::size_t left = 0;
            for (const sim::process_state* p : io.kernel().running())
                left +=
                    p->group->name != "root" && p->group->name.find("inner") == std::string::npos;
            if (left != 0) trouble = std::to_string(left) + " processes are left";
            if (support::open_answers<mitogen::io::simulated>(root) != 0)
                trouble = "answers are still awaited";
            if (ended && !*ended) {
                const mitogen::error& e = ended->error();
                ++failed;
                for (const mitogen::error& one : e.members())
                    if (!mishaps::excusable(one))
                        trouble = std::string("an odd member: ") + one.what();
                if (e.members().empty() && !mishaps::excusable(e) &&
                    e.reason() != mitogen::reason::cancelled)
                    trouble = e.what();
                if (which == "none" && e.kind() == mitogen::kind::disconnected) trouble = e.what();
            }
        });
        struck += o.kills + o.cuts;
        INFO(o.trouble);
        CHECK(trouble == "");
        REQUIRE(o.completed);
    }
    CHECK(failed > seeds(100)); // it is worth something
    if (which == "kill" || which == "cut" || which == "all") CHECK(struck > seeds(300));
}

TEST_CASE("a task that is late stops its nursery at once, and has the grace to put things right") {
    struct expectation {
        std::int64_t tidies, grace, joined_at;
        const char* text;
    };
    const auto e = GENERATE(expectation{50 * ms, 1000 * ms, 80 * ms, "tidied up"},
                            expectation{5000 * ms, 1000 * ms, 1030 * ms, "no answer within 30 ms"});
    CAPTURE(e.tidies);
    sim::fleet fleet({});
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        mitogen::io::simulated io;
        const mitogen::context child = root.connect(sim::host{.name = "h"});
        const mitogen::instant begin = io.now();
        const auto now = [&] { return io.now() - begin; };
        mitogen::nursery n{root, {.grace = std::chrono::milliseconds(e.grace / ms)}};
        const auto late = n.start<&tidies>(child.within(std::chrono::milliseconds(30)), e.tidies);
        const auto other = n.start<&tidies>(sim::host{.name = "own"}, std::int64_t{0});
        const auto body = mitogen::try_sleep_for(std::chrono::hours(1));
        CHECK(now() == 30 * ms);
        REQUIRE_FALSE(body);
        CHECK(body.error() == mitogen::reason::cancelled);
        CHECK_THAT(body.error().what(), Catch::Contains("no answer within 30 ms"));
        const auto all = n.try_join();
        CHECK(now() == e.joined_at);
        REQUIRE_FALSE(all);
        CHECK_THAT(all.error().what(), Catch::Contains(e.text));
        CHECK_THAT(late.try_get().error().what(), Catch::Contains(e.text));
        CHECK_FALSE(other.try_get());
    });
    INFO(o.trouble);
    REQUIRE(o.completed);
}

TEST_CASE("as many members as children fail, in whatever order things happen") {
    for (std::uint64_t seed = 1; seed <= seeds(300); ++seed) {
        CAPTURE(seed);
        sim::fleet fleet({.seed = seed, .faults = {.most_latency = 20 * ms}});
        std::size_t members = 0;
        const sim::outcome o = fleet.run([&](mitogen::router& root) {
            mitogen::nursery n{root};
            std::vector<mitogen::context> up;
            for (int i = 0; i < 25; ++i) up.push_back(n.connect(sim::host{.name = "h"}));
            for (const mitogen::context& c : up) n.start<&boom>(c, 100 * ms);
            members = n.try_join().error().members().size();
        });
        INFO(o.trouble);
        CHECK(members == 25);
        REQUIRE(o.completed);
    }
}
