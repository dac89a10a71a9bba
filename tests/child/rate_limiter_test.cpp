// SPDX-License-Identifier: BSL-1.0
#include <mitogen/child/rate_limiter.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>

namespace {

using mitogen::detail::log_backlog;
using mitogen::detail::rate_limiter;
namespace log = mitogen::log;

constexpr std::int64_t second = 1'000'000'000;
constexpr log::bounds few{.lines_per_second = 10, .bytes_per_second = 0, .seconds_at_once = 3};

/// How many of so many lines pass, all at one moment.
int passed(rate_limiter& m, mitogen::instant now, int lines, const log::bounds& b,
           std::size_t bytes = 1) {
    int count = 0;
    for (int i = 0; i < lines; ++i) count += m.admit(now, bytes, nullptr, b) ? 1 : 0;
    return count;
}

TEST_CASE(
    "the earliest lines pass, as many as may come at once, and then none until a pause is over") {
    const std::int64_t start = GENERATE(std::int64_t{0}, std::int64_t{5}, 1000 * second);
    rate_limiter m;
    CHECK(m.tell_at() == mitogen::never);
    CHECK(passed(m, start, 100, few) == 30);
    CHECK(m.tell_at() == start + second);
    CHECK(passed(m, start + second - 1, 100, few) == 0);
    CHECK(m.tell("line", "lines") ==
          "170 lines were dropped (more than 10 lines or 0 bytes per second)");
    CHECK(m.tell_at() == mitogen::never);
    CHECK(passed(m, start + second, 100, few) == 10);
}

TEST_CASE("a steady stream at the rate loses nothing, one of twice the rate half") {
    rate_limiter exact;
    rate_limiter twice;
    int lost = 0;
    int kept = 0;
    for (int i = 0; i < 10'000; ++i) {
        lost += exact.admit(i * second / 10, 1, nullptr, few) ? 0 : 1;
        const std::int64_t now = i * second / 20;
        if (twice.tell_at() <= now) (void)twice.tell("", "");
        kept += twice.admit(now, 1, nullptr, few) ? 1 : 0;
    }
    CHECK(lost == 0);
    CHECK(kept > 4900);
    CHECK(kept < 5100);
}

TEST_CASE("bytes count as well as lines, with what a record costs beside its text") {
    constexpr log::bounds b{
        .lines_per_second = 0, .bytes_per_second = 10'000, .seconds_at_once = 1};
    rate_limiter m;
    CHECK(passed(m, 0, 100, b, 1000 - rate_limiter::line_cost) == 10);
    // a single line that is larger than everything passes, for nothing was before it
    rate_limiter large;
    CHECK(passed(large, 0, 5, b, 1'000'000) == 1);
    (void)large.tell("", "");
    CHECK(passed(large, 99 * second, 5, b, 1) == 0);
    (void)large.tell("", "");
    CHECK(passed(large, 101 * second, 5, b, 1) == 5);
}

TEST_CASE("no rate, no drops") {
    rate_limiter m;
    CHECK(passed(m, 7, 1'000'000,
                 {.lines_per_second = 0, .bytes_per_second = 0, .seconds_at_once = 0}) ==
          1'000'000);
}

TEST_CASE("what may come at once by default is a megabyte of ordinary lines, ten times") {
    rate_limiter m;
    CHECK(passed(m, 0, 200'000, log::bounds{}, 100) == 100'000);
}

TEST_CASE("an obstacle drops what comes, is told after it has gone, and may be postponed") {
    rate_limiter m;
    CHECK(m.admit(0, 1, nullptr, few));
    CHECK_FALSE(m.admit(1, 1, "no way", few));
    CHECK_FALSE(m.admit(2, 1, nullptr, few)); // what is lost lies together
    m.postpone(second + 1);
    CHECK(m.tell_at() == 2 * second + 1);
    CHECK_FALSE(m.pass(second + 2, nullptr));
    CHECK(m.tell("line", "lines") == "3 lines were dropped (no way)");
    CHECK(m.pass(second + 3, nullptr));
    CHECK_FALSE(m.pass(second + 3, "none"));
    CHECK(m.tell("line", "lines") == "1 line was dropped (none)");
}

TEST_CASE("the estimate of what waits is never too low, and falls to nothing with the queue") {
    log_backlog b;
    CHECK(b.has_room(0, 0, 100));
    b.add(60);
    CHECK(b.has_room(0, 60, 100));
    b.add(60);
    CHECK_FALSE(b.has_room(0, 120, 100));
    CHECK(b.bytes() == 120);
    CHECK_FALSE(b.has_room(50, 70, 100)); // 70 at most wait, but that is not half of the limit
    CHECK(b.bytes() >= 70);
    CHECK(b.has_room(120, 0, 100));
    CHECK(b.bytes() == 0);
}

TEST_CASE("other messages in the queue make the estimate higher for a while, not for ever") {
    log_backlog b;
    std::uint64_t written = 0;
    std::uint64_t waiting = 1'000'000; // a large answer, which never ends
    std::uint64_t own = 0;
    std::uint64_t most = 0;
    for (int i = 0; i < 10'000; ++i) {
        const bool room = b.has_room(written, waiting + own, 10'000'000);
        REQUIRE(room);
        b.add(100);
        own = 100; // each goes out soon
        written += 1'000;
        most = b.bytes() > most ? b.bytes() : most;
    }
    CHECK(most < 500'000); // of a million that went through
}

} // namespace
