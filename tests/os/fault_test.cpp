// SPDX-License-Identifier: BSL-1.0
// Every wrapper can be made to fail, and goes on after an interruption.
#include "../generic/inject.hpp"

#include <mitogen/os/call.hpp>
#include <mitogen/os/epoll.hpp>
#include <mitogen/os/kqueue.hpp>
#include <mitogen/os/poll.hpp>
#include <mitogen/os/process/kill_on_destroy_process.hpp>
#include <mitogen/os/process/process.hpp>

#include <catch2/catch.hpp>
#include <cerrno>
#include <functional>
#include <string>
#include <vector>

namespace os = mitogen::os;

namespace {

struct wrapper {
    const char* name;
    std::function<long()> call; // succeeds if nothing is injected
};

/// One working call of each wrapper that only reports, on descriptors that live as long as the
/// list.
struct everything {
    os::unique_fd read_end, write_end;
    os::unique_fd copy{::open("/dev/null", O_RDWR | O_CLOEXEC)};
    char byte = 'x';
    ::iovec part{&byte, 1};

    everything() {
        REQUIRE(os::pipe(read_end, write_end) == 0);
        REQUIRE(os::set_nonblocking(read_end.get(), true) >= 0);
    }

    std::vector<wrapper> list() {
        const auto closing = [](long fd) {
            if (fd >= 0) os::unique_fd(static_cast<int>(fd)).reset();
            return fd;
        };
        const int r = read_end.get(), w = write_end.get(), c = copy.get();
        return {
            {"write", [=, this] { return os::write(w, &byte, 1); }},
                {"read", [=, this] { return os::read(r, &byte, 1); }},
                {"writev", [=, this] { return os::writev(w, &part, 1); }},
                {"readv", [=, this] { return os::readv(r, &part, 1); }},
                {"pread", [=, this] { return os::pread(c, &byte, 1, 0); }},
                {"set_cloexec", [=] { return os::set_cloexec(r, true); }},
                {"descriptor_flags", [=] { return os::descriptor_flags(r); }},
                {"set_nonblocking", [=] { return os::set_nonblocking(r, true); }},
                {"dup_above", [=] { return closing(os::dup_above(r, 3)); }},
                {"dup_to", [=] { return os::dup_to(r, c); }},
                {"open", [=] { return closing(os::open("/dev/null", O_RDONLY)); }},
                {"pipe",
                 [] {
                     os::unique_fd a, b;
                     return os::pipe(a, b);
                 }},
                {"socket_pair",
                 [] {
                     os::unique_fd a, b;
                     return os::socket_pair(a, b);
                 }},
                {"poll", [] { return os::poll(nullptr, 0, 0); }},
#if defined(__linux__)
                {"eventfd", [=] { return closing(os::eventfd(0)); }},
                {"epoll_create", [=] { return closing(os::epoll_create()); }},
                {"epoll_ctl",
                 [=] {
                     const os::unique_fd e(::epoll_create1(EPOLL_CLOEXEC));
                     return os::epoll_ctl(e.get(), EPOLL_CTL_ADD, r, EPOLLIN, 0);
                 }},
                {"epoll_wait",
                 [] {
                     const os::unique_fd e(::epoll_create1(EPOLL_CLOEXEC));
                     ::epoll_event out;
                     return os::epoll_wait(e.get(), &out, 1, 0);
                 }},
#endif
#if MITOGEN_HAS_KQUEUE
                {"kqueue_create", [=] { return closing(os::kqueue_create()); }},
                {"kqueue_wait", [] {
                     const os::unique_fd q(::kqueue());
                     struct ::kevent out;
                     return os::kqueue_wait(q.get(), &out, 1, 0);
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
    CHECK(os::read(-1, &c, 1) == -EBADF);
    CHECK(os::write(-1, &c, 1) == -EBADF);
    CHECK(os::open("/no/such/file", O_RDONLY) == -ENOENT);
    CHECK(os::dup_above(-1, 3) == -EBADF);
}

} // namespace
