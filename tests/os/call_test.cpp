// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/call.hpp>

#include "../generic/forked.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <string>

namespace os = mitogen::os;

namespace {

bool closes_on_exec(int fd) { return ::fcntl(fd, F_GETFD) == FD_CLOEXEC; }

TEST_CASE("what is created is close-on-exec") {
    os::unique_fd a, b, c, d;
    REQUIRE(os::pipe(a, b) == 0);
    REQUIRE(os::socket_pair(c, d) == 0);
    const os::unique_fd e(static_cast<int>(os::open("/dev/null", O_RDONLY)));
    const os::unique_fd f(static_cast<int>(os::dup_above(a.get(), 100)));
    for (const int fd : {a.get(), b.get(), c.get(), d.get(), e.get(), f.get()})
        CHECK(closes_on_exec(fd));
    CHECK(f.get() >= 100);
}

TEST_CASE("dup_to makes a descriptor that survives exec, also onto itself") {
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    const os::unique_fd target(static_cast<int>(os::open("/dev/null", O_RDONLY)));
    REQUIRE(os::dup_to(b.get(), target.get()) >= 0);
    CHECK_FALSE(closes_on_exec(target.get()));
    REQUIRE(os::write(target.get(), "x", 1) == 1);
    char c = 0;
    CHECK(os::read(a.get(), &c, 1) == 1);
    REQUIRE(os::dup_to(a.get(), a.get()) >= 0);
    CHECK_FALSE(closes_on_exec(a.get()));
    REQUIRE(os::set_cloexec(a.get(), true) >= 0);
    CHECK(closes_on_exec(a.get()));
}

TEST_CASE("a nonblocking descriptor answers at once") {
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    REQUIRE(os::set_nonblocking(a.get(), true) >= 0);
    char c = 0;
    CHECK(os::read(a.get(), &c, 1) == -EAGAIN);
    REQUIRE(os::set_nonblocking(a.get(), false) >= 0);
    CHECK((::fcntl(a.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("vectors are written and read as a whole") {
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    char one[] = "abc", two[] = "defg";
    const ::iovec out[2] = {{one, 3}, {two, 4}};
    CHECK(os::writev(b.get(), out, 2) == 7);
    char x[5] = {}, y[3] = {};
    const ::iovec in[2] = {{x, 4}, {y, 3}};
    CHECK(os::readv(a.get(), in, 2) == 7);
    CHECK(std::string(x, 4) + std::string(y, 3) == "abcdefg");
}

TEST_CASE("a descriptor at 0 to 2 is moved above, others stay") {
    const int code = generic::forked([] {
        ::close(0);
        os::unique_fd low(static_cast<int>(os::open("/dev/null", O_RDONLY)));
        if (low.get() != 0) return 1;
        if (os::move_above_stdio(low) != 0 || low.get() < 3 || !closes_on_exec(low.get())) return 2;
        const int number = low.get();
        if (os::move_above_stdio(low) != 0 || low.get() != number) return 3;
        return ::fcntl(0, F_GETFD) < 0 ? 0 : 4;
    });
    CHECK(code == 0);
}

TEST_CASE("spans become what the kernel takes, rounded up and saturated") {
    CHECK(os::to_poll_ms(-1) == -1);
    CHECK(os::to_poll_ms(0) == 0);
    CHECK(os::to_poll_ms(1) == 1);
    CHECK(os::to_poll_ms(1'000'000) == 1);
    CHECK(os::to_poll_ms(1'000'001) == 2);
    CHECK(os::to_poll_ms(mitogen::never) == INT32_MAX);
    const ::timespec t = os::to_timespec(2'000'000'007);
    CHECK((t.tv_sec == 2 && t.tv_nsec == 7));
    CHECK((os::to_timespec(-3).tv_sec == 0 && os::to_timespec(-3).tv_nsec == 0));
    CHECK(os::to_timespec(mitogen::never).tv_sec > 0);
}

} // namespace
