// SPDX-License-Identifier: BSL-1.0
// Tasks that are begun again, in virtual time: how long they pause, and that they end whatever goes
// wrong.
#include "../support/engine.hpp"
#include "mishaps.hpp"
#include "seeds.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <mitogen/simulation.hpp>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>

namespace restart_simulation {

namespace sim = mitogen::simulation;
constexpr std::int64_t ms = 1'000'000;
using namespace std::chrono_literals;

/// Fails after that time.
int fails_after(std::int64_t span) {
    sim::sleep_for(span);
    throw std::runtime_error("boom");
}
/// Fails every third time or so.
int unreliable(std::int64_t span, std::uint64_t seed) {
    sim::sleep_for(span);
    if (sim::random(seed ^ static_cast<std::uint64_t>(mitogen::io::simulated().now())).below(3) ==
        0)
        throw std::runtime_error("boom");
    return 1;
}

} // namespace restart_simulation

using namespace restart_simulation;

TEST_CASE("pauses between runs last as long as they shall") {
    sim::fleet fleet({.seed = 1});
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        mitogen::io::simulated io;
        const auto child = root.connect(sim::host{.name = "h"});
        const std::int64_t begin = io.now();
        mitogen::nursery n{root};
        auto task = n.restarting({.limit = 6, .first_delay = 100ms, .longest_delay = 1s})
                        .start<&fails_after>(child, 0);
        CHECK_FALSE(n.try_join());
        const std::int64_t took = io.now() - begin;
        CHECK(took >= (100 + 200 + 400 + 800 + 1000 + 1000) * ms);
        CHECK(took < (100 + 200 + 400 + 800 + 1000 + 1000 + 100) * ms);
    });
    INFO(o.trouble);
    REQUIRE(o.completed);
}

TEST_CASE("failures that are rarer than the limit within the window allows go on for ever") {
    sim::fleet fleet({.seed = 1});
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        const auto child = root.connect(sim::host{.name = "h"});
        for (const bool rare : {true, false}) {
            mitogen::nursery n{root};
            const mitogen::restart_policy how{.limit = 2, .window = 60s, .first_delay = 1s};
            auto task = n.restarting(how).start<&fails_after>(child, (rare ? 40'000 : 20'000) * ms);
            CHECK(task.try_get_for(1h).error().reason() ==
                  (rare ? mitogen::reason::timeout : mitogen::reason::remote_exception));
            n.cancel();
            CHECK(n.try_join().has_value() == rare);
        }
    });
    INFO(o.trouble);
    REQUIRE(o.completed);
}

TEST_CASE("tasks that are begun again end, and leave nothing behind, whatever goes wrong") {
    const std::string which = GENERATE("none", "kill", "cut", "spawn", "freeze", "all");
    std::uint64_t in_time = 0;
    for (std::uint64_t seed = 1; seed <= seeds(300); ++seed) {
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
                mitogen::nursery n{root, {.grace = 500ms, .stop = source.get_token()}};
                for (std::uint64_t i = 0; i < 1 + dice.below(4); ++i) {
                    const mitogen::restart_policy how{
                        .when = dice.chance(0.5) ? mitogen::restart::always
                                                 : mitogen::restart::on_failure,
                        .limit = static_cast<std::uint32_t>(dice.below(6)),
                        .first_delay = std::chrono::milliseconds(dice.below(300)),
                        .longest_delay = 600ms};
                    const sim::host method{.name = "h" + std::to_string(i)};
                    const std::int64_t span = dice.between(0, 400 * ms);
                    if (dice.chance(0.3)) {
                        if (const auto up = n.try_connect(method))
                            n.restarting(how).start<&unreliable>(*up, span, seed);
                        continue;
                    }
                    auto task = n.restarting(how).start<&unreliable>(method, span, seed);
                    if (dice.chance(0.2)) task.cancel();
                }
                mitogen::io::simulated::thread stopper(io, "stopper",
                                                       [&, when = dice.between(0, 5000 * ms)] {
                                                           io.sleep_for(when);
                                                           source.request_stop();
                                                       });
                if (dice.chance(0.8)) ended = n.try_join();
            }
            std::size_t left = 0;
            for (const sim::process_state* p : io.kernel().running())
                left += p->group->name != "root";
            if (left != 0) trouble = std::to_string(left) + " processes are left";
            if (support::open_answers<mitogen::io::simulated>(root) != 0)
                trouble = "answers are still awaited";
            if (ended && !*ended && ended->error().reason() == mitogen::reason::cancelled)
                ++in_time;
            if (ended && !*ended && ended->error().members().empty() &&
                !mishaps::excusable(ended->error()) &&
                ended->error().reason() != mitogen::reason::cancelled)
                trouble = ended->error().what();
        });
        INFO(o.trouble);
        CHECK(trouble == "");
        REQUIRE(o.completed);
    }
    CHECK(in_time > 0); // some were stopped while they went on
}
