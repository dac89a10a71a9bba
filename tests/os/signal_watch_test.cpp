// SPDX-License-Identifier: BSL-1.0
#include "../generic/forked.hpp"

#include <mitogen/os/process/fork.hpp>
#include <mitogen/os/process/signal_watch.hpp>

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

/// Of SIGINT, with how many there were since the last time.
struct watch_for_int : os::signal_watch {
    watch_for_int() : signal_watch({SIGINT}) {}
    int take() {
        unsigned char numbers[64];
        int count = 0;
        while (const std::size_t n = signal_watch::take(numbers)) count += static_cast<int>(n);
        return count;
    }
};

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
            watch_for_int one;
            if (one.take() != 0) return 1;
            ::raise(SIGINT);
            {
                watch_for_int other;
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

TEST_CASE("a watch that is alone hears each signal, however many, and nobody else does") {
    const int code = generic::forked([] {
        ::signal(SIGINT, own_handler);
        watch_for_int other;
        {
            os::signal_watch alone(os::last_resort::never);
            if (!alone.begin({SIGINT})) return 1;
            for (int i = 0; i < 5; ++i) ::raise(SIGINT);
            unsigned char numbers[64];
            if (alone.take(numbers) != 5) return 2;
            if (other.take() != 0 || own_calls != 0) return 3;
        }
        ::raise(SIGINT);
        if (other.take() != 1) return 4;
        return own_calls == 1 ? 0 : 5;
    });
    CHECK(code == 0);
}

TEST_CASE(
    "where the program has no handler the third SIGINT ends it, and without a watch the first") {
    const auto raising = [](int times) {
        return generic::forked([=] {
            ::signal(SIGINT, SIG_DFL);
            const watch_for_int watch;
            for (int i = 0; i < times; ++i) ::raise(SIGINT);
            return 7;
        });
    };
    CHECK(raising(2) == 7);
    CHECK(raising(3) == 200 + SIGINT);
    const int after = generic::forked([] {
        ::signal(SIGINT, SIG_DFL);
        std::make_unique<watch_for_int>().reset();
        ::raise(SIGINT);
        return 7;
    });
    CHECK(after == 200 + SIGINT);
}

TEST_CASE("SIGINT that is ignored stays so, and a handler that comes later stays as well") {
    const int code = generic::forked([] {
        ::signal(SIGINT, SIG_IGN);
        {
            watch_for_int watch;
            for (int i = 0; i < 5; ++i) ::raise(SIGINT);
            if (watch.take() != 0 || handler_now() != SIG_IGN) return 1;
        }
        ::signal(SIGINT, SIG_DFL);
        {
            const watch_for_int watch;
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
            watch_for_int watch;
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
              watch_for_int own;
              ::raise(SIGINT);
              return own.take() + 10;
          }) == 11);
    const int plain = generic::forked([] { // a copy that the library knows nothing of
        ::signal(SIGINT, SIG_DFL);
        watch_for_int watch;
        const int one = generic::forked([] { return ::raise(SIGINT); });
        const int two = generic::forked([] {
            watch_for_int own;
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
        const watch_for_int always;
        std::atomic<bool> done{false};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                for (int i = 0; i < 300; ++i) {
                    watch_for_int one;
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
    std::vector<std::unique_ptr<watch_for_int>> all;
    for (int i = 0; i < 64; ++i) all.push_back(std::make_unique<watch_for_int>());
    CHECK_THROWS_AS(watch_for_int(), mitogen::overloaded_error);
    all.erase(all.begin());
    CHECK_NOTHROW(watch_for_int());
}

TEST_CASE("a watch hears its own signals, each by its number, and restores each handler") {
    const int code = generic::forked([] {
        ::signal(SIGINT, own_handler);
        ::signal(SIGHUP, SIG_DFL);
        ::signal(SIGTERM, SIG_IGN);
        {
            os::signal_watch two({SIGHUP, SIGINT});
            watch_for_int one;
            ::raise(SIGHUP);
            ::raise(SIGINT);
            unsigned char numbers[8];
            if (two.take(numbers) != 2 || numbers[0] != SIGHUP || numbers[1] != SIGINT) return 1;
            if (one.take() != 1) return 2;
            os::signal_watch ignored({SIGTERM});
            ::raise(SIGTERM);
            if (ignored.take(numbers) != 0) return 3;
        }
        if (handler_now() != own_handler || own_calls != 1) return 4;
        struct sigaction now {};
        ::sigaction(SIGHUP, nullptr, &now);
        if (now.sa_handler != SIG_DFL) return 5;
        ::sigaction(SIGTERM, nullptr, &now);
        return now.sa_handler == SIG_IGN ? 0 : 6;
    });
    CHECK(code == 0);
}

TEST_CASE("the third signal ends the process, or the third that nobody has taken; they are counted "
          "together") {
    const auto raising = [](os::last_resort ends, bool takes, std::vector<int> numbers) {
        return generic::forked([=] {
            ::signal(SIGTERM, SIG_DFL);
            ::signal(SIGHUP, SIG_DFL);
            ::signal(SIGCHLD, SIG_DFL);
            os::signal_watch watch({SIGTERM, SIGHUP, SIGCHLD}, ends);
            unsigned char taken[8];
            for (const int n : numbers) {
                ::raise(n);
                if (takes && watch.take(taken) != 1) return 1;
            }
            return 7;
        });
    };
    using os::last_resort;
    CHECK(raising(last_resort::third, true, {SIGHUP, SIGTERM}) == 7);
    CHECK(raising(last_resort::third, true, {SIGHUP, SIGTERM, SIGHUP}) == 200 + SIGHUP);
    CHECK(raising(last_resort::third_unread, true, std::vector<int>(10, SIGHUP)) == 7);
    CHECK(raising(last_resort::third_unread, false, {SIGHUP, SIGTERM, SIGTERM}) == 200 + SIGTERM);
    CHECK(raising(last_resort::third, true, std::vector<int>(10, SIGCHLD)) == 7);
}

TEST_CASE("what is no signal, or must not be handled, is refused") {
    for (const int number : {0, -3, 65, SIGKILL, SIGSTOP, SIGSEGV})
        CHECK_THROWS_AS(os::signal_watch({number}), mitogen::logic_error);
    CHECK(mitogen::signal_set{}.empty());
    CHECK_FALSE(mitogen::signal_set{0}.empty());
    CHECK(mitogen::signal_set{SIGHUP, 64}.contains(64));
    CHECK_FALSE(mitogen::signal_set{SIGHUP, 64}.contains(SIGINT));
}

} // namespace
