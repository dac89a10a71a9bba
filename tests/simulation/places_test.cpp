// SPDX-License-Identifier: BSL-1.0
// Only calls that wait for one that goes on and on are worth a line of the log: in virtual time.
#include <mitogen/simulation.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <vector>

namespace {

namespace sim = mitogen::simulation;
namespace log = mitogen::log;

constexpr std::int64_t second = 1'000'000'000;

void nap(std::int64_t span) { sim::sleep_for(span); }
int twice(int x) { return 2 * x; }

/// The moments at which the log said that calls wait, in whole seconds, while `work` ran.
template <class Work>
std::vector<std::int64_t> told_at(mitogen::tree_rules rules, Work work) {
    std::vector<std::int64_t> moments;
    sim::fleet fleet(7);
    const sim::outcome o = fleet.run(
        [&](mitogen::router& root) {
            mitogen::io::simulated io;
            const mitogen::context web = root.connect(sim::host{.name = "web7"});
            const std::int64_t from = io.now();
            log::set_sink([&, io, from](const log::record& r) mutable {
                if (r.text.find("waits for the main thread of web7") != std::string_view::npos)
                    moments.push_back((io.now() - from) / second);
            });
            work(web);
            log::set_sink({});
        },
        {.rules = rules});
    CHECK(o.trouble.empty());
    return moments;
}

TEST_CASE("a long call that nothing waits behind is not told of") {
    CHECK(told_at({}, [](const mitogen::context& web) { web.call<&nap>(600 * second); }).empty());
}

TEST_CASE("calls that wait for one another and go on are not told of") {
    CHECK(told_at({}, [](const mitogen::context& web) {
              std::vector<mitogen::future<void>> all;
              for (int i = 0; i < 100; ++i) all.push_back(web.call_async<&nap>(4 * second));
              for (auto& f : all) f.get();
          }).empty());
}

TEST_CASE("calls that wait for one that does not go on are told of once") {
    const auto work = [](const mitogen::context& web) {
        auto first = web.call_async<&nap>(100 * second);
        auto second_one = web.call_async<&nap>(100 * second);
        CHECK(web.call<&twice>(4) == 8);
        first.get();
        second_one.get();
    };
    // within two spans of its begin, each of the two
    const std::vector<std::int64_t> moments = told_at({}, work);
    REQUIRE(moments.size() == 2);
    CHECK((moments[0] >= 5 && moments[0] <= 10));
    CHECK((moments[1] >= 105 && moments[1] <= 110));
    mitogen::tree_rules rules;
    rules.warnings.queued_call = 30 * second;
    CHECK(told_at(rules, work).size() == 2);
    rules.warnings.queued_call = mitogen::never;
    CHECK(told_at(rules, work).empty());
}

} // namespace
