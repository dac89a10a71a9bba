// SPDX-License-Identifier: BSL-1.0
// waker.ipp: what every waker promises. Included with MITOGEN_TEST_IO set to a policy and
// MITOGEN_TEST_NAME to its name in quotes.
#include "forked.hpp"
#include "inject.hpp"
#include "policy_test.hpp"

#include <mitogen/io/policy.hpp>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <string>

namespace {
namespace waker_test {

using io_type = MITOGEN_TEST_IO;

struct world {
    io_type io;
    io_type::poller poller{io};
    io_type::waker waker{io};
    std::array<mitogen::io::event, 4> events;

    world() { REQUIRE(poller.add(waker.fd(), 7, mitogen::io::interest::read) == 0); }
    ~world() { poller.remove(waker.fd()); }
    int wait(mitogen::duration_ns timeout) { return poller.wait(events.data(), 4, timeout); }
};

MITOGEN_POLICY_TEST(": wakes before a drain are one event that lasts until it") {
    world w;
    CHECK(w.wait(0) == 0);
    for (int i = 0; i < 5000; ++i) w.waker.wake();
    CHECK(w.wait(-1) == 1);
    CHECK(w.wait(-1) == 1);
    CHECK(w.events[0].token == 7);
    w.waker.drain();
    CHECK(w.wait(0) == 0);
    w.waker.wake();
    CHECK(w.wait(-1) == 1);
    w.waker.drain();
}

MITOGEN_POLICY_TEST(": draining when nobody has woken does not block") {
    world w;
    w.waker.drain();
    CHECK(w.wait(0) == 0);
}

MITOGEN_POLICY_TEST(": any number of wakes blocks nobody") {
    world w;
    for (int i = 0; i < 100'000; ++i) w.waker.wake(); // more than a pipe holds
    CHECK(w.wait(-1) == 1);
    w.waker.drain();
    CHECK(w.wait(0) == 0);
}

MITOGEN_POLICY_TEST(": another thread's wake ends a wait") {
    world w;
    io_type::thread other(w.io, "other", [&] { w.waker.wake(); });
    CHECK(w.wait(-1) == 1);
    other.join();
    w.waker.drain();
}

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a forked child's waker wakes nobody but the child") {
    world w;
    w.waker.wake();
    w.wait(-1);
    w.waker.drain();
    const int code = generic::forked([&] {
        w.poller.recreate();
        w.waker.recreate();
        if (w.poller.add(w.waker.fd(), 9, mitogen::io::interest::read) != 0) return 1;
        if (w.wait(0) != 0) return 2;
        w.waker.wake();
        return w.wait(-1) == 1 && w.events[0].token == 9 ? 0 : 3;
    });
    CHECK(code == 0);
    CHECK(w.wait(0) == 0);
}
#endif

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a waker that can't be made says that the process is out of descriptors") {
    io_type io;
    bool made = false;
    int failures = 0;
    for (int n = 0; !made && n < 20; ++n) {
        const generic::inject fault(nullptr, -EMFILE, n, 1);
        try {
            io_type::waker waker(io);
            made = true;
        } catch (const mitogen::error& e) {
            ++failures;
            CHECK(e.kind() == mitogen::kind::overloaded);
            CHECK(std::string(e.what()).find("EMFILE") != std::string::npos);
        }
    }
    CHECK(made);
    CHECK(failures > 0);
}
#endif

} // namespace waker_test
} // namespace
