// SPDX-License-Identifier: BSL-1.0
// thread.ipp: what every policy's threads, mutexes and clock promise. Included with MITOGEN_TEST_IO
// set to a policy and MITOGEN_TEST_NAME to its name in quotes.
#include "inject.hpp"
#include "policy_test.hpp"

#include <mitogen/io/policy.hpp>
#include <mitogen/os/process/signal.hpp>

#include <catch2/catch.hpp>
#include <cerrno>
#include <mutex>
#include <string>
#include <utility>

namespace {
namespace thread_test {

using io_type = MITOGEN_TEST_IO;

MITOGEN_POLICY_TEST(": a thread runs its body, and join waits for it") {
    io_type io;
    int value = 0;
    io_type::thread none;
    CHECK_FALSE(none.joinable());
    none.join(); // nothing to wait for
    io_type::thread t(io, "a name that is longer than fifteen bytes", [&] { value = 1; });
    CHECK(t.joinable());
    io_type::thread moved(std::move(t));
    CHECK(moved.joinable());
    moved.join();
    CHECK_FALSE(moved.joinable());
    CHECK(value == 1);
    {
        io_type::thread scoped(io, "scoped", [&] { value = 2; });
    }
    CHECK(value == 2); // the destructor joins
    io_type::thread assigned(io, "first", [&] { value = 3; });
    int other = 0;
    assigned = io_type::thread(io, "second", [&] { other = 4; });
    CHECK(value == 3); // the first has been joined by the assignment
    assigned.join();
    CHECK(other == 4);
}

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(
    ": a thread blocks the signals that are not about itself, its creator does not") {
    io_type io;
    ::sigset_t mask, before, after;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
    io_type::thread t(io, "masked", [&] { ::pthread_sigmask(SIG_SETMASK, nullptr, &mask); });
    t.join();
    ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
    for (const int s : {SIGINT, SIGTERM, SIGCHLD, SIGUSR1, SIGHUP, SIGALRM}) {
        CHECK(::sigismember(&mask, s) == 1);
        CHECK(::sigismember(&after, s) == ::sigismember(&before, s));
    }
    CHECK(::sigismember(&mask, SIGSEGV) == 0);
}
#endif

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a thread that can't be started is an error, not the end") {
    io_type io;
    bool ran = false;
    {
        const generic::inject fault("pthread_create", -EAGAIN);
        try {
            io_type::thread t(io, "none", [&] { ran = true; });
            CHECK(false);
        } catch (const mitogen::error& e) {
            CHECK(e.kind() == mitogen::kind::overloaded);
            CHECK(std::string(e.what()).find("EAGAIN") != std::string::npos);
        }
    }
    CHECK_FALSE(ran);
}
#endif

MITOGEN_POLICY_TEST(": a thread's identity is its own and does not change") {
    io_type io;
    const void* theirs = nullptr;
    const void* ours = io.self();
    io_type::thread t(io, "other", [&] { theirs = io_type(io).self(); });
    t.join();
    CHECK(io.self() == ours);
    CHECK(theirs != nullptr);
    CHECK(theirs != ours);
}

MITOGEN_POLICY_TEST(": a mutex admits one thread at a time") {
    io_type io;
    io_type::mutex mutex(io);
    int value = 0; // not atomic: the mutex orders the accesses
    const auto count = [&] {
        for (int i = 0; i < 20'000; ++i) {
            const std::lock_guard lock(mutex);
            ++value;
        }
    };
    io_type::thread other(io, "other", count);
    count();
    other.join();
    CHECK(value == 40'000);
    bool got = true;
    {
        const std::lock_guard lock(mutex);
        io_type::thread t(io, "late", [&] { got = mutex.try_lock(); });
        t.join();
    }
    CHECK_FALSE(got);
    REQUIRE(mutex.try_lock());
    mutex.unlock();
}

MITOGEN_POLICY_TEST(": several threads that want a mutex all get it") {
    io_type io;
    io_type::mutex mutex(io);
    int value = 0;
    const auto count = [&] {
        for (int i = 0; i < 2'000; ++i) {
            const std::lock_guard lock(mutex);
            const int before = value;
            for (int pause = 0; pause < 20; ++pause) io.relax(); // the others find it locked
            value = before + 1;
        }
    };
    io_type::thread others[3];
    for (auto& t : others) t = io_type::thread(io, "other", count);
    count();
    for (auto& t : others) t.join();
    CHECK(value == 8'000);
}

MITOGEN_POLICY_TEST(": the clock never goes back") {
    io_type io;
    mitogen::instant last = io.now();
    for (int i = 0; i < 10'000; ++i) {
        const mitogen::instant now = io.now();
        REQUIRE(now >= last);
        last = now;
    }
}

} // namespace thread_test
} // namespace
