// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/local_socket.hpp>

#include "../generic/inject.hpp"
#include "support/scratch.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace os = mitogen::os;

namespace {

/// The path of a socket in a directory of its own.
struct folder : support::scratch {
    std::string socket() const { return *this / "s"; }
};

bool exists(const std::string& path) { return ::access(path.c_str(), F_OK) == 0; }
constexpr mitogen::duration_ns second = 1'000'000'000;

TEST_CASE("what connects is accepted, and each side knows whose the other is") {
    const folder f;
    const auto l = os::local_listener::open(f.socket());
    REQUIRE(l.has_value());
    os::unique_fd here;
    CHECK(l->accept(here) == -EAGAIN);
    os::unique_fd there;
    REQUIRE(os::connect_local(f.socket(), second, there) == 0);
    REQUIRE(l->accept(here) == 0);
    CHECK(os::peer_user(here.get()) == ::geteuid());
    CHECK(os::peer_user(there.get()) == ::geteuid());
    CHECK(os::is_trusted_user(os::peer_user(here.get())));
    CHECK_FALSE(os::is_trusted_user(12345));
    CHECK_FALSE(os::is_trusted_user(-EBADF));
    CHECK(os::peer_user(-1) == -EBADF);
    char c = 0;
    CHECK(os::read(here.get(), &c, 1) == -EAGAIN);
    CHECK(os::write(there.get(), "x", 1) == 1);
    CHECK(os::read(here.get(), &c, 1) == 1);
    for (const int fd : {here.get(), there.get(), l->fd()}) {
        CHECK(fd > 2);
        CHECK(::fcntl(fd, F_GETFD) == FD_CLOEXEC);
    }
}

TEST_CASE("a read sleeps no longer than it is allowed to") {
    os::unique_fd a, b;
    REQUIRE(os::socket_pair(a, b) == 0);
    char c = 0;
    for (const mitogen::duration_ns span :
         {mitogen::duration_ns{0}, mitogen::duration_ns{-5}, second / 100}) {
        REQUIRE(os::set_patience(a.get(), span) == 0);
        CHECK(os::read(a.get(), &c, 1) == -EAGAIN);
    }
}

TEST_CASE("moving a listener moves its file; its end removes it") {
    const folder f;
    {
        auto first = os::local_listener::open(f.socket());
        REQUIRE(first.has_value());
        os::local_listener moved(std::move(*first));
        CHECK(exists(f.socket()));
        moved = os::local_listener(std::move(moved));
        CHECK(exists(f.socket()));
        moved.close();
        CHECK_FALSE(exists(f.socket()));
        CHECK(moved.fd() == -1);
    }
    auto again = os::local_listener::open(f.socket());
    REQUIRE(again.has_value());
    again->abandon(); // as a fork child does
    CHECK(exists(f.socket()));
}

TEST_CASE("of many that would replace a stale socket at the same time one succeeds") {
    for (int round = 0; round < 20; ++round) {
        const folder f;
        {
            auto stale = os::local_listener::open(f.socket());
            REQUIRE(stale.has_value());
            stale->abandon();
        }
        std::vector<mitogen::result<os::local_listener>> all;
        for (int i = 0; i < 4; ++i) all.emplace_back(mitogen::error(mitogen::reason::none, ""));
        std::vector<std::thread> threads;
        for (auto& one : all)
            threads.emplace_back([&] { one = os::local_listener::open(f.socket()); });
        for (auto& t : threads) t.join();
        int open = 0;
        for (const auto& one : all) open += one.has_value() ? 1 : 0;
        CHECK(open == 1);
        os::unique_fd fd;
        CHECK(os::connect_local(f.socket(), second, fd) == 0);
    }
}

TEST_CASE("whichever call fails, the error names it and nothing is left") {
    for (const char* name : {"local_socket", "mkdir", "open", "fstat", "flock", "lstat",
                             "set_nonblocking", "bind", "chmod", "listen"}) {
        const folder f;
        INFO(name);
        const generic::inject fault(name, -EACCES);
        const auto l = os::local_listener::open(f.socket());
        REQUIRE_FALSE(l.has_value());
        CHECK(std::string(l.error().what()).find("EACCES") != std::string::npos);
        // then it is not known whether it is ours
        CHECK((!exists(f.socket()) || std::string(name) == "lstat"));
    }
    const folder f;
    const auto l = os::local_listener::open(f.socket());
    REQUIRE(l.has_value());
    os::unique_fd fd;
    for (const char* name : {"local_socket", "set_patience", "connect_local"}) {
        const generic::inject fault(name, -ENOMEM);
        CHECK(os::connect_local(f.socket(), second, fd) == -ENOMEM);
    }
}

} // namespace
