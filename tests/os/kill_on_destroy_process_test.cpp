// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/process/kill_on_destroy_process.hpp>

#include "../generic/inject.hpp"
#include "../support/soon.hpp"

#include <mitogen/os/poll.hpp>
#include <mitogen/os/process/fork.hpp>

#include <catch2/catch.hpp>
#include <csignal>
#include <utility>

namespace os = mitogen::os;
using mitogen::exit_status;

namespace {

/// A child that ends with `code` once the returned pipe end is closed; killed by SIGTERM otherwise.
struct child {
    os::unique_fd hold;
    os::kill_on_destroy_process process;

    explicit child(int code) {
        os::unique_fd wait_end;
        REQUIRE(os::pipe(wait_end, hold) == 0);
        const ::pid_t pid = ::fork();
        if (pid == 0) {
            ::close(hold.get());
            char c = 0;
            while (::read(wait_end.get(), &c, 1) > 0) {}
            ::_exit(code);
        }
        process = os::kill_on_destroy_process(pid);
    }
    void let_go() { hold.reset(); }
};

bool exists(::pid_t pid) { return ::kill(pid, 0) == 0; }

TEST_CASE("a child is running until its end has been seen, and the status is remembered") {
    child c(7);
    CHECK(c.process.running());
    CHECK_FALSE(c.process.try_wait());
    c.let_go();
    CHECK(c.process.wait() == exit_status{.code = 7});
    CHECK(c.process.wait() == exit_status{.code = 7});
    CHECK(c.process.try_wait() == exit_status{.code = 7});
    CHECK_FALSE(c.process.running());
    CHECK(c.process.poll_fd() == -1);
    CHECK(c.process.pid() > 0);
    CHECK_FALSE(exists(c.process.pid())); // reaped
}

TEST_CASE("a signal that kills is the status") {
    child c(0);
    CHECK(c.process.signal(SIGTERM) == 0);
    CHECK(c.process.wait() == exit_status{.code = 0, .signal = SIGTERM});
    CHECK(c.process.signal(SIGTERM) == 0); // reaped: does nothing
    CHECK(c.process.signal_group(SIGTERM) == 0);
}

TEST_CASE("of a group whose leader has failed nothing stays") {
    os::unique_fd held, holds;
    REQUIRE(os::pipe(held, holds) == 0);
    os::unique_fd go_on, waits;
    REQUIRE(os::pipe(waits, go_on) == 0);
    const ::pid_t pid = ::fork();
    if (pid == 0) {
        ::setpgid(0, 0);
        ::close(go_on.get());
        if (::fork() == 0)
            for (;;) ::pause();
        char c;
        while (::read(waits.get(), &c, 1) > 0) {}
        ::_exit(4);
    }
    holds.reset();
    os::kill_on_destroy_process leader(pid);
    CHECK_FALSE(leader.try_wait_group()); // it runs: its group as well
    go_on.reset();
    CHECK(support::soon([&] { return leader.try_wait_group().has_value(); }));
    CHECK(leader.try_wait_group() == exit_status{.code = 4});
    char c;
    CHECK(::read(held.get(), &c, 1) == 0); // sleeps until the other one is gone
}

TEST_CASE("a child that still runs when its owner goes is killed and reaped") {
    ::pid_t pid = -1;
    {
        child c(0);
        pid = c.process.pid();
        CHECK(exists(pid));
    }
    CHECK_FALSE(exists(pid));
}

TEST_CASE("a child that is assigned over is killed and reaped, the new one lives") {
    child one(0), two(5);
    const ::pid_t first = one.process.pid(), second = two.process.pid();
    one.process = std::move(two.process);
    CHECK_FALSE(exists(first));
    CHECK(one.process.pid() == second);
    CHECK(one.process.running());
    CHECK_FALSE(two.process.running());
    two.let_go();
    CHECK(one.process.wait() == exit_status{.code = 5});
}

TEST_CASE("a forgotten child is neither killed nor reaped") {
    child c(4);
    const ::pid_t pid = c.process.pid();
    c.process.forget();
    CHECK_FALSE(c.process.running());
    CHECK(c.process.pid() == -1);
    CHECK(exists(pid));
    c.let_go();
    int raw = 0;
    CHECK(::waitpid(pid, &raw, 0) == pid);
    CHECK(WEXITSTATUS(raw) == 4);
}

#if defined(__linux__)
TEST_CASE("a child that is left behind goes on, and is reaped when another one is started after "
          "its end") {
    child c(3);
    const ::pid_t pid = c.process.pid();
    c.process.leave();
    CHECK(c.process.pid() == -1);
    os::reap_detached_children();
    CHECK(exists(pid));
    c.let_go();
    ::siginfo_t info{};
    // it has ended, and is not reaped
    REQUIRE(::waitid(P_PID, static_cast<::id_t>(pid), &info, WEXITED | WNOWAIT) == 0);
    CHECK(exists(pid));
    const auto next = os::fork_process();
    REQUIRE(next);
    if (*next == 0) os::exit_now(0);
    CHECK_FALSE(exists(pid));
    CHECK(os::kill_on_destroy_process(*next).wait() == exit_status{.code = 0});
    os::reap_detached_children(); // nothing is left of it
    CHECK(::waitpid(pid, nullptr, WNOHANG) == -1);
}

TEST_CASE("the process descriptor is readable from the end on") {
    child c(0);
    REQUIRE(c.process.poll_fd() > 2);
    CHECK(os::descriptor_flags(c.process.poll_fd()) == FD_CLOEXEC);
    ::pollfd entry{c.process.poll_fd(), POLLIN, 0};
    CHECK(os::poll(&entry, 1, 0) == 0);
    c.let_go();
    CHECK(os::poll(&entry, 1, -1) == 1);
    CHECK(c.process.try_wait() == exit_status{});
}

TEST_CASE("without process descriptors everything else works") {
    const generic::inject fault("pidfd_open", -ENOSYS);
    child c(2);
    CHECK(c.process.poll_fd() == -1);
    CHECK_FALSE(c.process.try_wait());
    CHECK(c.process.signal(0) == 0);
    c.let_go();
    CHECK(c.process.wait() == exit_status{.code = 2});
}
#endif

TEST_CASE("a child that somebody else has reaped has ended, with an unknown status") {
    child c(3);
    c.let_go();
    int raw = 0;
    REQUIRE(::waitpid(c.process.pid(), &raw, 0) == c.process.pid());
    CHECK(c.process.try_wait() == exit_status{.code = -1});
    CHECK_FALSE(c.process.running());
}

TEST_CASE("a failed signal is reported") {
    child c(0);
    const generic::inject fault("kill", -EPERM, 0, 1);
    CHECK(c.process.signal(SIGTERM) == -EPERM);
}

TEST_CASE("no process is neither running nor waited for") {
    os::kill_on_destroy_process none;
    CHECK_FALSE(none.running());
    CHECK_FALSE(none.try_wait());
    CHECK(none.wait() == exit_status{.code = -1});
    CHECK(none.signal(SIGKILL) == 0);
    CHECK(none.poll_fd() == -1);
}

} // namespace
