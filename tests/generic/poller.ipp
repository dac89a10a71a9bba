// SPDX-License-Identifier: BSL-1.0
// poller.ipp: what every poller promises. Included with MITOGEN_TEST_IO set to a policy and
// MITOGEN_TEST_NAME to its name in quotes.
#include "forked.hpp"
#include "inject.hpp"
#include "policy_test.hpp"

#include <mitogen/io/policy.hpp>
#include <mitogen/os/call.hpp>

#include <array>
#include <catch2/catch.hpp>
#include <cerrno>
#include <set>
#include <vector>

namespace {
namespace poller_test {

using io_type = MITOGEN_TEST_IO;
using mitogen::duration_ns;
using mitogen::instant;
using mitogen::io::event;
using mitogen::io::interest;

constexpr duration_ns ms = 1'000'000;

struct link {
    io_type io;
    io_type::descriptor read_end, write_end;
    link() { REQUIRE(io.pipe(read_end, write_end) == 0); }
    void put() const { REQUIRE(io_type(io).write(write_end.get(), "x", 1) == 1); }
    void take() const {
        char c = 0;
        REQUIRE(io_type(io).read(read_end.get(), &c, 1) == 1);
    }
    /// Nonblocking, and as much as it holds.
    void fill() {
        REQUIRE(io.set_nonblocking(write_end.get(), true) >= 0);
        std::vector<char> block(4096);
        while (io.write(write_end.get(), block.data(), block.size()) > 0) {}
    }
};

struct world {
    io_type io;
    io_type::poller poller{io};
    std::array<event, 16> events;
    int wait(duration_ns timeout = 0) {
        return poller.wait(events.data(), static_cast<int>(events.size()), timeout);
    }
};

MITOGEN_POLICY_TEST(": a wait without events lasts as long as its timeout") {
    world w;
    for (const duration_ns timeout :
         {duration_ns{0}, 200'000 * duration_ns{1}, 2 * ms, 2 * ms + 500'000}) {
        const instant start = w.io.now();
        CHECK(w.wait(timeout) == 0);
        CHECK(w.io.now() - start >= timeout);
    }
}

MITOGEN_POLICY_TEST(": a descriptor is reported with its token as long as it is readable") {
    world w;
    link l;
    constexpr std::uint64_t token = 0x1234'5678'9abc'def0;
    REQUIRE(w.poller.add(l.read_end.get(), token, interest::read) == 0);
    CHECK(w.wait() == 0);
    l.put();
    for (int i = 0; i < 3; ++i) {
        REQUIRE(w.wait(-1) == 1);
        CHECK(w.events[0].token == token);
        CHECK(w.events[0].readable);
        CHECK_FALSE(w.events[0].writable);
    }
    l.take();
    CHECK(w.wait() == 0);
    w.poller.remove(l.read_end.get());
}

MITOGEN_POLICY_TEST(": a descriptor is reported as writable until it is full") {
    world w;
    link l;
    REQUIRE(w.poller.add(l.write_end.get(), 3, interest::write) == 0);
    REQUIRE(w.wait(-1) == 1);
    CHECK(w.events[0].token == 3);
    CHECK(w.events[0].writable);
    CHECK_FALSE(w.events[0].readable);
    l.fill();
    CHECK(w.wait() == 0);
    w.poller.remove(l.write_end.get());
}

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": both directions of a socket can be watched at once, and each alone") {
    world w;
    mitogen::os::unique_fd a, b;
    REQUIRE(mitogen::os::socket_pair(a, b) == 0);
    REQUIRE(mitogen::os::write(b.get(), "x", 1) == 1);
    REQUIRE(w.poller.add(a.get(), 1, interest::both) == 0);
    bool readable = false, writable = false;
    for (int tries = 0; tries < 4 && !(readable && writable); ++tries) {
        const int n = w.wait(-1);
        for (int i = 0; i < n; ++i) {
            readable = readable || w.events[static_cast<std::size_t>(i)].readable;
            writable = writable || w.events[static_cast<std::size_t>(i)].writable;
        }
    }
    CHECK(readable);
    CHECK(writable);
    REQUIRE(w.poller.modify(a.get(), 2, interest::read) == 0);
    REQUIRE(w.wait(-1) == 1);
    CHECK((w.events[0].token == 2 && w.events[0].readable && !w.events[0].writable));
    REQUIRE(w.poller.modify(a.get(), 3, interest::write) == 0);
    REQUIRE(w.wait(-1) == 1);
    CHECK((w.events[0].token == 3 && !w.events[0].readable && w.events[0].writable));
    w.poller.remove(a.get());
    CHECK(w.wait() == 0);
}
#endif

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": no interest means no event, not even after a hang-up") {
    world w;
    mitogen::os::unique_fd a, b;
    REQUIRE(mitogen::os::socket_pair(a, b) == 0);
    REQUIRE(mitogen::os::write(b.get(), "x", 1) == 1);
    REQUIRE(w.poller.add(a.get(), 1, interest::none) == 0);
    CHECK(w.wait() == 0);
    REQUIRE(w.poller.modify(a.get(), 1, interest::read) == 0);
    CHECK(w.wait() == 1);
    REQUIRE(w.poller.modify(a.get(), 1, interest::none) == 0);
    b.reset();
    CHECK(w.wait() == 0);
    REQUIRE(w.poller.modify(a.get(), 1, interest::both) == 0);
    CHECK(w.wait(-1) >= 1);
    w.poller.remove(a.get());
}
#endif

