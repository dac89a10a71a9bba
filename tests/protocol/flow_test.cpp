// SPDX-License-Identifier: BSL-1.0
#include <catch2/catch.hpp>
#include <cstdint>
#include <deque>
#include <mitogen/protocol/flow.hpp>
#include <random>

namespace {
using namespace mitogen::wire;

constexpr std::uint32_t most = 4 * 1024 * 1024;

TEST_CASE("credit is spent by items and may be overdrawn by one") {
    flow_credit credit(1000);
    CHECK(credit.may_send());
    credit.spend(10'000);
    CHECK_FALSE(credit.may_send());
    credit.grant(10'000 - 1000);
    CHECK_FALSE(credit.may_send()); // an item costs more than its bytes
    credit.grant(item_overhead + 1);
    CHECK(credit.may_send());
    for (int i = 0; i < 10; ++i) credit.grant(UINT64_MAX); // a lie does no harm
    CHECK(credit.may_send());
    credit.spend(std::size_t{1} << 40);
    CHECK_FALSE(credit.may_send());
    CHECK_FALSE(flow_credit(0).may_send());
}

TEST_CASE("the receiving end refuses what there was no credit for") {
    flow_ledger ledger(1000, most);
    CHECK(ledger.receive(500));
    CHECK(ledger.receive(500)); // the last one may be larger than what is left
    CHECK_FALSE(ledger.receive(1));
    CHECK(ledger.consume(500) == 500 + item_overhead); // half a window
    CHECK(ledger.receive(1));
}

TEST_CASE("grants are few: nothing is granted until half a window is owed") {
    flow_ledger ledger(flow_window, most);
    int grants = 0;
    std::uint64_t granted = 0;
    for (int i = 0; i < 10'000; ++i) {
        REQUIRE(ledger.receive(100 - item_overhead));
        if (const std::uint64_t bytes = ledger.consume(100 - item_overhead)) {
            ++grants;
            granted += bytes;
        }
    }
    CHECK(grants == 10'000 * 100 / (flow_window / 2));
    CHECK(granted <= 10'000u * 100u);
}

TEST_CASE("the window doubles where it alone holds the sender back, up to its limit") {
    flow_ledger slow(1000, most); // its queue is never empty
    for (int i = 0; i < 100; ++i) {
        if (slow.receive(1000)) static_cast<void>(slow.consume(1000, false));
    }
    CHECK(slow.window() == 1000);
    flow_ledger unhurried(1000, most); // its sender always has credit
    for (int i = 0; i < 100; ++i) {
        REQUIRE(unhurried.receive(10));
        static_cast<void>(unhurried.consume(10, true));
    }
    CHECK(unhurried.window() == 1000);
    flow_ledger fast(flow_window, most);
    for (int i = 0; i < 100; ++i) {
        REQUIRE(fast.receive(8 << 20));
        CHECK(fast.consume(8 << 20, true) > 0);
    }
    CHECK(fast.window() == most);
    flow_ledger held_back(1000, most); // others need the memory
    CHECK(held_back.receive(2000));
    CHECK(held_back.growth() == 1000);
    CHECK(held_back.consume(2000, true, 300) == 2000 + item_overhead + 300);
    CHECK(held_back.window() == 1300);
    CHECK(held_back.growth() == 0); // its sender has credit again
}

TEST_CASE("what is announced is complete when it is there, and no more is taken") {
    flow_ledger ledger(100'000, most);
    CHECK_FALSE(ledger.complete());
    CHECK(ledger.receive(1));
    CHECK_FALSE(ledger.announce(0));
    CHECK(ledger.announce(2));
    CHECK_FALSE(ledger.announce(2)); // once
    CHECK_FALSE(ledger.complete());
    CHECK(ledger.receive(1));
    CHECK(ledger.complete());
    CHECK_FALSE(ledger.receive(1));
    flow_ledger none(1, most);
    CHECK_FALSE(none.announce(UINT64_MAX));
    CHECK(none.announce(0));
    CHECK(none.complete());
}

TEST_CASE("both ends' accounts agree whatever is sent and received, and neither ever waits for the "
          "other") {
    const auto seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 dice(seed);
    const auto below = [&](unsigned n) { return static_cast<unsigned>(dice() % n); };
    for (int run = 0; run < 200; ++run) {
        const std::uint32_t window = 1 + below(100'000);
        flow_credit credit(window);
        flow_ledger ledger(window, most);
        std::deque<std::size_t> wire, queue;
        std::deque<std::uint64_t> grants;
        int sent = 0;
        for (int step = 0; sent < 200; ++step) {
            REQUIRE(step < 100'000);
            switch (below(4)) {
            case 0:
                if (!credit.may_send()) break;
                wire.push_back(below(2) ? below(100) : below(300'000));
                credit.spend(wire.back());
                ++sent;
                break;
            case 1:
                if (wire.empty()) break;
                REQUIRE(ledger.receive(wire.front()));
                queue.push_back(wire.front());
                wire.pop_front();
                break;
            case 2: {
                if (queue.empty()) break;
                const std::size_t bytes = queue.front();
                queue.pop_front();
                if (const std::uint64_t more = ledger.consume(bytes, queue.empty()))
                    grants.push_back(more);
                break;
            }
            default:
                if (grants.empty()) break;
                credit.grant(grants.front());
                grants.pop_front();
            }
            // Whoever cannot send has something under way.
            const bool stuck =
                !credit.may_send() && wire.empty() && queue.empty() && grants.empty();
            REQUIRE_FALSE(stuck);
        }
    }
}

} // namespace
