// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/kqueue.hpp>

#if MITOGEN_HAS_KQUEUE
#include "../generic/inject.hpp"

#include <catch2/catch.hpp>

namespace os = mitogen::os;

TEST_CASE("a kqueue reports what is ready with its user data, and waits no shorter than asked") {
    const os::unique_fd queue(static_cast<int>(os::kqueue_create()));
    REQUIRE(queue);
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    REQUIRE(os::kqueue_change(queue.get(), a.get(), EVFILT_READ, EV_ADD, 0, 1234) == 0);
    struct ::kevent out {};
    const mitogen::instant start = os::monotonic_now();
    CHECK(os::kqueue_wait(queue.get(), &out, 1, 1'300'000) == 0);
    CHECK(os::monotonic_now() - start >= 1'300'000);
    REQUIRE(os::write(b.get(), "x", 1) == 1);
    REQUIRE(os::kqueue_wait(queue.get(), &out, 1, -1) == 1);
    CHECK(out.filter == EVFILT_READ);
    CHECK(reinterpret_cast<std::intptr_t>(out.udata) == 1234);
    CHECK(os::kqueue_change(queue.get(), a.get(), EVFILT_READ, EV_DELETE, 0, 0) == 0);
    CHECK(os::kqueue_wait(queue.get(), &out, 1, 0) == 0);
}

TEST_CASE("a change to a kqueue can fail") {
    const os::unique_fd queue(static_cast<int>(os::kqueue_create()));
    const generic::inject fault("kqueue_change", -ENOMEM);
    CHECK(os::kqueue_change(queue.get(), 0, EVFILT_READ, EV_ADD, 0, 0) == -ENOMEM);
}
#endif
