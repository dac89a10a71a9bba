// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/epoll.hpp>

#if defined(__linux__)
#include "../generic/inject.hpp"

#include <catch2/catch.hpp>

namespace os = mitogen::os;

namespace {

struct world {
    os::unique_fd epoll{static_cast<int>(os::epoll_create())};
    ::epoll_event out{};
    ~world() { os::detail::epoll_pwait2_exists = true; }
    long wait(mitogen::duration_ns timeout) {
        return os::epoll_wait(epoll.get(), &out, 1, timeout);
    }
};

TEST_CASE("a long timeout, one of whole milliseconds, none and no limit need no epoll_pwait2") {
    world w;
    os::unique_fd ready(static_cast<int>(os::eventfd(1)));
    const generic::inject counting("epoll_pwait2", 0);
    CHECK(w.wait(0) == 0);
    CHECK(w.wait(1'000'000) == 0);
    REQUIRE(os::epoll_ctl(w.epoll.get(), EPOLL_CTL_ADD, ready.get(), EPOLLIN, 5) == 0);
    CHECK(w.wait(-1) == 1);
    CHECK(w.wait(10'000'001) == 1);
    CHECK(w.out.data.u64 == 5);
    CHECK(counting.seen() == 0);
}

TEST_CASE("a finer timeout is one exact system call where the kernel has it") {
    world w;
    const mitogen::instant start = os::monotonic_now();
    CHECK(w.wait(100'000) == 0);
    CHECK(os::monotonic_now() - start >= 100'000);
}

TEST_CASE("a kernel without epoll_pwait2 is asked once, and milliseconds are rounded up") {
    for (const long answer : {-ENOSYS, -EPERM}) {
        world w;
        const generic::inject fault("epoll_pwait2", answer);
        for (int i = 0; i < 3; ++i) {
            const mitogen::instant start = os::monotonic_now();
            CHECK(w.wait(100'000) == 0);
            CHECK(os::monotonic_now() - start >= 1'000'000);
        }
        CHECK(fault.seen() == 1);
    }
}

TEST_CASE("an interrupted wait with a limit ends early, one without goes on") {
    world w;
    for (const char* name : {"epoll_wait", "epoll_pwait2"}) {
        const generic::inject fault(name, -EINTR, 0, 1);
        CHECK(w.wait(name[6] == 'w' ? 1'000'000'000 : 9'999'999) == 0);
        CHECK(fault.seen() == 1);
    }
    os::unique_fd ready(static_cast<int>(os::eventfd(1)));
    REQUIRE(os::epoll_ctl(w.epoll.get(), EPOLL_CTL_ADD, ready.get(), EPOLLIN, 5) == 0);
    const generic::inject fault("epoll_wait", -EINTR, 0, 2);
    CHECK(w.wait(-1) == 1);
    CHECK(fault.seen() == 3);
}

} // namespace
#endif
