// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/sync/event.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <stdexcept>
#include <thread>

namespace {

using io_type = mitogen::io::native;
using event = mitogen::detail::basic_event<io_type>;

TEST_CASE("an event that was raised stays so, and ends every wait at once") {
    mitogen::detail::broker_engine<io_type> loop;
    event happened(loop.io());
    CHECK_FALSE(happened.raised());
    happened.raise();
    happened.raise();
    CHECK(happened.raised());
    CHECK(happened.wait(loop, 0));
    CHECK(happened.wait(loop));
    happened.sleep();
}

TEST_CASE("a wait for an event ends at its deadline") {
    mitogen::detail::broker_engine<io_type> loop;
    event never_happens(loop.io());
    const mitogen::instant until = loop.io().now() + 2'000'000;
    CHECK_FALSE(never_happens.wait(loop, until));
    CHECK(loop.io().now() >= until);
}

TEST_CASE("an event is raised by the loop that the waiting thread drives, and by other threads") {
    mitogen::detail::broker_engine<io_type> loop;
    for (int i = 0; i < 1'000; ++i) {
        const auto by_loop = std::make_shared<event>(loop.io());
        REQUIRE(loop.defer([by_loop] { by_loop->raise(); }));
        REQUIRE(by_loop->wait(loop));
    }
    std::atomic<int> said{0};
    event by_thread(loop.io());
    std::thread other([&] {
        said = 1;
        by_thread.raise();
    });
    CHECK(by_thread.wait(loop));
    CHECK(said == 1);
    other.join();
    event asleep(loop.io());
    std::thread second([&] { asleep.raise(); });
    asleep.sleep();
    second.join();
}

TEST_CASE("an event is raised at the end of a scope that an exception leaves") {
    io_type io{};
    event left(io);
    try {
        const event::at_end end{left};
        throw std::runtime_error("out");
    } catch (const std::runtime_error&) {
        CHECK(left.raised());
    }
    CHECK(left.raised());
}

} // namespace
