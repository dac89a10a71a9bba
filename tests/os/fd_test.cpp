// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/fd.hpp>

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <utility>

using mitogen::os::unique_fd;

namespace {

unique_fd some_fd() { return unique_fd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

TEST_CASE("a descriptor is closed with its owner") {
    int number = -1;
    {
        const unique_fd fd = some_fd();
        REQUIRE(fd);
        number = fd.get();
        CHECK(is_open(number));
    }
    CHECK_FALSE(is_open(number));
}

TEST_CASE("a moved-from descriptor is empty, and the target's old one is closed") {
    unique_fd a = some_fd();
    unique_fd b = some_fd();
    const int from = a.get(), old = b.get();
    b = std::move(a);
    CHECK(a.get() == -1);
    CHECK_FALSE(static_cast<bool>(a));
    CHECK(b.get() == from);
    CHECK_FALSE(is_open(old));
    unique_fd& same = b;
    b = std::move(same);
    CHECK(is_open(b.get()));
}

TEST_CASE("release gives up ownership, reset takes another") {
    unique_fd a = some_fd();
    const unique_fd b(a.release());
    CHECK_FALSE(a);
    CHECK(is_open(b.get()));
    a.reset(some_fd().release());
    const int number = a.get();
    a.reset();
    CHECK_FALSE(is_open(number));
    CHECK(unique_fd(-5).get() == -1); // a negative errno is no descriptor
}

} // namespace
