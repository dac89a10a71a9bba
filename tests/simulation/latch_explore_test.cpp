// SPDX-License-Identifier: BSL-1.0
// The latch, in all orders of a few threads, and in many orders of more. What Mitogen's Latch once
// did wrong must be found.
#include "broken_latches.hpp"
#include "latch_programs.hpp"

#include <mitogen/simulation/explore.hpp>
#include <mitogen/sync/latch.hpp>

#include <catch2/catch.hpp>
#include <string>

namespace {

namespace sim = mitogen::simulation;
using io_type = mitogen::io::simulated;
using real_latch = mitogen::basic_latch<int, io_type>;

/// A sanitizer makes a run fifty times as long: fewer interruptions there.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr unsigned fewer = 1;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
constexpr unsigned fewer = 1;
#else
constexpr unsigned fewer = 0;
#endif
#else
constexpr unsigned fewer = 0;
#endif

/// A bad one among the small programs, and how many runs it took to find it; empty and 0 if there
/// is none.
template <class Latch>
sim::findings first_failure(unsigned most_interruptions, std::string& program) {
    sim::findings first;
    std::uint64_t runs = 0;
    latch_programs::for_each_small<Latch>([&](const char* name, void (*body)(io_type), unsigned) {
        if (first.failed()) return;
        first = sim::explore({.most_interruptions = most_interruptions}, body);
        first.runs += runs;
        runs = first.runs;
        program = name;
    });
    return first;
}

TEST_CASE("a latch is right in all orders of a few threads, up to a bound of interruptions") {
    latch_programs::for_each_small<real_latch>(
        [](const char* name, void (*body)(io_type), unsigned bound) {
            const sim::findings found = sim::explore({.most_interruptions = bound - fewer}, body);
            INFO(name << ": " << found.text());
            CHECK(found.complete);
            CHECK(found.runs > (fewer ? 10 : 500));
        });
}

TEST_CASE("a latch is right in all orders of two threads, however often they are interrupted") {
    const sim::findings found = sim::explore({.most_interruptions = fewer ? 3 : 1000},
                                             &latch_programs::one_each<real_latch>);
    INFO(found.text());
    CHECK(found.complete);
    CHECK(found.runs > (fewer ? 100 : 1000));
}

TEST_CASE("a latch is right in many orders of many threads") {
    const auto how = GENERATE(sim::exploration::kind::random, sim::exploration::kind::priority);
    const auto body = [](io_type io) { latch_programs::many<real_latch>(io, 5, 3, 33); };
    const sim::findings found = sim::explore(
        {.how = how, .interrupt = 0.3, .depth = 5, .choices = 2000, .last_seed = 60}, body);
    INFO(found.text());
    CHECK(found.complete);
    CHECK(found.runs == 60);
}

/// A latch that must be found out by going through all orders, after at most so many runs.
template <class Latch>
void must_be_found(std::uint64_t most_runs, const std::string& what) {
    std::string program;
    const sim::findings found = first_failure<Latch>(2, program);
    INFO(program << ": " << found.text());
    REQUIRE(found.failed());
    CHECK(found.failure.find(what) != std::string::npos);
    CHECK(found.runs <= most_runs);
    std::string again;
    latch_programs::for_each_small<Latch>([&](const char* name, void (*body)(io_type), unsigned) {
        if (name == program) again = sim::replay({}, found.seed, found.how, body);
    });
    CHECK(again.find(found.failure) != std::string::npos); // the same run, with its story
    CHECK(again.size() > found.failure.size());
}

TEST_CASE("an item that nobody is woken for is found") {
    must_be_found<broken::surplus_item<io_type>>(50, "everything waits");
}

TEST_CASE("a wake-up that is lost is found") {
    must_be_found<broken::lost_wake<io_type>>(11, "everything waits");
}

TEST_CASE("an item that is lost at a deadline is found") {
    must_be_found<broken::lost_item<io_type>>(1002, "items were put");
}

TEST_CASE("a late comer that overtakes a sleeper is found") {
    must_be_found<broken::late_comer_first<io_type>>(59, "late comer");
}

TEST_CASE("schedules by chance and by priority find the broken latches too") {
    const auto how = GENERATE(sim::exploration::kind::random, sim::exploration::kind::priority);
    const auto finds = [how](void (*body)(io_type)) {
        const sim::findings found =
            sim::explore({.how = how, .depth = 3, .choices = 40, .last_seed = 500}, body);
        INFO(found.text());
        CHECK(found.failed());
    };
    finds(&latch_programs::two_sleepers_two_puts<broken::surplus_item<io_type>>);
    finds(&latch_programs::one_each<broken::lost_wake<io_type>>);
    finds(&latch_programs::put_against_timeout<broken::lost_item<io_type>>);
    finds(&latch_programs::late_comer<broken::late_comer_first<io_type>>);
}

} // namespace
