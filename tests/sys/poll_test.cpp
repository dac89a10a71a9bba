// SPDX-License-Identifier: BSL-1.0
#include <mitogen/sys/poll.hpp>

#include "../generic/inject.hpp"

#include <catch2/catch.hpp>

namespace sys = mitogen::sys;

TEST_CASE("poll reports what is ready, and waits no shorter than asked") {
    sys::unique_fd a, b;
    REQUIRE(sys::pipe(a, b) == 0);
    ::pollfd entry{a.get(), POLLIN, 0};
    const mitogen::instant start = sys::monotonic_now();
    CHECK(sys::poll(&entry, 1, 300'000) == 0);
    CHECK(sys::monotonic_now() - start >= 300'000);
    REQUIRE(sys::write(b.get(), "x", 1) == 1);
    CHECK(sys::poll(&entry, 1, -1) == 1);
    CHECK(entry.revents == POLLIN);
}

TEST_CASE("an interrupted poll with a limit ends early") {
    const generic::inject fault("poll", -EINTR, 0, 1);
    CHECK(sys::poll(nullptr, 0, 1'000'000'000'000) == 0);
    CHECK(fault.seen() == 1);
}
