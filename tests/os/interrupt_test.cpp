// SPDX-License-Identifier: BSL-1.0
#include "../generic/forked.hpp"

#include <mitogen/os/process/fork.hpp>
#include <mitogen/os/process/interrupt.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <fcntl.h>
#include <memory>
#include <thread>
#include <unistd.h>
#include <vector>

namespace os = mitogen::os;

namespace {

std::atomic<int> own_calls{0};
void own_handler(int) { ++own_calls; }
void (*handler_now())(int) {
    struct sigaction now {};
    ::sigaction(SIGINT, nullptr, &now);
    return now.sa_handler;
}

TEST_CASE(
    "each SIGINT is a byte for each watch, and the former handler is back when the last has gone") {
    const int code = generic::forked([] {
        ::signal(SIGINT, own_handler);
        {
            os::interrupt_watch one;
            if (one.take() != 0) return 1;
            ::raise(SIGINT);
            {
                os::interrupt_watch other;
                ::raise(SIGINT);
                if (other.take() != 1) return 2;
            }
            ::raise(SIGINT);
            if (one.take() != 3 || one.take() != 0) return 3;
        }
        if (own_calls != 3) return 4;
        return handler_now() == own_handler ? 0 : 5;
    });
    CHECK(code == 0);
}

TEST_CASE(
    "where the program has no handler the third SIGINT ends it, and without a watch the first") {
    const auto raising = [](int times) {
        return generic::forked([=] {
            ::signal(SIGINT, SIG_DFL);
            const os::interrupt_watch watch;
            for (int i = 0; i < times; ++i) ::raise(SIGINT);
            return 7;
        });
    };
    CHECK(raising(2) == 7);
    CHECK(raising(3) == 200 + SIGINT);
    const int after = generic::forked([] {
        ::signal(SIGINT, SIG_DFL);
        std::make_unique<os::interrupt_watch>().reset();
        ::raise(SIGINT);
        return 7;
    });
    CHECK(after == 200 + SIGINT);
}

TEST_CASE("SIGINT that is ignored stays so, and a handler that comes later stays as well") {
    const int code = generic::forked([] {
        ::signal(SIGINT, SIG_IGN);
        {
            os::interrupt_watch watch;
            for (int i = 0; i < 5; ++i) ::raise(SIGINT);
            if (watch.take() != 0 || handler_now() != SIG_IGN) return 1;
        }
        ::signal(SIGINT, SIG_DFL);
        {
            const os::interrupt_watch watch;
            ::signal(SIGINT, own_handler);
        }
        return handler_now() == own_handler ? 0 : 2;
    });
    CHECK(code == 0);
}

TEST_CASE(
    "a copy made by fork has no watches, and takes what it gets as its parent would without them") {
    const auto in_copy = [](auto body) {
        return generic::forked([=] {
            ::signal(SIGINT, SIG_DFL);
            os::interrupt_watch watch;
            const int fd = watch.fd();
            const auto pid = os::fork_process();
            if (pid && *pid == 0) ::_exit(body(fd));
            int status = 0;
            while (::waitpid(*pid, &status, 0) < 0) {}
            if (watch.take() != 0) return 99; // that was not ours
            return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
        });
    };
    CHECK(in_copy([](int) { return ::raise(SIGINT); }) == 200 + SIGINT);
    CHECK(in_copy([](int fd) { return ::fcntl(fd, F_GETFD) < 0 ? 5 : 6; }) == 5);
    CHECK(in_copy([](int) {
              os::interrupt_watch own;
              ::raise(SIGINT);
              return own.take() + 10;
          }) == 11);
    const int plain = generic::forked([] { // a copy that the library knows nothing of
        ::signal(SIGINT, SIG_DFL);
        os::interrupt_watch watch;
        const int one = generic::forked([] { return ::raise(SIGINT); });
        const int two = generic::forked([] {
            os::interrupt_watch own;
            ::raise(SIGINT);
            return own.take();
        });
        return one == 200 + SIGINT && two == 1 && watch.take() == 0 ? 0 : 1;
    });
    CHECK(plain == 0);
}

TEST_CASE("watches come and go on several threads while signals arrive") {
    const int code = generic::forked([] {
        ::signal(SIGINT, own_handler);
        const os::interrupt_watch always;
        std::atomic<bool> done{false};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 300; ++i) {
                    os::interrupt_watch one;
                    ::raise(SIGINT); // on this thread
                    if (one.take() < 1) ::_exit(1);
                }
            });
        }
        std::thread sender([&] {
            while (!done) ::kill(::getpid(), SIGINT);
        });
        for (std::thread& t : threads) t.join();
        done = true;
        sender.join();
        return 0;
    });
    CHECK(code == 0);
}

TEST_CASE("no more than 64 watch at once, and each can go") {
    std::vector<std::unique_ptr<os::interrupt_watch>> all;
    for (int i = 0; i < 64; ++i) all.push_back(std::make_unique<os::interrupt_watch>());
    CHECK_THROWS_AS(os::interrupt_watch(), mitogen::overloaded_error);
    all.erase(all.begin());
    CHECK_NOTHROW(os::interrupt_watch());
}

} // namespace
