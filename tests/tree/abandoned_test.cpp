// SPDX-License-Identifier: BSL-1.0
// A hundred thousand calls that are given up, in five ways, over one hop and over three: nobody
// keeps anything of them.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <malloc.h>
#include <mitogen/mitogen.hpp>
#include <random>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

namespace abandoned_test {

int add_in_pool(int a, int b) { return a + b; }
void nothing_in_pool() {}

/// What a context holds: calls that it waits for itself, and bytes of the heap that are in use (0
/// if nobody knows).
struct holding {
    std::size_t pending = 0;
    std::size_t contexts = 0;
    std::uint64_t queued = 0;
    std::uint64_t heap_bytes = 0;
};
holding holding_of(mitogen::router& here) {
    holding h;
    for (const mitogen::context_status& s : here.status()) {
        h.pending += s.pending_calls;
        h.queued += s.queue_bytes;
        ++h.contexts;
    }
    h.pending += support::open_answers(here);
#if defined(__GLIBC__) && __GLIBC_PREREQ(2, 33)
    h.heap_bytes = ::mallinfo2().uordblks;
#endif
    return h;
}

} // namespace abandoned_test

template <>
inline constexpr auto mitogen::run_on<&abandoned_test::add_in_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&abandoned_test::nothing_in_pool> = mitogen::on::pool;

namespace {
using namespace abandoned_test;
using namespace std::chrono_literals;
using generic::tree;

constexpr unsigned seed = 20260521;

/// Calls `c` and gives the call up: dropped, cancelled, timed out before it was sent or while it
/// was under way, or stopped.
void give_up(const mitogen::context& c, int x, std::mt19937& random) {
    const auto start = [&](const auto& target) {
        return random() % 2 ? target.template call_async<&generic::add>(x, 1)
                            : target.template call_async<&add_in_pool>(x, 1);
    };
    switch (x % 5) {
    case 0: {
        const auto dropped = start(c);
        if (!dropped.valid()) throw std::runtime_error("no call");
        return;
    }
    case 1: {
        auto cancelled = start(c);
        cancelled.cancel();
        return;
    }
    case 2: {
        const auto late = c.within(0ns).try_call<&generic::add>(x, 1);
        if (late && *late != x + 1) throw std::runtime_error("a wrong answer");
        if (!late && late.error().reason() != mitogen::reason::timeout)
            throw std::runtime_error(late.error().what());
        return;
    }
    case 3: {
        (void)start(c.within(std::chrono::microseconds(random() % 200))).try_get();
        return;
    }
    default: {
        std::stop_source stop;
        auto stopped = start(c.with(stop.get_token()));
        stop.request_stop();
        stopped.wait_until(mitogen::never);
    }
    }
}

/// Until nothing that was given up is on its way any more: main and pool of `c` have run what came
/// before.
void settle(const mitogen::context& c) {
    if (c.call<&generic::add>(1, 1) != 2) throw std::runtime_error("a wrong answer");
    std::vector<mitogen::future<void>> all;
    for (int i = 0; i < 8; ++i) all.push_back(c.call_async<&nothing_in_pool>());
    for (auto& f : all) f.get();
    c.ping().get();
}

/// What a context holds when the last answers that nobody waits for have left it.
template <class Look>
holding at_rest(Look look) {
    const auto limit = std::chrono::steady_clock::now() + generic::plenty;
    holding h = look();
    while ((h.queued != 0 || h.pending != 0) && std::chrono::steady_clock::now() < limit)
        h = look();
    return h;
}

TEST_CASE(
    "a hundred thousand abandoned calls leave every table empty, over one hop and over three") {
    const int hops = GENERATE(1, 3);
    CAPTURE(hops, seed);
    std::mt19937 random(seed);
    tree t;
    std::vector<mitogen::context> way{t.root.local({.name = "1"})};
    while (static_cast<int>(way.size()) < hops)
        way.push_back(way.back().local({.name = std::to_string(way.size() + 1)}));
    const mitogen::context& last = way.back();
    constexpr int many = 100'000;
    std::vector<std::uint64_t> before;
    // The first part brings the memory that is kept for later calls to its size; what then grows
    // with the calls is a leak.
    for (const int part : {many / 2, many / 2}) {
        before.clear();
        for (const mitogen::context& c : way) before.push_back(c.call<&holding_of>().heap_bytes);
        before.push_back(holding_of(t.root).heap_bytes);
        for (int i = 0; i < part; ++i) {
            give_up(last, i, random);
            // what is under way is bounded, and so is the memory that is kept for it
            if (i % 64 == 0) settle(last);
        }
        settle(last);
    }
    std::vector<holding> after;
    for (const mitogen::context& c : way)
        after.push_back(at_rest([&] { return c.call<&holding_of>(); }));
    after.push_back(at_rest([&] { return holding_of(t.root); }));
    for (std::size_t i = 0; i < after.size(); ++i) {
        INFO("context at level " << (i + 1 < after.size() ? i + 1 : 0));
        CHECK(after[i].pending == 0);
        CHECK(after[i].queued == 0);
        // A leak in one of the five ways would be 10,000 pieces.
        CHECK(after[i].heap_bytes <= before[i] + 128 * 1024);
        UNSCOPED_INFO(after[i].heap_bytes << " bytes, before " << before[i]);
    }
    CHECK(support::open_answers(t.root) == 0);
    CHECK(t.root.contexts().size() == way.size());
}

} // namespace
