// SPDX-License-Identifier: BSL-1.0
// latch.ipp: what every latch promises. Included with MITOGEN_TEST_IO set to a policy and
// MITOGEN_TEST_NAME to its name in quotes.
#include "forked.hpp"
#include "policy_test.hpp"

#include <mitogen/io/policy.hpp>
#include <mitogen/sync/latch.hpp>

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {
namespace latch_test {

using io_type = MITOGEN_TEST_IO;
using latch = mitogen::basic_latch<int, io_type>;
using mitogen::never;
using mitogen::reason;

/// A thread that is asleep in the latch when begin() returns.
class sleeper {
    io_type io_{};
    io_type::parker asleep_{io_};
    io_type::thread thread_{};

public:
    std::optional<mitogen::result<int>> got{};

    /// Enters the latch; returns once it sleeps there, behind those that came before.
    void begin(latch& l, mitogen::instant deadline = never) {
        thread_ = io_type::thread(io_, "sleeper", [&l, deadline, this] {
            got =
                l.try_get_until(deadline, [this](auto& wake, mitogen::instant until, auto&& ready) {
                    asleep_.unpark(); // it is in the queue already
                    while (!ready() && wake.sleep_until(until)) {}
                });
        });
        asleep_.park();
    }
    void join() { thread_.join(); }
    int value() const { return got && *got ? **got : -1; }
    reason why() const { return got && !*got ? got->error().reason() : reason::none; }
};

MITOGEN_POLICY_TEST(": items come out in the order in which they were put") {
    io_type io;
    latch l(io);
    for (int i = 0; i < 10; ++i) CHECK(l.put(int{i}));
    CHECK(l.size() == 10);
    for (int i = 0; i < 10; ++i) CHECK(*l.try_get() == i);
    CHECK_FALSE(l.try_get_until(0));
    CHECK(l.size() == 0);
}

MITOGEN_POLICY_TEST(": the thread that has slept longest is served first") {
    io_type io;
    latch l(io);
    std::vector<sleeper> all(5);
    for (sleeper& s : all) s.begin(l);
    for (int i = 0; i < 5; ++i) l.put(int{i});
    for (int i = 0; i < 5; ++i) {
        all[static_cast<std::size_t>(i)].join();
        CHECK(all[static_cast<std::size_t>(i)].value() == i);
    }
}

MITOGEN_POLICY_TEST(": items beyond the number of sleepers are kept for later") {
    io_type io;
    latch l(io);
    sleeper s;
    s.begin(l);
    for (int i = 0; i < 4; ++i) l.put(int{i});
    s.join();
    CHECK(s.value() == 0);
    CHECK(l.size() == 3);
    for (int i = 1; i < 4; ++i) CHECK(*l.try_get_until(0) == i);
}

MITOGEN_POLICY_TEST(": a late comer does not take what a sleeper was given") {
    io_type io;
    latch l(io);
    sleeper s;
    s.begin(l);
    l.put(7);
    CHECK_FALSE(l.try_get_until(0)); // whether or not the sleeper has run yet
    CHECK(l.try_get_until(0).error().reason() == reason::timeout);
    s.join();
    CHECK(s.value() == 7);
}

MITOGEN_POLICY_TEST(": a deadline ends the wait, and the next item goes to somebody else") {
    io_type io;
    latch l(io);
    sleeper late, patient;
    late.begin(l, io.now() + 1'000'000);
    patient.begin(l);
    late.join();
    CHECK(late.why() == reason::timeout);
    l.put(5);
    patient.join();
    CHECK(patient.value() == 5);
}

MITOGEN_POLICY_TEST(": a sleeper in the middle may give up without breaking the order") {
    io_type io;
    latch l(io);
    sleeper first, middle, last, after;
    first.begin(l);
    middle.begin(l, io.now() + 1'000'000);
    last.begin(l, io.now() + 2'000'000);
    middle.join();
    last.join(); // the end of the queue: what comes next must hang on `first`
    after.begin(l);
    l.put(1);
    l.put(2);
    first.join();
    after.join();
    CHECK(first.value() == 1);
    CHECK(after.value() == 2);
}

MITOGEN_POLICY_TEST(": an item that is there is taken although the deadline has passed") {
    io_type io;
    latch l(io);
    l.put(3);
    CHECK(*l.try_get_until(0) == 3);
    CHECK(l.try_get_until(0).error().reason() == reason::timeout);
}

MITOGEN_POLICY_TEST(": an item that comes between the deadline and the way out is not lost") {
    io_type io;
    latch l(io);
    // sleeps too long, as threads may
    const auto got = l.try_get_until(0, [&](auto&, mitogen::instant, auto&&) { l.put(9); });
    REQUIRE(got);
    CHECK(*got == 9);
    CHECK(l.size() == 0);
}

/// Cannot be moved while `fragile`.
struct fragile_item {
    int value;
    static inline bool fragile = false;

    explicit fragile_item(int v) : value(v) {}
    fragile_item(const fragile_item& other) : value(other.value) {
        if (fragile) throw std::bad_alloc();
    }
};

MITOGEN_POLICY_TEST(": an item that cannot be moved leaves the sleepers where they are") {
    io_type io;
    mitogen::basic_latch<fragile_item, io_type> l(io);
    fragile_item item(1);
    const auto put_fails = [&] {
        fragile_item::fragile = true;
        try {
            l.put(std::move(item));
        } catch (const std::bad_alloc&) {}
        fragile_item::fragile = false;
    };
    int got = 0;
    io_type::parker asleep(io);
    io_type::thread sleeper(io, "sleeper", [&] {
        got = l.try_get_until(never, [&](auto& wake, mitogen::instant until, auto&& ready) {
                   asleep.unpark();
                   while (!ready() && wake.sleep_until(until)) {}
               })->value;
    });
    asleep.park();
    put_fails();
    CHECK(l.put(fragile_item(2)));
    sleeper.join();
    CHECK(got == 2);
    put_fails();
    CHECK(l.size() == 0);
}

MITOGEN_POLICY_TEST(": closing wakes everyone with an error, also with items left") {
    io_type io;
    latch l(io);
    SECTION("sleepers") {
        std::vector<sleeper> all(3);
        for (sleeper& s : all) s.begin(l);
        l.close();
        for (sleeper& s : all) {
            s.join();
            CHECK(s.why() == reason::sender_closed);
        }
    }
    SECTION("items") {
        l.put(1);
        l.close();
        CHECK(l.try_get().error().reason() == reason::sender_closed);
        CHECK_FALSE(l.try_get_until(0));
    }
    SECTION("a sleeper that was served before keeps its item") {
        sleeper s;
        s.begin(l);
        l.put(4);
        l.close();
        s.join();
        CHECK(s.value() == 4);
    }
    CHECK(l.closed());
    CHECK_FALSE(l.put(2));
    l.close();
    CHECK(l.try_get_until(0).error().reason() == reason::sender_closed);
}

MITOGEN_POLICY_TEST(": an item that a closed latch refuses stays with its owner") {
    io_type io;
    mitogen::basic_latch<std::unique_ptr<int>, io_type> l(io);
    l.put(nullptr); // empty values are legal
    CHECK(l.try_get().value() == nullptr);
    l.close();
    auto item = std::make_unique<int>(6);
    CHECK_FALSE(l.put(std::move(item)));
    REQUIRE(item);
    CHECK(*item == 6);
}

MITOGEN_POLICY_TEST(": every item reaches exactly one of many threads, timeouts or not") {
    io_type io;
    latch l(io);
    constexpr int producers = 3, each = 3000;
    io_type::mutex mutex(io);
    std::vector<int> seen;
    std::atomic<int> timeouts{0};
    std::vector<io_type::thread> consumers, sources;
    for (int c = 0; c < 4; ++c) {
        consumers.emplace_back(io, "consumer", [&, c] {
            std::minstd_rand random(static_cast<unsigned>(c) + 1);
            std::vector<int> mine;
            for (;;) {
                // some give up all the time, in the middle of everything
                const auto got =
                    c % 2 ? l.try_get()
                          : l.try_get_until(io.now() + static_cast<int>(random() % 30'000));
                if (got) {
                    mine.push_back(*got);
                } else if (got.error().reason() == reason::timeout) {
                    ++timeouts;
                } else {
                    break;
                }
            }
            const std::lock_guard lock(mutex);
            seen.insert(seen.end(), mine.begin(), mine.end());
        });
    }
    for (int p = 0; p < producers; ++p) {
        sources.emplace_back(io, "source", [&, p] {
            for (int i = 0; i < each; ++i) {
                l.put(p * each + i);
                if (i % 64 == 0) io.relax();
            }
        });
    }
    for (io_type::thread& t : sources) t.join();
    while (l.size()) io.relax(); // the consumers empty it
    l.close();
    for (io_type::thread& t : consumers) t.join();
    std::sort(seen.begin(), seen.end());
    REQUIRE(seen.size() == std::size_t{producers} * each);
    for (int i = 0; i < producers * each; ++i) CHECK(seen[static_cast<std::size_t>(i)] == i);
    INFO("timeouts " << timeouts);
}

MITOGEN_POLICY_TEST(
    ": one producer and one consumer pass items back and forth without losing a wake-up") {
    io_type io;
    latch there(io), back(io);
    constexpr int rounds = 5000;
    io_type::thread echo(io, "echo", [&] {
        for (auto got = there.try_get(); got; got = there.try_get()) back.put(*got + 1);
    });
    int sum = 0;
    for (int i = 0; i < rounds; ++i) {
        there.put(int{i});
        sum += *back.try_get() == i + 1;
    }
    there.close();
    echo.join();
    CHECK(sum == rounds);
}

MITOGEN_POLICY_TEST(": a copy of the process has the items, and none of the sleepers") {
    if constexpr (mitogen::io::counts_copies<io_type>) {
        io_type io;
        latch empty(io), full(io);
        sleeper s;
        s.begin(empty);
        CHECK(full.put(5));
        CHECK(generic::forked([&] {
                  if (!empty.put(7)) return 1;
                  const auto mine = empty.try_get_until(0);
                  const auto both = full.try_get_until(0);
                  return mine && *mine == 7 && both && *both == 5 ? 0 : 2;
              }) == 0);
        CHECK(empty.put(9));
        s.join();
        CHECK(s.value() == 9);
    }
}

MITOGEN_POLICY_TEST(": a copy that is made while a thread changes it has a latch that works") {
    if constexpr (mitogen::io::counts_copies<io_type>) {
        io_type io;
        latch l(io);
        std::atomic<bool> stop{false};
        typename io_type::thread busy(io, "busy", [&] {
            while (!stop) {
                l.put(1);
                (void)l.try_get_until(0);
            }
        });
        for (int i = 0; i < 50; ++i)
            CHECK(generic::forked([&] {
                      ::alarm(20); // instead of a hang
                      if (!l.put(2)) return 1;
                      while (const auto item = l.try_get_until(0))
                          if (*item == 2) return 0;
                      return 2;
                  }) == 0);
        stop = true;
        busy.join();
    }
}

} // namespace latch_test
} // namespace
