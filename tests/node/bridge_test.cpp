// SPDX-License-Identifier: BSL-1.0
// A loop that the program has anyway drives the router: no thread of the library's own.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <mitogen/mitogen.hpp>
#include <poll.h>
#include <string>
#include <thread>
#include <vector>

namespace bridge_test {

using namespace std::chrono_literals;

/// A tree without a thread, and the plainest of loops to drive it.
struct driven {
    mitogen::broker loop{mitogen::broker_options{.thread = false}};
    mitogen::router root{loop};

    /// Until `enough()`. Fails if nothing happens for long.
    template <class Enough>
    bool until(Enough enough) {
        while (!enough()) {
            ::pollfd p{root.fd(), POLLIN, 0};
            if (::poll(&p, 1, 60'000) != 1) return false;
            root.poll();
        }
        return true;
    }
};

std::size_t threads() {
    std::size_t n = 0;
    for ([[maybe_unused]] const auto& t : std::filesystem::directory_iterator("/proc/self/task"))
        ++n;
    return n;
}

mitogen::task<int> later(int n) {
    co_await mitogen::sleep_for(20ms);
    co_return n;
}
mitogen::task<int> forever() {
    co_await mitogen::sleep_for(1h);
    co_return 0;
}
mitogen::task<int> asks(mitogen::context child, int n) {
    co_await mitogen::sleep_for(5ms); // the descriptor tells of timers too
    co_return co_await child.call_async<&later>(n) + co_await child.call_async<&generic::add>(n, 1);
}

} // namespace bridge_test

using namespace bridge_test;

TEST_CASE("another loop drives calls, children and tasks, and there is no second thread") {
    const std::size_t before = threads();
    driven tree;
    auto coming = tree.root.connect_async(mitogen::local{});
    REQUIRE(tree.until([&] { return coming.done(); }));
    auto child = coming.get();
    auto sum = child.call_async<&generic::add>(2, 3);
    REQUIRE(tree.until([&] { return sum.done(); }));
    CHECK(sum.get() == 5);
    std::vector<mitogen::spawned<int>> all;
    for (int i = 0; i < 100; ++i) all.push_back(mitogen::spawn(tree.root, asks(child, i)));
    REQUIRE(tree.until(
        [&] { return std::all_of(all.begin(), all.end(), [](auto& s) { return s.done(); }); }));
    int right = 0;
    for (int i = 0; i < 100; ++i) right += all[static_cast<std::size_t>(i)].get() == 2 * i + 1;
    CHECK(right == 100);
    auto end = child.shutdown();
    REQUIRE(tree.until([&] { return end.done(); }));
    CHECK(end.get().success());
    CHECK(threads() == before);
}

TEST_CASE("a call that waits drives the loop itself") {
    driven tree;
    auto child = tree.root.local();
    for (int i = 0; i < 1000; ++i) CHECK(child.call<&generic::add>(i, 1) == i + 1);
    CHECK(mitogen::block_on(tree.root, asks(child, 4)) == 9);
    const auto late = child.within(20ms).try_call<&forever>();
    REQUIRE(!late);
    CHECK(late.error().reason() == mitogen::reason::timeout);
    auto other = tree.root.fork();
    CHECK(other.call<&generic::add>(1, 1) == 2);
    ::pollfd p{tree.root.fd(), POLLIN, 0};
    for (int i = 0; i < 3 && ::poll(&p, 1, 0) == 1; ++i) tree.root.poll();
}

TEST_CASE("several threads wait, with and without a loop that drives") {
    const bool drive = GENERATE(false, true);
    driven tree;
    auto child = tree.root.local();
    std::atomic<int> left{4};
    std::atomic<int> right{0};
    std::vector<std::thread> callers;
    for (int t = 0; t < 4; ++t) {
        callers.emplace_back([&] {
            for (int i = 0; i < 500; ++i) right += child.call<&generic::add>(i, 1) == i + 1;
            if (--left == 0) tree.loop.defer([] {}); // so that the loop looks
        });
    }
    if (drive) CHECK(tree.until([&] { return left == 0; }));
    for (auto& t : callers) t.join();
    CHECK(right == 2000);
}

TEST_CASE("work from other threads makes the descriptor readable") {
    driven tree;
    std::atomic<int> ran{0};
    std::thread other([&] {
        for (int i = 0; i < 100; ++i) tree.loop.defer([&] { ++ran; });
    });
    CHECK(tree.until([&] { return ran == 100; }));
    other.join();
}

TEST_CASE("a loop without a thread ends in any order") {
    SECTION("nothing was ever driven") { driven tree; }
    SECTION("with a child") {
        driven tree;
        auto child = tree.root.local();
        CHECK(child.call<&generic::add>(1, 2) == 3);
    }
    SECTION("the loop first") {
        driven tree;
        auto child = tree.root.local();
        auto f = child.call_async<&later>(1);
        auto s = mitogen::spawn(tree.root, asks(child, 1));
        tree.root.close();
        tree.loop.shutdown();
        CHECK_FALSE(f.try_get());
        s.cancel();
        CHECK_THROWS_AS(s.get(), mitogen::error);
        tree.loop.join();
        CHECK_FALSE(tree.loop.defer([] {}));
    }
}

TEST_CASE("a poller without a descriptor needs the thread") {
    CHECK_THROWS_AS(
        mitogen::basic_broker<mitogen::io::poll>(mitogen::broker_options{.thread = false}),
        mitogen::logic_error);
}
