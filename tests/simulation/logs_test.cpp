// SPDX-License-Identifier: BSL-1.0
// A log that nobody reads must not fill anybody's memory: what does not fit is dropped where it is,
// and counted.
#include "../support/engine.hpp"

#include <mitogen/simulation.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace {

namespace sim = mitogen::simulation;
namespace log = mitogen::log;

constexpr std::int64_t second = 1'000'000'000;
constexpr std::uint64_t limit = 32 * 1024;
constexpr std::uint32_t many = 4000; // about ten times what fits

mitogen::context child_of(mitogen::router& router, const std::string& name) {
    return router.connect(sim::host{.name = name});
}

void set_bounds(std::uint64_t lines_per_second, std::uint64_t queue) {
    log::set_bounds({.lines_per_second = lines_per_second,
                     .bytes_per_second = 0,
                     .seconds_at_once = 1,
                     .queue_bytes = queue});
}

/// Logs so many lines, after two seconds. Returns the most that has waited for the link to the
/// parent meanwhile.
std::uint64_t flood(mitogen::router& here, std::uint32_t count) {
    sim::sleep_for(2 * second);
    std::uint64_t most = 0;
    for (std::uint32_t i = 0; i < count; ++i) {
        log::write(log::level::error, "line " + std::to_string(i));
        most = std::max(
            most, support::engine<mitogen::io::simulated>(here).parent()->transport->queued());
        if (i % 100 == 99) sim::sleep_for(second / 100);
    }
    return most;
}

/// The most that waits for the link to the parent within ten seconds.
std::uint64_t longest_queue(mitogen::router& here) {
    std::uint64_t most = 0;
    for (int i = 0; i < 100; ++i) {
        sim::sleep_for(second / 10);
        most = std::max(
            most, support::engine<mitogen::io::simulated>(here).parent()->transport->queued());
    }
    return most;
}

/// What arrives at the root.
struct arrivals {
    std::vector<std::uint64_t> lines{};
    std::vector<std::string> notices{};
    std::uint64_t lost = 0;
    mitogen::context_id wrong = mitogen::no_context;

    void take(const log::record& r, mitogen::context_id expected) {
        if (r.context != expected) wrong = r.context;
        if (r.text.starts_with("line "))
            return lines.push_back(std::stoull(std::string(r.text.substr(5))));
        notices.emplace_back(r.text);
        lost += std::stoull(notices.back());
    }
    std::uint64_t all() const { return lines.size() + lost; }
};

void signal(const std::string& name, int number) {
    sim::kernel& k = mitogen::io::simulated().kernel();
    for (sim::process_state* p : k.running())
        if (p->group->name.find(name) != std::string::npos) k.signal(p->pid, number);
}

TEST_CASE("log records that a stopped context does not take are bounded at every hop, and what is "
          "lost is said") {
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 12));
    const std::string stopped = GENERATE("top", "relay");
    CAPTURE(seed, stopped);
    arrivals seen;
    std::uint64_t most_at_source = 0;
    std::uint64_t most_at_relay = 0;
    mitogen::router_options options;
    options.rules.heartbeat.interval = 0; // a stopped context is not lost here
    sim::fleet fleet(
        {.seed = seed,
         .faults = {.partial_transfer = 0.2, .most_latency = 1'000'000, .pipe_bytes = 4096}});
    const sim::outcome o = fleet.run(
        [&](mitogen::router& root) {
            mitogen::io::simulated io;
            const mitogen::context top = child_of(root, "top");
            const mitogen::context relay = top.call<&child_of>("relay");
            const mitogen::context source = relay.call<&child_of>("source");
            log::set_sink([&, id = source.id()](const log::record& r) { seen.take(r, id); });
            for (const mitogen::context& c : {top, relay, source})
                c.call<&set_bounds>(std::uint64_t{0}, limit);
            auto waits = relay.call_async<&longest_queue>();
            auto floods = source.call_async<&flood>(many);
            io.sleep_for(second);
            signal(stopped, 19);
            io.sleep_for(20 * second);
            signal(stopped, 18);
            most_at_relay = waits.get();
            most_at_source = floods.get();
            for (int i = 0; i < 100 && seen.all() < many; ++i) io.sleep_for(second);
        },
        options);
    INFO(o.trouble);
    CHECK(o.completed);
    CHECK(seen.all() == many);
    CHECK(seen.lost > many / 2);
    CHECK(seen.wrong == mitogen::no_context);
    CHECK(std::is_sorted(seen.lines.begin(), seen.lines.end()));
    REQUIRE(seen.lines.size() > 100);
    CHECK(seen.lines[100] == 100); // the earliest are all there
    CHECK(seen.notices.size() < 10);
    for (const std::string& text : seen.notices) {
        INFO(text);
        CHECK(text.find("more than the link to the parent takes") != std::string::npos);
    }
    constexpr std::uint64_t more = 2000; // one record, and what is no record
    CHECK(most_at_source < limit + more);
    CHECK(most_at_relay < limit + more);
    CHECK((stopped == "top" ? most_at_relay : most_at_source) > limit / 2);
}

TEST_CASE("a flood is told once a second, at the place where lines are missing, and once more at "
          "its end") {
    const std::uint64_t seed = GENERATE(range<std::uint64_t>(1, 12));
    CAPTURE(seed);
    arrivals seen;
    sim::fleet fleet(
        {.seed = seed, .faults = {.partial_transfer = 0.1, .most_latency = 1'000'000}});
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        const mitogen::context source = child_of(root, "source");
        log::set_sink([&, id = source.id()](const log::record& r) { seen.take(r, id); });
        source.call<&set_bounds>(std::uint64_t{10}, limit);
        source.call<&flood>(1000u); // in a tenth of a second
        const std::uint64_t then = seen.all();
        CHECK(then < 1000);
        mitogen::io::simulated().sleep_for(2 * second);
        CHECK(seen.all() == 1000); // nothing more was logged, and it is said nevertheless
        CHECK(seen.notices.size() == 1);
        source.call<&flood>(50'000u); // in five seconds
    });
    INFO(o.trouble);
    CHECK(o.completed);
    CHECK(seen.all() == 51'000);
    CHECK(seen.notices.size() >= 5);
    CHECK(seen.notices.size() <= 8);
    REQUIRE(seen.lines.size() >= 10);
    CHECK(seen.lines[9] == 9);
}

} // namespace
