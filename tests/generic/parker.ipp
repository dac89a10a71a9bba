// SPDX-License-Identifier: BSL-1.0
// parker.ipp: what every parker promises. Included with MITOGEN_TEST_IO set to a policy and
// MITOGEN_TEST_NAME to its name in quotes.
#include "inject.hpp"
#include "policy_test.hpp"

#include <mitogen/io/policy.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>

namespace {
namespace parker_test {

using io_type = MITOGEN_TEST_IO;
using mitogen::instant;

constexpr mitogen::duration_ns ms = 1'000'000;

MITOGEN_POLICY_TEST(": a token that is there is taken without sleeping, and only once") {
    io_type io;
    io_type::parker parker(io);
    parker.unpark();
    parker.unpark(); // one token at most
    parker.park();
    CHECK_FALSE(parker.park_until(io.now()));
    parker.unpark();
    CHECK(parker.park_until(io.now() - ms)); // a deadline in the past still takes what is there
    parker.unpark();
    CHECK(parker.park_until(mitogen::never));
}

MITOGEN_POLICY_TEST(": park_until without a token lasts until the deadline") {
    io_type io;
    io_type::parker parker(io);
    for (const mitogen::duration_ns span : {ms / 5, 2 * ms}) {
        const instant deadline = io.now() + span;
        CHECK_FALSE(parker.park_until(deadline));
        CHECK(io.now() >= deadline);
    }
    CHECK_FALSE(parker.park_until(-5));
    CHECK_FALSE(parker.park_until(0));
}

MITOGEN_POLICY_TEST(": two threads hand a token back and forth, and see what was written before") {
    io_type io;
    io_type::parker ours(io), theirs(io);
    constexpr int rounds = 5000;
    int value = 0; // not atomic: the token orders the accesses
    io_type::thread other(io, "other", [&] {
        for (int i = 0; i < rounds; ++i) {
            theirs.park();
            ++value;
            ours.unpark();
        }
    });
    for (int i = 0; i < rounds; ++i) {
        ++value;
        theirs.unpark();
        ours.park();
    }
    other.join();
    CHECK(value == 2 * rounds);
}

MITOGEN_POLICY_TEST(": a token that races with a deadline is taken or stays, but is never lost") {
    io_type io;
    io_type::parker parker(io);
    constexpr int tokens = 2000;
    std::atomic<int> taken{0};
    io_type::thread giver(io, "giver", [&] {
        for (int i = 0; i < tokens; ++i) {
            parker.unpark();
            while (taken.load() <= i) io.relax();
        }
    });
    int timeouts = 0;
    while (taken.load() < tokens) {
        if (parker.park_until(io.now() + 20'000)) {
            taken.fetch_add(1);
        } else {
            ++timeouts;
        }
    }
    giver.join();
    CHECK_FALSE(parker.park_until(io.now()));
    INFO("deadlines that came first: " << timeouts);
    CHECK(taken == tokens);
}

MITOGEN_POLICY_TEST(": a parker may be destroyed as soon as its token has been taken") {
    io_type io;
    for (int i = 0; i < 500; ++i) {
        auto parker = std::make_unique<io_type::parker>(io);
        io_type::thread other(io, "other", [p = parker.get()] { p->unpark(); });
        parker->park();
        parker.reset();
    }
    SUCCEED("nobody touched freed memory, which a sanitizer would have noticed");
}

MITOGEN_POLICY_TEST(": unparking a parker on which nobody sleeps makes no system call") {
    io_type io;
    io_type::parker parker(io);
    const generic::inject counting(nullptr, 0);
    for (int i = 0; i < 100; ++i) {
        parker.unpark();
        parker.park();
    }
    CHECK(counting.seen() == 0);
}

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a sleep that ends for no reason goes on") {
    io_type io;
    io_type::parker parker(io);
    const instant deadline = io.now() + 2 * ms;
    const generic::inject fault("futex_wait", -EINTR, 0, 3);
    CHECK_FALSE(parker.park_until(deadline));
    CHECK(io.now() >= deadline);
}
#endif

} // namespace parker_test
} // namespace
