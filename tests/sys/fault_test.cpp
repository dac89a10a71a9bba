// SPDX-License-Identifier: BSL-1.0
// Every wrapper can be made to fail, and goes on after an interruption.
#include "../generic/inject.hpp"

#include <mitogen/sys/call.hpp>
#include <mitogen/sys/epoll.hpp>
#include <mitogen/sys/kqueue.hpp>
#include <mitogen/sys/owned_process.hpp>
#include <mitogen/sys/poll.hpp>
#include <mitogen/sys/process.hpp>

#include <catch2/catch.hpp>
#include <cerrno>
#include <functional>
#include <string>
#include <vector>

namespace sys = mitogen::sys;

namespace {

struct wrapper {
    const char* name;
    std::function<long()> call; // succeeds where nothing is injected
};

/// One working call of each wrapper that only reports, on descriptors that live as long as the list.
struct everything {
    sys::unique_fd read_end, write_end;
    sys::unique_fd copy{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    char byte = 'x';
    ::iovec part{&byte, 1};

    everything() {
        REQUIRE(sys::pipe(read_end, write_end) == 0);
        REQUIRE(sys::set_nonblocking(read_end.get(), true) >= 0);
    }

    std::vector<wrapper> list() {
        const auto closing = [](long fd) {
            if (fd >= 0) sys::unique_fd(static_cast<int>(fd)).reset();
            return fd;
        };
        const int r = read_end.get(), w = write_end.get(), c = copy.get();
        return {
            {"write", [=, this] { return sys::write(w, &byte, 1); }},
            {"read", [=, this] { return sys::read(r, &byte, 1); }},
            {"writev", [=, this] { return sys::writev(w, &part, 1); }},
            {"readv", [=, this] { return sys::readv(r, &part, 1); }},
            {"pread", [=, this] { return sys::pread(c, &byte, 1, 0); }},
            {"set_cloexec", [=] { return sys::set_cloexec(r, true); }},
            {"descriptor_flags", [=] { return sys::descriptor_flags(r); }},
            {"set_nonblocking", [=] { return sys::set_nonblocking(r, true); }},
            {"dup_above", [=] { return closing(sys::dup_above(r, 3)); }},
            {"dup_to", [=] { return sys::dup_to(r, c); }},
            {"open", [=] { return closing(sys::open("/dev/null", O_RDONLY)); }},
            {"pipe", [] { sys::unique_fd a, b; return sys::pipe(a, b); }},
            {"socket_pair", [] { sys::unique_fd a, b; return sys::socket_pair(a, b); }},
            {"poll", [] { return sys::poll(nullptr, 0, 0); }},
#if defined(__linux__)
            {"eventfd", [=] { return closing(sys::eventfd(0)); }},
            {"epoll_create", [=] { return closing(sys::epoll_create()); }},
            {"epoll_ctl", [=] {
                 const sys::unique_fd e(::epoll_create1(EPOLL_CLOEXEC));
                 return sys::epoll_ctl(e.get(), EPOLL_CTL_ADD, r, EPOLLIN, 0);
             }},
            {"epoll_wait", [] {
                 const sys::unique_fd e(::epoll_create1(EPOLL_CLOEXEC));
                 ::epoll_event out;
                 return sys::epoll_wait(e.get(), &out, 1, 0);
             }},
#endif
#if MITOGEN_HAS_KQUEUE
            {"kqueue_create", [=] { return closing(sys::kqueue_create()); }},
            {"kqueue_wait", [] {
                 const sys::unique_fd q(::kqueue());
                 struct ::kevent out;
                 return sys::kqueue_wait(q.get(), &out, 1, 0);
             }},
#endif
        };
    }
};

TEST_CASE("each wrapper works, and returns the error that is injected under its name") {
    everything e;
    for (const wrapper& w : e.list()) {
        INFO(w.name);
        CHECK(w.call() >= 0);
        const generic::inject fault(w.name, -EIO);
        CHECK(w.call() == -EIO);
    }
}

TEST_CASE("each wrapper goes on after an interruption") {
    everything e;
    for (const wrapper& w : e.list()) {
        INFO(w.name);
        const generic::inject fault(w.name, -EINTR, 0, 2);
        CHECK(w.call() >= 0);
        CHECK(fault.seen() == 3);
    }
}

TEST_CASE("a call that fails by itself returns its negative errno") {
    char c = 0;
    CHECK(sys::read(-1, &c, 1) == -EBADF);
    CHECK(sys::write(-1, &c, 1) == -EBADF);
    CHECK(sys::open("/no/such/file", O_RDONLY) == -ENOENT);
    CHECK(sys::dup_above(-1, 3) == -EBADF);
}

} // namespace
