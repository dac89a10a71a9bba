// SPDX-License-Identifier: BSL-1.0
// Tasks under kills, cuts and everything else: each call has one answer, and nothing is left.
#include "../support/engine.hpp"
#include "mishaps.hpp"
#include "seeds.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <mitogen/simulation.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

namespace task_simulation {

namespace sim = mitogen::simulation;
using sim_dialog = mitogen::dialog<int(int, int)>;
using std::chrono::milliseconds;
constexpr std::int64_t ms = 1'000'000;

mitogen::task<int> nap(std::int64_t span) {
    co_await mitogen::sleep_for(std::chrono::nanoseconds(span));
    co_return 1;
}
mitogen::task<int> boom(std::int64_t span) {
    co_await mitogen::sleep_for(std::chrono::nanoseconds(span));
    throw std::runtime_error("boom");
}
/// Heeds nothing but its own count.
mitogen::task<int> stubborn(int times) {
    for (int i = 0; i < times; ++i) {
        try {
            co_await mitogen::sleep_for(milliseconds(200));
        } catch (const mitogen::cancelled_error&) {}
    }
    co_return times;
}
/// Makes a child of its own and asks it.
mitogen::task<int> delegates(mitogen::router& here, std::int64_t span) {
    const sim::host method{.name = "below"};
    auto below = co_await here.connect_async(method);
    co_return co_await below.call_async<&nap>(span) + co_await below.call_async<&nap>(span);
}
mitogen::task<int> echo(sim_dialog& peer) {
    peer.started(7);
    int count = 0;
    while (const auto item = co_await peer.async_try_receive()) {
        co_await peer.async_send(*item);
        ++count;
    }
    co_return count;
}

/// The root's end of a dialog; how many items came back, and none that was not sent.
mitogen::task<int> converse(mitogen::context with, int items) {
    auto d = co_await with.open_async<&echo>();
    for (int i = 0; i < items; ++i) {
        co_await d.async_send(i);
        if (co_await d.async_receive() != i) throw std::logic_error("another item");
    }
    d.close();
    const int count = co_await d.async_result();
    if (count != items) throw std::logic_error("another count");
    co_return count;
}

struct started {
    std::vector<mitogen::future<int>> calls{};
    std::vector<mitogen::spawned<int>> tasks{};
};

void begin_one(started& all, mitogen::router& root, const mitogen::context& with,
               sim::random& dice) {
    const std::int64_t span = dice.between(0, 1500 * ms);
    switch (dice.below(8)) {
    case 0: all.calls.push_back(with.call_async<&nap>(span)); break;
    case 1: all.calls.push_back(with.call_async<&delegates>(span)); break;
    case 2: all.calls.push_back(with.call_async<&boom>(span)); break;
    case 3:
        all.calls.push_back(with.within(milliseconds(100)).call_async<&nap>(3'600'000 * ms));
        break;
    // nobody wants it
    case 4: static_cast<void>(with.call_async<&stubborn>(static_cast<int>(dice.below(5)))); break;
    case 5:
        all.tasks.push_back(mitogen::spawn(root, converse(with, static_cast<int>(dice.below(30)))));
        if (dice.chance(0.3)) all.tasks.back().cancel();
        break;
    case 6: static_cast<void>(mitogen::spawn(root, converse(with, 3))); break; // cancelled at once
    case 7: {
        auto chain = with.chain();
        all.calls.push_back(chain.call_async<&nap>(span / 10));
        all.calls.push_back(dice.chance(0.5) ? chain.call_async<&boom>(span / 10)
                                             : chain.call_async<&nap>(0));
        all.calls.push_back(chain.call_async<&nap>(0));
        break;
    }
    }
}

/// What is wrong with the way in which they ended; empty: nothing.
std::string end_all(started& all, bool calm) {
    std::string trouble;
    const auto look = [&](const mitogen::error& e) {
        if (!mishaps::excusable(e) && e.reason() != mitogen::reason::cancelled) trouble = e.what();
        const bool lost =
            e.kind() == mitogen::kind::disconnected && e.reason() != mitogen::reason::cancelled;
        if (calm && lost) trouble = std::string("lost: ") + e.what();
    };
    for (auto& f : all.calls)
        if (const auto r = f.try_get(); !r && r.error().reason() != mitogen::reason::timeout)
            look(r.error());
    for (auto& t : all.tasks) {
        try {
            static_cast<void>(t.get());
        } catch (const mitogen::error& e) {
            look(e);
        } catch (const std::logic_error& e) {
            trouble = e.what();
        }
    }
    return trouble;
}

} // namespace task_simulation

using namespace task_simulation;

TEST_CASE("tasks end, each with one answer, whatever goes wrong") {
    const std::string which = GENERATE("none", "kill", "cut", "spawn", "freeze", "all");
    for (std::uint64_t seed = 1; seed <= seeds(300); ++seed) {
        CAPTURE(which, seed);
        sim::fleet fleet({.seed = seed, .faults = mishaps::faults_of(which)});
        std::string trouble;
        const sim::outcome o = fleet.run([&](mitogen::router& root) {
            mitogen::log::set_sink([](const mitogen::log::record&) {});
            sim::random dice(seed);
            std::vector<mitogen::context> up;
            for (std::uint64_t i = 0; i < 1 + dice.below(3); ++i)
                if (auto c = root.try_connect(sim::host{.name = "h" + std::to_string(i)}))
                    up.push_back(*c);
            if (up.empty()) return;
            {
                started all;
                for (std::uint64_t i = 0; i < 1 + dice.below(12); ++i)
                    begin_one(all, root, up[dice.below(up.size())], dice);
                if (dice.chance(0.3))
                    static_cast<void>(up[0].shutdown());
                else
                    trouble = end_all(all, which == "none");
                for (auto& f : all.calls) static_cast<void>(f.try_get());
            }
            if (support::open_answers<mitogen::io::simulated>(root) != 0)
                trouble = "answers are still awaited";
        });
        INFO(o.trouble);
        CHECK(trouble == "");
        REQUIRE(o.completed);
    }
}
