// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <mitogen/flow/broadcast.hpp>
#include <mitogen/mitogen.hpp>
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

} // namespace
