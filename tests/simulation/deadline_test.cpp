// SPDX-License-Identifier: BSL-1.0
// A deadline goes down a chain of contexts: in virtual time each wait on the way has an exact
// bound.
#include "seeds.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <mitogen/simulation.hpp>
#include <mitogen/sync/latch.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

namespace deadline_simulation {

namespace sim = mitogen::simulation;
using sim_io = mitogen::io::simulated;
using namespace std::chrono_literals;

constexpr int links = 5; // below the root: as many contexts

/// How one wait has ended; the contexts share the memory of the test.
struct ended {
    mitogen::instant at = 0;
    mitogen::reason why{};
};
/// By depth: 0 is the root.
struct record {
    std::optional<ended> waits[links + 1];
};
record* notes = nullptr;

void note(int depth, const mitogen::error& e) {
    notes->waits[depth] = ended{sim_io().now(), e.reason()};
}

int never_returns() {
    mitogen::sleep_for(1h);
    return 1;
}
int listens(mitogen::dialog<int(int, int)>& peer) {
    peer.started(0);
    for (const int x : peer) static_cast<void>(x);
    return 1;
}
int never_starts(mitogen::dialog<int(int, int)>&) { return never_returns(); }
int takes_nothing(mitogen::dialog<int(std::string, int)>& peer) {
    peer.started(0);
    return never_returns();
}
mitogen::generator<int> yields_nothing() {
    mitogen::sleep_for(1h);
    co_yield 1;
}
mitogen::task<int> sleeps_as_task() {
    co_await mitogen::sleep_for(1h);
    co_return 1;
}

constexpr int kinds = 14;

/// Waits for ever, in the way `kind`.
void wait_for_ever(int kind, mitogen::router& here) {
    const auto child = [&] { return here.connect(sim::host{.name = "below"}); };
    switch (kind) {
    case 0: mitogen::sleep_for(1h); break;
    case 1: child().call<&never_returns>(); break;
    case 2: child().call_async<&never_returns>().get(); break;
    case 3: {
        auto c = child();
        auto d = c.open<&listens>();
        d.receive();
        break;
    }
    case 4: {
        auto c = child();
        auto d = c.open<&takes_nothing>();
        for (;;) d.send(std::string(100'000, 'x'));
    }
    case 5: {
        auto c = child();
        static_cast<void>(c.open<&never_starts>());
        break;
    }
    case 6: {
        auto c = child();
        auto all = c.stream<&yields_nothing>();
        for (const int x : all) static_cast<void>(x);
        break;
    }
    case 7: {
        mitogen::receiver<int> r{here};
        const auto keep = r.to_sender();
        r.receive();
        break;
    }
    case 8: {
        mitogen::receiver<std::string> r{here};
        auto out = r.to_sender();
        for (;;) out.send(std::string(100'000, 'x'));
    }
    case 9: {
        auto c = child();
        auto f = c.call_async<&never_returns>();
        mitogen::receiver<int> r{here};
        const auto keep = r.to_sender();
        mitogen::select s{f, r};
        s.next();
        f.get(); // it may be late first
        break;
    }
    case 10: static_cast<void>(here.connect(sim::host{.name = "silent"})); break;
    case 11: {
        sim_io io;
        mitogen::basic_latch<int, sim_io> empty(io);
        empty.get();
        break;
    }
    case 12: mitogen::block_on(here, sleeps_as_task()); break;
    default: {
        auto c = child();
        auto d = c.open<&listens>();
        d.result(); // which waits for close()
    }
    }
}

/// What the functions of the chain are told.
struct order {
    int depth;
    int kind; ///< of the lowest wait
    int how;  ///< they call on
    std::int64_t before_ns; ///< they sleep first
};
constexpr int ways = 5;

int make_deeper(int depth, mitogen::router& here) {
    if (depth == links) return 0;
    return 1 + here.connect(sim::host{.name = "c"}).call<&make_deeper>(depth + 1);
}
mitogen::context next_of(mitogen::router& here) {
    for (const mitogen::context& c : here.contexts())
        if (c.path().size() == 1) return c;
    throw std::runtime_error("the chain is broken");
}

int deeper(order o, mitogen::router& here);
int talks_deeper(mitogen::dialog<int(int, int)>& peer, order o, mitogen::router& here) {
    peer.started(0);
    return deeper(o, here);
}
mitogen::task<int> awaits_deeper(order o, mitogen::router& here) {
    try {
        ++o.depth;
        co_return co_await next_of(here).call_async<&deeper>(o);
    } catch (const mitogen::error& e) {
        note(o.depth - 1, e);
        throw;
    }
}

int call_on(order o, mitogen::router& here) {
    const mitogen::context next = next_of(here);
    ++o.depth;
    switch (o.how) {
    case 0: return next.call<&deeper>(o);
    case 1: return next.call_async<&deeper>(o).get();
    case 2: return next.open<&talks_deeper>(o).result();
    case 3: return next.within(1h).call<&deeper>(o); // the earlier one counts
    default:
        if (o.depth < links) return next.call<&awaits_deeper>(o);
        return next.call<&deeper>(o);
    }
}

int deeper(order o, mitogen::router& here) {
    try {
        if (o.before_ns) mitogen::sleep_for(std::chrono::nanoseconds(o.before_ns));
        if (o.depth < links) return call_on(o, here);
        wait_for_ever(o.kind, here);
    } catch (const mitogen::error& e) {
        note(o.depth, e);
        throw;
    }
    return 1;
}

} // namespace deadline_simulation

namespace {
using namespace deadline_simulation;

TEST_CASE("a deadline of 1 s wakes the deepest of 5 contexts within 1 s and 5 latencies") {
    std::set<std::pair<int, int>> seen;
    for (std::uint64_t seed = 1; seed <= seeds(700); ++seed) {
        sim::random dice(seed);
        const std::int64_t latency = dice.between(0, 20'000'000);
        const order o{1, static_cast<int>(seed % kinds), static_cast<int>(seed / kinds % ways),
                      dice.chance(0.5) ? dice.between(1, 100'000'000) : 0};
        seen.emplace(o.kind, o.how);
        CAPTURE(seed, latency, o.kind, o.how, o.before_ns);
        record all;
        notes = &all;
        sim::fleet fleet(
            {.seed = seed, .faults = {.least_latency = latency, .most_latency = latency}});
        fleet.never_answers("silent");
        mitogen::instant begin = 0;
        std::string trouble;
        const sim::outcome w = fleet.run([&](mitogen::router& root) {
            mitogen::log::set_sink([](const mitogen::log::record&) {});
            const mitogen::context first = root.connect(sim::host{.name = "c"});
            if (first.call<&make_deeper>(1) != links - 1) trouble = "no chain";
            begin = sim_io().now();
            const auto answer = first.within(1s).try_call<&deeper>(o);
            if (answer) {
                trouble = "it was not late";
            } else {
                note(0, answer.error());
            }
            sim::sleep_for(10'000'000'000); // what the others do about it
        });
        notes = nullptr;
        INFO(w.trouble);
        REQUIRE(w.completed);
        REQUIRE(trouble == "");
        constexpr std::int64_t second = 1'000'000'000;
        for (int depth = 0; depth <= links; ++depth) {
            CAPTURE(depth);
            const auto& wait = all.waits[depth];
            REQUIRE(wait);
            CHECK(wait->at - begin >= second);
            CHECK(wait->at - begin <= second + depth * latency);
            CHECK((wait->why == mitogen::reason::timeout ||
                   (depth > 0 && (wait->why == mitogen::reason::cancelled ||
                                  wait->why == mitogen::reason::deadline))));
        }
    }
    if (seeds(700) == 700) CHECK(seen.size() == std::size_t{kinds * ways});
}

} // namespace
