// SPDX-License-Identifier: BSL-1.0
#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <mitogen/mitogen.hpp>
#include <mutex>
#include <thread>
#include <vector>

namespace {

/// Waits at a node of the tree, whose loop a thread that waits can drive.
struct counter {
    mitogen::broker loop;
    mitogen::router root{loop};
    mitogen::detail::sync_host& host = root.node();
    mitogen::detail::mutex mutex{host};
    mitogen::detail::condition changed;
    int value = 0;

    void add(int by) {
        const std::lock_guard lock(mutex);
        value += by;
        changed.notify_all();
    }
    bool wait_for(int wanted, mitogen::instant deadline) {
        std::unique_lock lock(mutex);
        return changed.wait(lock, host, deadline, [&] { return value >= wanted; });
    }
    mitogen::instant in_ms(int span) {
        return host.now() + static_cast<mitogen::instant>(span) * 1'000'000;
    }
};

TEST_CASE("a thread that waits is woken by another one, by the loop, and by its deadline") {
    counter c;
    CHECK(c.wait_for(0, 0)); // holds already
    CHECK_FALSE(c.wait_for(1, 0));
    CHECK_FALSE(c.wait_for(1, c.in_ms(5)));
    std::thread other([&] { c.add(1); });
    CHECK(c.wait_for(1, mitogen::never));
    other.join();
    c.loop.defer([&] { c.add(1); });
    CHECK(c.wait_for(2, mitogen::never));
}

TEST_CASE("all who wait for it are woken, one of them drives the loop") {
    counter c;
    std::atomic<int> woken{0};
    std::vector<std::thread> waiting;
    for (int i = 1; i <= 8; ++i)
        waiting.emplace_back([&, i] { woken += c.wait_for(100 * i, mitogen::never); });
    for (int i = 0; i < 800; ++i) c.loop.defer([&] { c.add(1); });
    for (std::thread& t : waiting) t.join();
    CHECK(woken == 8);
}

TEST_CASE("no change is missed between two threads that take turns") {
    counter c;
    constexpr int rounds = 2'000;
    std::thread other([&] {
        for (int i = 0; i < rounds; ++i) {
            c.wait_for(2 * i + 1, mitogen::never);
            c.add(1);
        }
    });
    for (int i = 0; i < rounds; ++i) {
        c.add(1);
        c.wait_for(2 * i + 2, mitogen::never);
    }
    other.join();
    CHECK(c.value == 2 * rounds);
}

TEST_CASE("what another thread has taken away meanwhile is waited for again") {
    counter c;
    constexpr int each = 3'000;
    std::atomic<int> taken{0};
    std::vector<std::thread> takers;
    for (int n = 0; n < 3; ++n)
        takers.emplace_back([&] {
            for (int i = 0; i < each; ++i) {
                std::unique_lock lock(c.mutex);
                if (!c.changed.wait(lock, c.host, mitogen::never, [&] { return c.value > 0; }))
                    return;
                --c.value;
                ++taken;
            }
        });
    for (int i = 0; i < 3 * each; ++i) c.loop.defer([&] { c.add(1); });
    for (std::thread& t : takers) t.join();
    CHECK(taken == 3 * each);
}

TEST_CASE("an event happens once, for those who wait already and for those who come later") {
    mitogen::broker loop;
    mitogen::router root(loop);
    mitogen::detail::sync_host& host = root.node();
    mitogen::detail::event happened(host);
    CHECK_FALSE(happened.raised());
    CHECK_FALSE(happened.wait(host, 0));
    CHECK_FALSE(happened.wait(host, host.now() + 5'000'000));
    std::atomic<int> seen{0};
    std::vector<std::thread> waiting;
    for (int i = 0; i < 3; ++i)
        waiting.emplace_back([&] { seen += happened.wait(host, mitogen::never); });
    SECTION("raised by a thread") { happened.raise(); }
    SECTION("raised by the loop") {
        CHECK(loop.defer([&] { happened.raise(); }));
    }
    for (std::thread& t : waiting) t.join();
    CHECK(seen == 3);
    CHECK(happened.raised());
    CHECK(happened.wait(host, 0));
    happened.raise();
    CHECK(happened.raised());
}

} // namespace
