// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/thread/futex.hpp>

#if defined(__linux__)
#include <mitogen/os/call.hpp>

#include <catch2/catch.hpp>
#include <cerrno>

namespace os = mitogen::os;

TEST_CASE("a futex does not sleep on a word that has changed") {
    const std::atomic<std::uint32_t> word{3};
    CHECK(os::futex_wait(word, 2, mitogen::never) == -EAGAIN);
}

TEST_CASE("a futex sleeps until its deadline") {
    const std::atomic<std::uint32_t> word{3};
    const mitogen::instant deadline = os::monotonic_now() + 300'000;
    long rc = 0;
    while ((rc = os::futex_wait(word, 3, deadline)) == 0) {} // may wake for no reason
    CHECK(rc == -ETIMEDOUT);
    CHECK(os::monotonic_now() >= deadline);
    CHECK(os::futex_wait(word, 3, -1) == -ETIMEDOUT);
}

TEST_CASE("waking where nobody sleeps wakes nobody") {
    const std::atomic<std::uint32_t> word{0};
    CHECK(os::futex_wake(word, 1) == 0);
}
#endif
