// SPDX-License-Identifier: BSL-1.0
#include <mitogen/sys/kqueue.hpp>

#if MITOGEN_HAS_KQUEUE
#include "../generic/inject.hpp"

#include <catch2/catch.hpp>

namespace sys = mitogen::sys;

TEST_CASE("a kqueue reports what is ready with its user data, and waits no shorter than asked") {
    const sys::unique_fd queue(static_cast<int>(sys::kqueue_create()));
    REQUIRE(queue);
    sys::unique_fd a, b;
    REQUIRE(sys::pipe(a, b) == 0);
    REQUIRE(sys::kqueue_change(queue.get(), a.get(), EVFILT_READ, EV_ADD, 0, 1234) == 0);
    struct ::kevent out {};
    const mitogen::instant start = sys::monotonic_now();
    CHECK(sys::kqueue_wait(queue.get(), &out, 1, 1'300'000) == 0);
    CHECK(sys::monotonic_now() - start >= 1'300'000);
    REQUIRE(sys::write(b.get(), "x", 1) == 1);
    REQUIRE(sys::kqueue_wait(queue.get(), &out, 1, -1) == 1);
    CHECK(out.filter == EVFILT_READ);
    CHECK(reinterpret_cast<std::intptr_t>(out.udata) == 1234);
    CHECK(sys::kqueue_change(queue.get(), a.get(), EVFILT_READ, EV_DELETE, 0, 0) == 0);
    CHECK(sys::kqueue_wait(queue.get(), &out, 1, 0) == 0);
}

TEST_CASE("a change to a kqueue can fail") {
    const sys::unique_fd queue(static_cast<int>(sys::kqueue_create()));
    const generic::inject fault("kqueue_change", -ENOMEM);
    CHECK(sys::kqueue_change(queue.get(), 0, EVFILT_READ, EV_ADD, 0, 0) == -ENOMEM);
}
#endif
