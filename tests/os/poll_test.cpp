// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/poll.hpp>

#include "../generic/inject.hpp"

#include <catch2/catch.hpp>

namespace os = mitogen::os;

TEST_CASE("poll reports what is ready, and waits no shorter than asked") {
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    ::pollfd entry{a.get(), POLLIN, 0};
    const mitogen::instant start = os::monotonic_now();
    CHECK(os::poll(&entry, 1, 300'000) == 0);
    CHECK(os::monotonic_now() - start >= 300'000);
    REQUIRE(os::write(b.get(), "x", 1) == 1);
    CHECK(os::poll(&entry, 1, -1) == 1);
    CHECK(entry.revents == POLLIN);
}

TEST_CASE("an interrupted poll with a limit ends early") {
    const generic::inject fault("poll", -EINTR, 0, 1);
    CHECK(os::poll(nullptr, 0, 1'000'000'000'000) == 0);
    CHECK(fault.seen() == 1);
}
