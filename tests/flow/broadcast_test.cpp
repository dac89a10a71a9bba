// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <mitogen/flow/broadcast.hpp>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace broadcast_test {

mitogen::generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
mitogen::generator<int> fails(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
    throw std::runtime_error("as ordered");
}

} // namespace broadcast_test

namespace {
using namespace broadcast_test;
using namespace std::chrono_literals;
using generic::tree;
using mitogen::reason;

TEST_CASE("every subscriber gets every item, as long as none is slower than the ring is long") {
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::broadcast all{t.root, child.stream<&count>(100), 200};
    auto a = all.subscribe();
    auto b = all.subscribe();
    for (int i = 0; i < 50; ++i) CHECK(a.get() == i);
    for (int i = 0; i < 100; ++i) CHECK(b.get() == i);
    for (int i = 50; i < 100; ++i) CHECK(a.get() == i);
    for (int i = 0; i < 3; ++i) CHECK(a.try_get().error().reason() == reason::end_of_stream);
    CHECK(b.try_get().error().reason() == reason::end_of_stream);
    CHECK(a.missed() + b.missed() == 0);
}

TEST_CASE("a slow subscriber is told how many items it has missed, and goes on; the fastest misses "
          "none") {
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::broadcast all{t.root, child.stream<&count>(1000), 10};
    auto fast = all.subscribe();
    auto slow = all.subscribe();
    CHECK(slow.get() == 0);
    for (int i = 0; i < 500; ++i) CHECK(fast.get() == i);
    CHECK(slow.get() == 490);
    CHECK(slow.missed() == 489);
    CHECK(slow.missed() == 0);
    for (int i = 491; i < 500; ++i) CHECK(slow.get() == i);
    auto late = all.subscribe(); // begins with what comes next
    CHECK(late.get() == 500);
    for (int i = 500; i < 1000; ++i) CHECK(fast.get() == i);
    CHECK(slow.get() == 990);
    CHECK(slow.missed() == 490);
    CHECK(fast.missed() == 0);
}

TEST_CASE(
    "an error of the source reaches every subscriber behind the items; time-outs lose nothing") {
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::broadcast all{t.root, child.stream<&fails>(3), 10};
    std::vector subscribers{all.subscribe(), all.subscribe()};
    for (auto& s : subscribers) {
        for (int i = 0; i < 3; ++i) CHECK(s.get() == i);
        for (int i = 0; i < 2; ++i) CHECK(s.try_get().error().message() == "as ordered");
    }
    mitogen::receiver<int> in{t.root};
    const auto out = in.to_sender();
    const mitogen::broadcast numbers{t.root, std::move(in), 4};
    auto one = numbers.subscribe();
    CHECK(one.try_get_for(0s).error().reason() == reason::timeout);
    CHECK(one.try_get_for(2ms).error().reason() == reason::timeout);
    out.send(5);
    CHECK(one.get() == 5);
}

TEST_CASE(
    "subscribers on several threads: each sees the items in order, and what it missed adds up") {
    tree t;
    mitogen::context child = t.root.local();
    constexpr int items = 20'000;
    const mitogen::broadcast all{t.root, child.stream<&count>(items), 64};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int n = 0; n < 3; ++n)
        threads.emplace_back([&wrong, s = all.subscribe()]() mutable {
            int last = -1;
            std::uint64_t got = 0;
            std::uint64_t missed = 0;
            std::uint64_t before = 0; // items that had gone by when it subscribed
            while (const auto v = s.try_get()) {
                if (*v <= last) ++wrong;
                last = *v;
                missed += s.missed();
                if (got++ == 0) before = static_cast<std::uint64_t>(*v) - missed;
            }
            if (last != items - 1 || before + missed + got != items) ++wrong;
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("lossless: the fastest waits for the slowest, and nobody misses an item") {
    tree t;
    mitogen::context child = t.root.local();
    constexpr int items = 5'000;
    const mitogen::broadcast all{t.root, child.stream<&count>(items), 4,
                                 mitogen::broadcast_mode::lossless};
    std::atomic<int> wrong{0};
    std::vector<std::thread> threads;
    for (int n = 0; n < 3; ++n)
        threads.emplace_back([&wrong, s = all.subscribe()]() mutable {
            int expected = 0;
            for (const int v : s) wrong += v != expected++;
            wrong += expected != items || s.missed() != 0;
        });
    for (std::thread& thread : threads) thread.join();
    CHECK(wrong == 0);
}

TEST_CASE("lossless: there is no room before the slowest has taken the oldest; a time-out loses "
          "nothing, and so does the end of a scope") {
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::broadcast all{t.root, child.stream<&count>(6), 2,
                                 mitogen::broadcast_mode::lossless};
    auto fast = all.subscribe();
    auto slow = all.subscribe();
    for (int i = 0; i < 2; ++i) CHECK(fast.receive() == i);
    CHECK(fast.try_receive_for(0s).error().reason() == reason::timeout);
    CHECK(generic::contains(fast.try_receive_for(1ms).error().message(), "slower subscriber"));
    {
        const mitogen::scope brief{1ms};
        CHECK(fast.try_receive().error().reason() == reason::timeout);
    }
    {
        mitogen::scope cancelled;
        cancelled.cancel();
        CHECK(fast.try_receive().error().reason() == reason::cancelled);
    }
    CHECK_FALSE(fast.ready());
    CHECK(slow.receive() == 0);
    CHECK(fast.receive() == 2);
    CHECK(fast.try_receive_for(0s).error().reason() == reason::timeout);
    auto copy = slow; // reads on from there, and holds the others up as well
    for (int i = 1; i < 3; ++i) CHECK(slow.receive() == i);
    CHECK(fast.try_receive_for(0s).error().reason() == reason::timeout);
    for (int i = 1; i < 3; ++i) CHECK(copy.receive() == i);
    auto late = all.subscribe();
    for (auto* s : {&fast, &slow, &copy, &late})
        if (s != &fast) CHECK(s->receive() == 3);
    for (int i = 3; i < 5; ++i) CHECK(fast.receive() == i);
    for (auto* s : {&slow, &copy, &late}) CHECK(s->receive() == 4);
    for (auto* s : {&fast, &slow, &copy, &late}) {
        CHECK(s->receive() == 5);
        for (int i = 0; i < 2; ++i)
            CHECK(s->try_receive().error().reason() == reason::end_of_stream);
        CHECK(s->missed() == 0);
    }
}

TEST_CASE("lossless: a subscriber that is closed, or gone, holds nobody up any more") {
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::broadcast all{t.root, child.stream<&fails>(20), 2,
                                 mitogen::broadcast_mode::lossless};
    auto fast = all.subscribe();
    std::optional slow{all.subscribe()};
    auto closed = all.subscribe();
    for (int i = 0; i < 2; ++i) CHECK(fast.receive() == i);
    SECTION("while nobody waits") {
        slow.reset();
        closed.close();
        closed.close();
        for (int i = 2; i < 20; ++i) CHECK(fast.receive() == i);
    }
    SECTION("while somebody waits for room") {
        std::atomic<int> wrong{0};
        std::thread reader([&] {
            for (int i = 2; i < 20; ++i) wrong += fast.receive() != i;
        });
        slow.reset();
        closed.close();
        reader.join();
        CHECK(wrong == 0);
    }
    SECTION("by an exception that leaves its scope") {
        try {
            const auto gone = std::move(*slow);
            slow.reset();
            throw 1;
        } catch (int) {}
        closed.close();
        for (int i = 2; i < 20; ++i) CHECK(fast.receive() == i);
    }
    CHECK(closed.try_receive().error().reason() == reason::end_of_stream);
    for (int i = 0; i < 2; ++i) CHECK(fast.try_receive().error().message() == "as ordered");
}

TEST_CASE("lossless: one that waits for room is woken when it is closed itself") {
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::broadcast all{t.root, child.stream<&count>(20), 1,
                                 mitogen::broadcast_mode::lossless};
    auto fast = all.subscribe();
    auto slow = all.subscribe();
    CHECK(fast.receive() == 0);
    std::atomic<int> end{0};
    std::thread reader([&] { end = static_cast<int>(fast.try_receive().error().reason()); });
    fast.close();
    reader.join();
    CHECK(end == static_cast<int>(reason::end_of_stream));
    for (int i = 0; i < 20; ++i) CHECK(slow.receive() == i);
}

TEST_CASE("select and tasks wait for subscribers of both kinds") {
    const auto mode = GENERATE(mitogen::broadcast_mode::lossy, mitogen::broadcast_mode::lossless);
    tree t;
    mitogen::context child = t.root.local();
    const mitogen::broadcast all{t.root, child.stream<&count>(200), 2, mode};
    auto a = all.subscribe();
    auto b = all.subscribe();
    SECTION("select") {
        std::uint64_t taken[2] = {0, 0};
        mitogen::select both{a, b};
        for (auto& ready : both) {
            auto& s = ready.is(a) ? a : b;
            if (const auto item = s.try_receive()) ++taken[ready.tag()];
        }
        CHECK(taken[0] + a.missed() == 200);
        CHECK(taken[1] + b.missed() == 200);
        if (mode == mitogen::broadcast_mode::lossless) CHECK(taken[0] + taken[1] == 400);
    }
    SECTION("tasks") {
        const auto all_of = [](auto& s) -> mitogen::task<std::uint64_t> {
            std::uint64_t count = 0;
            while (co_await s.async_next()) ++count;
            co_return count;
        };
        auto one = mitogen::spawn(t.root, all_of(a));
        auto two = mitogen::spawn(t.root, all_of(b));
        CHECK(one.get() + a.missed() == 200);
        CHECK(two.get() + b.missed() == 200);
    }
    SECTION("a task that is cancelled while it waits for room loses nothing") {
        const auto next = [](auto& s) -> mitogen::task<int> {
            co_return co_await s.async_receive();
        };
        mitogen::receiver<int> in{t.root};
        const auto out = in.to_sender();
        const mitogen::broadcast numbers{t.root, std::move(in), 1, mode};
        auto s = numbers.subscribe();
        {
            mitogen::nursery n{t.root};
            auto waits = n.spawn(next(s));
            waits.cancel();
            CHECK(waits.try_get().error().reason() == reason::cancelled);
            n.join();
        }
        out.send(7);
        CHECK(s.receive() == 7);
    }
}

} // namespace
