// SPDX-License-Identifier: BSL-1.0
// gate.ipp: what a poller's gate promises. Included with MITOGEN_TEST_IO set to a policy and
// MITOGEN_TEST_NAME to its name in quotes.
#include "forked.hpp"
#include "policy_test.hpp"

#include <mitogen/io/policy.hpp>
#include <mitogen/os/call.hpp>

#include <array>
#include <atomic>
#include <catch2/catch.hpp>
#include <cstdio>
#include <string>
#include <unistd.h>

namespace {
namespace gate_test {

using io_type = MITOGEN_TEST_IO;
using mitogen::io::event;
using mitogen::io::interest;

constexpr mitogen::duration_ns ms = 1'000'000;

/// A poller with one pipe, and an I/O thread that sleeps at the gate.
struct world {
    io_type io;
    io_type::poller poller{io};
    io_type::descriptor read_end, write_end;
    std::array<event, 4> events;
    std::atomic<long> home_tid{0};
    std::atomic<int> returns{0};

    world() {
        REQUIRE(io.pipe(read_end, write_end) == 0);
        REQUIRE(poller.add(read_end.get(), 1, interest::read) == 0);
    }
    ~world() { poller.remove(read_end.get()); }

    void put() { REQUIRE(io.write(write_end.get(), "x", 1) == 1); }
    void take() {
        char c = 0;
        REQUIRE(io.read(read_end.get(), &c, 1) == 1);
    }
    int wait() { return poller.wait(events.data(), 4, -1); }

    io_type::thread start_io_thread() {
        return {io, "io thread", [this] {
                    home_tid = ::gettid();
                    if (poller.wait_gate(-1)) returns.fetch_add(1);
                }};
    }

#if defined(MITOGEN_TEST_SIMULATED)
    /// Returns once the I/O thread sleeps: how often it has done something so far.
    std::string asleep() {
        io.sleep_for(ms);
        return std::to_string(returns.load());
    }
#else
    /// A field of the I/O thread's /proc status, as text.
    std::string home_field(const std::string& name) const {
        const std::string path = "/proc/self/task/" + std::to_string(home_tid.load()) + "/status";
        std::string out;
        if (std::FILE* file = std::fopen(path.c_str(), "r")) {
            char line[256];
            while (std::fgets(line, sizeof line, file)) {
                if (std::string(line).rfind(name + ":", 0) == 0) out = line + name.size() + 1;
            }
            std::fclose(file);
        }
        return out;
    }

    /// Returns once the I/O thread sleeps: how often it has gone to sleep so far.
    std::string asleep() const {
        while (home_tid.load() == 0 || home_field("State").find('S') == std::string::npos)
            io.relax();
        return home_field("voluntary_ctxt_switches");
    }
#endif
};

MITOGEN_POLICY_TEST(": an open gate lets through what is ready, a closed one does not") {
    world w;
    CHECK_FALSE(w.poller.wait_gate(0));
    w.put();
    CHECK(w.poller.wait_gate(0));
    CHECK(w.poller.wait_gate(-1)); // level-triggered: nobody has taken it
    w.poller.close_gate();
    CHECK_FALSE(w.poller.wait_gate(0));
    CHECK_FALSE(w.poller.wait_gate(2 * ms));
    CHECK(w.wait() == 1); // the poller itself works behind a closed gate
    w.poller.open_gate();
    CHECK(w.poller.wait_gate(-1));
    w.take();
    CHECK_FALSE(w.poller.wait_gate(0));
}

MITOGEN_POLICY_TEST(": a sleeper at a closed gate is not disturbed by a thousand events") {
    world w;
    w.poller.close_gate();
    io_type::thread io_thread = w.start_io_thread();
    const std::string before = w.asleep();
    for (int i = 0; i < 1000; ++i) {
        w.put();
        REQUIRE(w.wait() == 1);
        w.take();
    }
    CHECK(w.asleep() == before); // it has not run at all
    CHECK(w.returns == 0);
    w.poller.kick_gate();
    io_thread.join();
    CHECK(w.returns == 1);
}

MITOGEN_POLICY_TEST(": opening and closing wakes nobody while nothing is ready") {
    world w;
    w.poller.close_gate();
    io_type::thread io_thread = w.start_io_thread();
    const std::string before = w.asleep();
    for (int i = 0; i < 1000; ++i) {
        w.poller.open_gate();
        w.poller.close_gate();
    }
    CHECK(w.asleep() == before);
    CHECK(w.returns == 0);
    w.poller.kick_gate();
    io_thread.join();
}

MITOGEN_POLICY_TEST(": opening the gate with an event behind it wakes the sleeper") {
    world w;
    w.poller.close_gate();
    w.put();
    io_type::thread io_thread = w.start_io_thread();
    w.asleep();
    CHECK(w.returns == 0);
    w.poller.open_gate();
    io_thread.join();
    CHECK(w.returns == 1);
}

MITOGEN_POLICY_TEST(": an event that comes through an open gate wakes the sleeper") {
    world w;
    w.poller.close_gate();
    io_type::thread io_thread = w.start_io_thread();
    w.asleep();
    w.poller.open_gate();
    w.put();
    io_thread.join();
    CHECK(w.returns == 1);
}

MITOGEN_POLICY_TEST(
    ": a kick is one return, also when it comes first, and several before a return are one") {
    world w;
    w.poller.close_gate();
    w.put();
    w.poller.kick_gate();
    CHECK(w.poller.wait_gate(-1));
    CHECK_FALSE(w.poller.wait_gate(0));
    w.poller.kick_gate();
    w.poller.kick_gate();
    CHECK(w.poller.wait_gate(-1));
    CHECK_FALSE(w.poller.wait_gate(0));
}

#if !defined(MITOGEN_TEST_SIMULATED)
MITOGEN_POLICY_TEST(": a forked child has a gate of its own") {
    world w;
    w.poller.close_gate();
    const int code = generic::forked([&] {
        w.poller.recreate();
        if (w.poller.add(w.read_end.get(), 2, interest::read) != 0) return 1;
        if (w.poller.wait_gate(0)) return 2;
        if (mitogen::os::write(w.write_end.get(), "x", 1) != 1) return 3;
        return w.poller.wait_gate(-1) ? 0 : 4; // open, whatever the parent's was
    });
    CHECK(code == 0);
    CHECK_FALSE(w.poller.wait_gate(0)); // still closed here
    w.take();
}
#endif

} // namespace gate_test
} // namespace