MITOGEN_POLICY_TEST(": the end of a pipe is readable, also behind the last bytes") {
    world w;
    link l;
    REQUIRE(w.poller.add(l.read_end.get(), 1, interest::read) == 0);
    l.put();
    l.write_end.reset();
    REQUIRE(w.wait(-1) == 1);
    CHECK(w.events[0].readable);
    l.take();
    REQUIRE(w.wait(-1) == 1);
    CHECK(w.events[0].readable);
    w.poller.remove(l.read_end.get());
}

MITOGEN_POLICY_TEST(
    ": a full pipe that loses its reader becomes writable, so that its writer notices") {
    world w;
    link l;
    l.fill();
    REQUIRE(w.poller.add(l.write_end.get(), 1, interest::write) == 0);
    CHECK(w.wait() == 0);
    l.read_end.reset();
    REQUIRE(w.wait(-1) == 1);
    CHECK(w.events[0].writable);
    w.poller.remove(l.write_end.get());
}

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a removed descriptor is silent, and its number can be registered again") {
    world w;
    link l;
    l.put();
    REQUIRE(w.poller.add(l.read_end.get(), 1, interest::read) == 0);
    CHECK(w.poller.add(l.read_end.get(), 2, interest::read) == -EEXIST);
    w.poller.remove(l.read_end.get());
    w.poller.remove(l.read_end.get()); // ignored
    CHECK(w.wait() == 0);
    const int number = l.read_end.get();
    l = link();
    l.put();
    REQUIRE(mitogen::os::dup_to(l.read_end.get(), number) >= 0);
    const mitogen::os::unique_fd again(number == l.read_end.get() ? -1 : number);
    REQUIRE(w.poller.add(number, 5, interest::read) == 0);
    REQUIRE(w.wait(-1) == 1);
    CHECK(w.events[0].token == 5);
    w.poller.remove(number);
}
#endif

MITOGEN_POLICY_TEST(": removing one descriptor leaves the others as they are") {
    world w;
    std::vector<link> links(5);
    for (std::size_t i = 0; i < links.size(); ++i) {
        links[i].put();
        REQUIRE(w.poller.add(links[i].read_end.get(), i, interest::read) == 0);
    }
    w.poller.remove(links[1].read_end.get());
    w.poller.remove(links[4].read_end.get());
    REQUIRE(w.poller.modify(links[3].read_end.get(), 33, interest::read) == 0);
    std::set<std::uint64_t> tokens;
    const int n = w.wait(-1);
    for (int i = 0; i < n; ++i) tokens.insert(w.events[static_cast<std::size_t>(i)].token);
    CHECK(tokens == std::set<std::uint64_t>{0, 2, 33});
    for (const std::size_t i : {0u, 2u, 3u}) w.poller.remove(links[i].read_end.get());
}

