// SPDX-License-Identifier: BSL-1.0
#include <mitogen/sys/signal.hpp>

#include "../generic/forked.hpp"

#include <catch2/catch.hpp>

namespace sys = mitogen::sys;

namespace {

bool blocked(int number) {
    ::sigset_t mask;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &mask);
    return ::sigismember(&mask, number) == 1;
}

TEST_CASE("SIGPIPE is ignored where the program has not decided about it") {
    const int code = generic::forked([] {
        ::signal(SIGPIPE, SIG_DFL);
        sys::ignore_sigpipe();
        int fds[2];
        if (::pipe(fds) != 0) return 1;
        ::close(fds[0]);
        return ::write(fds[1], "x", 1) < 0 && errno == EPIPE ? 0 : 2;
    });
    CHECK(code == 0);
}

TEST_CASE("a program's own handler for SIGPIPE stays") {
    const int code = generic::forked([] {
        const auto handler = [](int) {};
        ::signal(SIGPIPE, handler);
        sys::ignore_sigpipe();
        return ::signal(SIGPIPE, SIG_DFL) == static_cast<void (*)(int)>(handler) ? 0 : 1;
    });
    CHECK(code == 0);
}

TEST_CASE("signals are blocked for a scope, but for those that report a crash") {
    const bool before = blocked(SIGUSR1);
    {
        const sys::block_all_signals scope;
        CHECK(blocked(SIGUSR1));
        CHECK(blocked(SIGINT));
        CHECK(blocked(SIGCHLD));
        CHECK_FALSE(blocked(SIGSEGV));
        CHECK_FALSE(blocked(SIGABRT));
    }
    CHECK(blocked(SIGUSR1) == before);
}

} // namespace
