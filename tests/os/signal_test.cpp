// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/process/signal.hpp>

#include "../generic/forked.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <sys/wait.h>
#include <unistd.h>

namespace os = mitogen::os;

namespace {

bool blocked(int number) {
    ::sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return ::sigismember(&mask, number) == 1;
}

TEST_CASE("SIGPIPE ends nobody where the program has not decided about it") {
    const int code = generic::forked([] {
        ::signal(SIGPIPE, SIG_DFL);
        os::ignore_sigpipe();
        int fds[2];
        if (::pipe(fds) != 0) return 1;
        ::close(fds[0]);
        return ::write(fds[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2;
    });
    CHECK(code == 0);
}

TEST_CASE("what a program starts has SIGPIPE at its default") {
    const int code = generic::forked([] {
        ::signal(SIGPIPE, SIG_DFL);
        os::ignore_sigpipe();
        const int status = std::system("sh -c 'kill -PIPE $$'");
        return WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGPIPE ? 0 : 1;
    });
    CHECK(code == 0);
}

TEST_CASE("a program's own handler for SIGPIPE stays") {
    const int code = generic::forked([] {
        const auto handler = [](int) {};
        ::signal(SIGPIPE, handler);
        os::ignore_sigpipe();
        return ::signal(SIGPIPE, SIG_DFL) == static_cast<void (*)(int)>(handler) ? 0 : 1;
    });
    CHECK(code == 0);
}

TEST_CASE("SIGCHLD is set back where it is ignored, so that children's ends are known") {
    const int code = generic::forked([] {
        ::signal(SIGCHLD, SIG_IGN);
        os::keep_exit_statuses();
        const pid_t child = ::fork();
        if (child == 0) ::_exit(7);
        int status = 0;
        return ::waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 1;
    });
    CHECK(code == 7);
}

TEST_CASE("a program's own handler for SIGCHLD stays, but no longer says that nobody waits") {
    const int code = generic::forked([] {
        struct sigaction own {};
        own.sa_handler = [](int) {};
        own.sa_flags = SA_RESTART | SA_NOCLDWAIT;
        ::sigaction(SIGCHLD, &own, nullptr);
        os::keep_exit_statuses();
        struct sigaction now {};
        ::sigaction(SIGCHLD, nullptr, &now);
        if (now.sa_handler != own.sa_handler) return 1;
        return (now.sa_flags & (SA_RESTART | SA_NOCLDWAIT)) == SA_RESTART ? 0 : 2;
    });
    CHECK(code == 0);
}

TEST_CASE("signals are blocked for a scope, but for those that report a crash") {
    const bool before = blocked(SIGUSR1);
    {
        const os::block_all_signals scope;
        CHECK(blocked(SIGUSR1));
        CHECK(blocked(SIGINT));
        CHECK(blocked(SIGCHLD));
        CHECK_FALSE(blocked(SIGSEGV));
        CHECK_FALSE(blocked(SIGABRT));
    }
    CHECK(blocked(SIGUSR1) == before);
}

} // namespace