MITOGEN_POLICY_TEST(": with more ready descriptors than room each has its turn") {
    world w;
    std::vector<link> links(9);
    for (std::size_t i = 0; i < links.size(); ++i) {
        links[i].put();
        REQUIRE(w.poller.add(links[i].read_end.get(), i, interest::read) == 0);
    }
    std::set<std::uint64_t> tokens;
    for (int turn = 0; turn < 9; ++turn) { // none is ever read: those that were reported stay ready
        const int n = w.poller.wait(w.events.data(), 2, -1);
        REQUIRE(n > 0);
        REQUIRE(n <= 2);
        for (int i = 0; i < n; ++i) tokens.insert(w.events[static_cast<std::size_t>(i)].token);
    }
    CHECK(tokens.size() == links.size());
    for (const link& l : links) w.poller.remove(l.read_end.get());
}

MITOGEN_POLICY_TEST(": a wait without limit is ended by another thread's write") {
    world w;
    link l;
    REQUIRE(w.poller.add(l.read_end.get(), 1, interest::read) == 0);
    io_type::thread writer(w.io, "writer",
                           [&] { static_cast<void>(w.io.write(l.write_end.get(), "x", 1)); });
    CHECK(w.wait(-1) == 1);
    writer.join();
    w.poller.remove(l.read_end.get());
}

MITOGEN_POLICY_TEST(
    ": a descriptor that is registered beside a wait is noticed, where that is allowed") {
    if constexpr (io_type::poller::any_thread_registers) {
        world w;
        link l;
        l.put();
        io_type::thread other(w.io, "other", [&] {
            static_cast<void>(w.poller.add(l.read_end.get(), 8, interest::read));
        });
        CHECK(w.wait(-1) == 1);
        CHECK(w.events[0].token == 8);
        other.join();
        w.poller.remove(l.read_end.get());
    } else {
        SUCCEED("one thread only");
    }
}

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a forked child's poller is its own after recreate()") {
    world w;
    link l;
    REQUIRE(w.poller.add(l.read_end.get(), 1, interest::read) == 0);
    l.put();
    const int code = generic::forked([&] {
        w.poller.recreate();
        // nothing is registered
        if (w.wait(0) != 0) return 1;
        // not "registered already"
        if (w.poller.add(l.read_end.get(), 2, interest::read) != 0) return 2;
        if (w.wait(-1) != 1 || w.events[0].token != 2) return 3;
        w.poller.remove(l.read_end.get());
        return 0;
    });
    CHECK(code == 0);
    REQUIRE(w.wait(-1) == 1); // the child's changes are not seen here
    CHECK(w.events[0].token == 1);
    w.poller.remove(l.read_end.get());
}
#endif

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(
    ": whichever call fails while a poller is made, the error is reported and nothing is left") {
    bool made = false;
    for (int n = 0; !made && n < 20; ++n) {
        const generic::inject fault(nullptr, -EMFILE, n, 1);
        try {
            io_type io;
            io_type::poller poller(io);
            made = true;
        } catch (const mitogen::error& e) {
            CHECK(e.kind() == mitogen::kind::overloaded);
            CHECK(std::string(e.what()).find("EMFILE") != std::string::npos);
        }
    }
    CHECK(made);
}
#endif

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a wait that a signal interrupts goes on, or ends early with no events") {
    world w;
    link l;
    l.put();
    REQUIRE(w.poller.add(l.read_end.get(), 1, interest::read) == 0);
    {
        const generic::inject fault(nullptr, -EINTR, 0, 2);
        CHECK(w.wait(-1) == 1);
    }
    {
        const generic::inject fault(nullptr, -EINTR, 0, 1);
        CHECK(w.wait(1000 * ms) == 0);
    }
    {
        const generic::inject fault(nullptr, -EIO, 0, 1);
        CHECK(w.wait(1000 * ms) == -EIO);
    }
    w.poller.remove(l.read_end.get());
}
#endif

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a child process's descriptor is readable once it has ended") {
    world w;
    auto child = w.io.spawn({.path = "sh", .argv = {"sh", "-c", "exit 3"}});
    REQUIRE(child);
    if (child->poll_fd() >= 0) {
        REQUIRE(w.poller.add(child->poll_fd(), 1, interest::read) == 0);
        REQUIRE(w.wait(-1) == 1);
        CHECK(w.events[0].readable);
        w.poller.remove(child->poll_fd());
        CHECK(child->try_wait() == mitogen::exit_status{.code = 3});
    } else {
        CHECK(child->wait() == mitogen::exit_status{.code = 3});
    }
}
#endif

} // namespace poller_test
} // namespace
