// SPDX-License-Identifier: BSL-1.0
// Threads, choosers, and what goes through them in which order.
#include <mitogen/simulation/explore.hpp>

#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>

namespace {

namespace sim = mitogen::simulation;
using io_type = mitogen::io::simulated;
using kind = sim::exploration::kind;

/// Two threads with two steps each; what order they came in.
std::string order_of(io_type io) {
    std::string order;
    {
        io_type::thread a(io, "a", [&] {
            order += 'a';
            io.relax();
            order += 'A';
        });
        io_type::thread b(io, "b", [&] {
            order += 'b';
            io.relax();
            order += 'B';
        });
    }
    return order;
}

TEST_CASE("all orders of a small program are tried, each at most once for the same choices") {
    std::set<std::string> orders;
    const sim::findings found =
        sim::explore({.most_interruptions = 100}, [&](io_type io) { orders.insert(order_of(io)); });
    INFO(found.text());
    CHECK(found.complete);
    CHECK_FALSE(found.failed());
    CHECK(orders == std::set<std::string>{"aAbB", "abAB", "abBA", "baAB", "baBA", "bBaA"});
}

TEST_CASE("a bound on interruptions leaves out the orders that need more") {
    std::map<unsigned, std::uint64_t> runs;
    for (const unsigned bound : {0u, 1u, 2u, 100u}) {
        std::set<std::string> orders;
        const sim::findings found = sim::explore({.most_interruptions = bound},
                                                 [&](io_type io) { orders.insert(order_of(io)); });
        CHECK(found.complete);
        runs[bound] = found.runs;
        if (bound == 0) CHECK(orders == std::set<std::string>{"aAbB", "bBaA"});
    }
    CHECK(runs[0] < runs[1]);
    CHECK(runs[1] < runs[2]);
    CHECK(runs[2] < runs[100]);
}

/// A counter without a lock: two threads read it, pause, and write it back.
void lost_update(io_type io) {
    int counter = 0;
    {
        const auto add = [&, io] {
            const int seen = counter;
            io.relax();
            counter = seen + 1;
        };
        io_type::thread a(io, "a", add);
        io_type::thread b(io, "b", add);
    }
    if (counter != 2) throw std::runtime_error("an update was lost");
}

TEST_CASE("every way to explore finds a lost update, and the run can be made again") {
    const kind how = GENERATE(kind::exhaustive, kind::random, kind::priority);
    const sim::exploration options{.how = how, .choices = 10};
    const sim::findings found = sim::explore(options, &lost_update);
    REQUIRE(found.failed());
    CHECK_FALSE(found.complete);
    CHECK(found.failure == "exception: an update was lost");
    CHECK(found.text().find("decisions {") != std::string::npos);
    const std::string story = sim::replay(options, found.seed, found.how, &lost_update);
    CHECK(story.ends_with(found.failure));
    CHECK(story.find("root, b") != std::string::npos);
}

TEST_CASE("an order without interruptions loses nothing") {
    CHECK(sim::explore({.most_interruptions = 0}, &lost_update).complete);
}

TEST_CASE("two locks in two orders are found as a deadlock, with who waits for what") {
    const sim::findings found = sim::explore({}, [](io_type io) {
        io_type::mutex first(io), second(io);
        const auto both = [](io_type::mutex& x, io_type::mutex& y) {
            const std::lock_guard one(x);
            const std::lock_guard two(y);
        };
        io_type::thread a(io, "a", [&] { both(first, second); });
        io_type::thread b(io, "b", [&] { both(second, first); });
    });
    INFO(found.text());
    REQUIRE(found.failed());
    CHECK(found.failure.find("everything waits") != std::string::npos);
    CHECK(found.failure.find("thread a: waits for a mutex") != std::string::npos);
    CHECK(found.failure.find("thread b: waits for a mutex") != std::string::npos);
}

TEST_CASE("an exploration stops at its limit of runs, and says that it is not complete") {
    const sim::findings found =
        sim::explore({.most_interruptions = 100, .most_runs = 3}, [](io_type io) { order_of(io); });
    CHECK(found.runs == 3);
    CHECK_FALSE(found.complete);
    CHECK_FALSE(found.failed());
}

TEST_CASE("a body that does not follow from the choices is noticed") {
    int call = 0;
    const sim::findings found = sim::explore({}, [&](io_type io) {
        io_type::thread a(io, "a", [] {});
        io_type::thread b;
        if (++call % 2) b = io_type::thread(io, "b", [] {});
        for (int i = 0; i < 5; ++i) io.relax();
    });
    CHECK(found.failure == "the same choices led to another run");
}

TEST_CASE("seeds of priorities and of chance give the same run again") {
    for (const kind how : {kind::random, kind::priority}) {
        for (std::uint64_t seed = 1; seed <= 5; ++seed) {
            std::string first, again;
            const sim::exploration one{
                .how = how, .choices = 10, .first_seed = seed, .last_seed = seed};
            sim::explore(one, [&](io_type io) { first = order_of(io); });
            sim::explore(one, [&](io_type io) { again = order_of(io); });
            CHECK(first == again);
        }
    }
}

TEST_CASE("by priority the same thread goes on until it waits or a change comes") {
    sim::priority_chooser by(1, 1, 100); // depth 1: no changes
    const std::uint32_t threads[] = {0, 1, 2};
    const std::size_t first = by.choose(threads, 3, false);
    for (int i = 0; i < 50; ++i) CHECK(by.choose(threads, 3, true) == first);
    sim::priority_chooser changing(1, 2, 1); // one change, at the first step
    CHECK(changing.choose(threads, 3, false) != first);
}

TEST_CASE("a mutex, a parker and a thread's end order what threads do") {
    const sim::findings found = sim::explore({.most_interruptions = 2}, [](io_type io) {
        io_type::mutex mutex(io);
        io_type::parker parker(io);
        int inside = 0, done = 0;
        io_type::thread a(io, "a", [&] {
            for (int i = 0; i < 2; ++i) {
                const std::lock_guard lock(mutex);
                if (++inside != 1) throw std::runtime_error("two inside");
                io.relax();
                --inside;
            }
            ++done;
            parker.unpark();
        });
        {
            const std::lock_guard lock(mutex);
            if (++inside != 1) throw std::runtime_error("two inside");
            io.relax();
            --inside;
        }
        parker.park();
        if (done != 1) throw std::runtime_error("the token came early");
    });
    INFO(found.text());
    CHECK(found.complete);
}

} // namespace
