// SPDX-License-Identifier: BSL-1.0
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/simulation/world.hpp>
#include <mitogen/sync/latch.hpp>

#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

namespace sim = mitogen::simulation;
using io_type = mitogen::io::simulated;

constexpr mitogen::duration_ns ms = 1'000'000;
constexpr mitogen::duration_ns second = 1'000 * ms;

/// Four threads that pass numbers on, with a timer.
sim::outcome busy(std::uint64_t seed) {
    sim::world w(seed);
    return w.run([](io_type io) {
        mitogen::basic_latch<int, io_type> numbers(io);
        io_type::mutex mutex(io);
        int sum = 0;
        {
            io_type::thread a(io, "a", [&] {
                for (int i = 0; i < 10; ++i) numbers.put(int{i});
            });
            const auto take = [&] {
                for (int i = 0; i < 5; ++i) {
                    const int got = numbers.try_get().value();
                    const std::lock_guard lock(mutex);
                    sum += got;
                }
            };
            io_type::thread b(io, "b", take);
            io_type::thread c(io, "c", take);
        }
        if (sum != 45) throw std::runtime_error("sum");
        mitogen::detail::broker_engine<io_type> loop(io);
        bool fired = false;
        mitogen::detail::timer t;
        t.fire = [&] { fired = true; };
        loop.run([&] { loop.set_timer(t, mitogen::detail::after(io.now(), 5 * second)); });
        io.sleep_for(6 * second);
        if (!fired) throw std::runtime_error("the timer");
    });
}

TEST_CASE("the same seed gives the same run, another one another") {
    const sim::outcome first = busy(1);
    CHECK(first.completed);
    CHECK(first.trouble.empty());
    const sim::outcome again = busy(1);
    CHECK(again.hash == first.hash);
    CHECK(again.steps == first.steps);
    CHECK(again.elapsed == first.elapsed);
    CHECK(busy(2).hash != first.hash);
}

TEST_CASE("an hour of virtual time costs nothing") {
    sim::world w(1);
    const sim::outcome o = w.run([](io_type io) { io.sleep_for(3600 * second); });
    CHECK(o.completed);
    CHECK(o.elapsed == 3600 * second);
    CHECK(o.steps < 20);
}

TEST_CASE("what everyone waits for is said") {
    sim::world w(1);
    const sim::outcome o = w.run([](io_type io) {
        io_type::mutex first(io);
        io_type::parker never_unparked(io);
        io_type::thread t(io, "one who parks", [&] { never_unparked.park(); });
        first.lock();
        first.lock();
    });
    CHECK_FALSE(o.completed);
    CHECK(o.trouble.find("everything waits") == 0);
    CHECK(o.trouble.find("root, thread main: waits for a mutex") != std::string::npos);
    CHECK(o.trouble.find("root, thread one who parks: waits for a parker") != std::string::npos);
}

TEST_CASE("a run without end is ended") {
    sim::world w({.most_steps = 1000});
    const sim::outcome o = w.run([](io_type io) {
        for (;;) io.relax();
    });
    CHECK_FALSE(o.completed);
    CHECK(o.trouble.find("it does not end") == 0);
    CHECK(o.trouble.find("thread main: runs") != std::string::npos);
}

TEST_CASE("what is left behind is said") {
    SECTION("a process") {
        sim::world w(1);
        w.set_program([](const mitogen::os::spawn_options&, sim::stdio) {
            io_type().sleep_for(1 * second);
            return 0;
        });
        SECTION("that has ended, and nobody has waited for it") {
            const sim::outcome o = w.run([](io_type io) {
                auto child = io.spawn({.path = "x"}).value();
                while (io.kernel().processes().at(2)->ended == std::nullopt) io.sleep_for(ms);
                child.forget();
            });
            // The one who could have waited is gone.
            CHECK(o.completed);
        }
        SECTION("that hangs") {
            w.set_program(
                [](const mitogen::os::spawn_options&, sim::stdio) -> int { io_type().hang(); });
            const sim::outcome o =
                w.run([](io_type io) { io.spawn({.path = "x"}).value().forget(); });
            CHECK_FALSE(o.completed);
            CHECK(o.trouble.find("left behind:") == 0);
            CHECK(o.trouble.find("process 2 runs") != std::string::npos);
            CHECK(o.trouble.find("waits for hang") != std::string::npos);
        }
    }
    SECTION("a thread of the first process goes with it, as in exit()") {
        sim::world w(1);
        const sim::outcome o = w.run([](io_type io) {
            auto parker = std::make_shared<io_type::parker>(io);
            io_type::thread t(io, "left", [parker] { parker->park(); });
            t.forget();
        });
        CHECK(o.completed);
    }
}

TEST_CASE("an exception that leaves a thread ends the run and comes out") {
    sim::world w(1);
    bool went_on = false;
    CHECK_THROWS_WITH(w.run([&](io_type io) {
        io_type::thread t(io, "thrower", [] { throw std::runtime_error("from a thread"); });
        t.join();
        went_on = true;
    }),
                      "from a thread");
    CHECK_FALSE(went_on);
}

TEST_CASE("a thread may be suspended inside a catch block") {
    sim::world w(3);
    const sim::outcome o = w.run([](io_type io) {
        std::vector<std::string> caught(4);
        std::vector<io_type::thread> all;
        for (std::size_t i = 0; i < caught.size(); ++i) {
            all.emplace_back(io, "t", [&, i, io] {
                try {
                    throw std::runtime_error(std::to_string(i));
                } catch (...) {
                    // the last one leaves first
                    io.sleep_for(static_cast<mitogen::duration_ns>(caught.size() - i) * ms);
                    try {
                        throw;
                    } catch (const std::exception& e) {
                        io.relax();
                        caught[i] = e.what();
                    }
                }
            });
        }
        all.clear();
        if (std::uncaught_exceptions() != 0) throw std::logic_error("uncaught");
        for (std::size_t i = 0; i < caught.size(); ++i)
            if (caught[i] != std::to_string(i)) throw std::logic_error("caught " + caught[i]);
    });
    CHECK(o.completed);
}

TEST_CASE("planned events come at their moment, in the order in which they were planned") {
    sim::world w(1);
    std::vector<int> order;
    mitogen::instant seen = 0;
    w.at(2 * second, [&] { order.push_back(2); });
    w.at(1 * second, [&] { order.push_back(1); });
    w.at(2 * second, [&] { order.push_back(3); });
    const sim::outcome o = w.run([&](io_type io) {
        const mitogen::instant start = io.now();
        io.sleep_for(3 * second);
        seen = io.now() - start;
    });
    CHECK(o.completed);
    CHECK(order == std::vector<int>{1, 2, 3});
    CHECK(seen == 3 * second);
}

TEST_CASE("a world keeps the last lines of what happened") {
    sim::world w({.trace_lines = 10});
    REQUIRE(w.run([](io_type io) {
                 for (int i = 0; i < 50; ++i) io.sleep_for(ms);
             }).completed);
    CHECK(w.log().lines().size() == 10);
    CHECK(w.log().lines().back().find("root") != std::string::npos);
}

TEST_CASE("worlds come one after another on one thread, and hold nothing of each other") {
    const std::uint64_t hash = busy(7).hash;
    for (int i = 0; i < 20; ++i) CHECK(busy(7).hash == hash);
    CHECK(sim::kernel::here() == nullptr);
}

} // namespace
