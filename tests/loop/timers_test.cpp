// SPDX-License-Identifier: BSL-1.0
#include <mitogen/loop/timers.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <map>
#include <memory>
#include <random>
#include <vector>

namespace {

using mitogen::instant;
using mitogen::never;
using mitogen::detail::timer;
using mitogen::detail::timers;

TEST_CASE("timers are due in the order of their moments") {
    timers all;
    timer a, b, c;
    CHECK(all.next() == never);
    CHECK(all.take_due(never) == nullptr);
    all.set(a, 30);
    all.set(b, 10);
    all.set(c, 20);
    CHECK(all.next() == 10);
    CHECK(all.take_due(9) == nullptr);
    CHECK(all.take_due(10) == &b);
    CHECK_FALSE(b.is_set());
    CHECK(all.take_due(100) == &c);
    CHECK(all.take_due(100) == &a);
    CHECK(all.size() == 0);
}

TEST_CASE("a timer that is set again moves, one that is cancelled does not fire") {
    timers all;
    timer a, b;
    all.set(a, 10);
    all.set(b, 20);
    all.set(a, 30);
    CHECK(all.size() == 2);
    CHECK(all.next() == 20);
    all.cancel(b);
    all.cancel(b);
    CHECK(all.next() == 30);
    CHECK(all.take_due(29) == nullptr);
    all.cancel(a);
    CHECK(all.next() == never);
}

TEST_CASE("timers agree with a sorted list under any operations") {
    for (unsigned seed = 1; seed <= 20; ++seed) {
        INFO("seed " << seed);
        std::mt19937 random(seed);
        timers all;
        std::vector<std::unique_ptr<timer>> pool;
        for (int i = 0; i < 60; ++i) pool.push_back(std::make_unique<timer>());
        std::map<timer*, instant> model;
        bool agree = true;
        for (int step = 0; step < 3000 && agree; ++step) {
            timer& t = *pool[random() % pool.size()];
            switch (random() % 4) {
            case 0:
            case 1: {
                const instant at = static_cast<instant>(random() % 50); // equal moments are common
                all.set(t, at);
                model[&t] = at;
                break;
            }
            case 2:
                all.cancel(t);
                model.erase(&t);
                break;
            case 3: {
                const instant now = static_cast<instant>(random() % 60);
                instant earliest = never;
                for (const auto& [_, at] : model) earliest = at < earliest ? at : earliest;
                timer* due = all.take_due(now);
                agree = earliest <= now ? due && model.count(due) && model[due] == earliest
                                        : due == nullptr;
                if (due) model.erase(due);
                break;
            }
            }
            instant earliest = never;
            for (const auto& [_, at] : model) earliest = at < earliest ? at : earliest;
            agree = agree && all.next() == earliest && all.size() == model.size();
            for (const auto& p : pool) agree = agree && p->is_set() == (model.count(p.get()) == 1);
        }
        CHECK(agree);
    }
}

} // namespace
