// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/time.hpp>

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>

namespace {

using mitogen::detail::after;
using mitogen::never;
using mitogen::detail::to_ns;

TEST_CASE("a moment after another saturates at never") {
    CHECK(after(5, 10) == 15);
    CHECK(after(5, -3) == 2);
    CHECK(after(5, never) == never);
    CHECK(after(never, 1) == never);
    CHECK(after(never - 1, 1) == never);
    CHECK(after(never - 2, 1) == never - 1);
    CHECK(after(-5, never) == never - 5); // a clock may begin below zero
    CHECK(after(0, never) == never);
}

TEST_CASE("durations of every unit become nanoseconds, saturated at both ends") {
    CHECK(to_ns(std::chrono::seconds(2)) == 2'000'000'000);
    CHECK(to_ns(std::chrono::milliseconds(-1)) == -1'000'000);
    CHECK(to_ns(std::chrono::nanoseconds(1)) == 1);
    CHECK(to_ns(std::chrono::hours::max()) == never);
    CHECK(to_ns(std::chrono::hours::min()) == -never);
    CHECK(to_ns(std::chrono::duration<double>(1e300)) == never);
    CHECK(to_ns(std::chrono::duration<double>(0.5)) == 500'000'000);
    CHECK(to_ns(std::chrono::nanoseconds::max()) == never);
    CHECK(to_ns(std::chrono::hours(24 * 365 * 100)) ==
          std::int64_t{24} * 365 * 100 * 3600 * 1'000'000'000);
}

} // namespace
