// SPDX-License-Identifier: BSL-1.0
#include <mitogen/debug/terminal/terminal_queue.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <random>
#include <vector>

namespace {

using mitogen::context_id;
using mitogen::detail::stop_ticket;
using mitogen::detail::terminal_queue;
using refusal = terminal_queue::refusal;

std::vector<stop_ticket> waiting(const terminal_queue& q) {
    return {q.waiting().begin(), q.waiting().end()};
}

TEST_CASE("who asks first has the terminal first, and nobody else has it meanwhile") {
    terminal_queue q;
    CHECK(q.empty());
    CHECK_FALSE(q.grant());
    CHECK(q.add({1, 7}) == refusal::none);
    CHECK(q.add({2, 1}) == refusal::none);
    CHECK(q.add({1, 3}) == refusal::none);
    CHECK_FALSE(q.holder());
    CHECK(q.grant() == stop_ticket{1, 7});
    CHECK(q.holder() == stop_ticket{1, 7});
    CHECK_FALSE(q.grant());
    CHECK(waiting(q) == std::vector<stop_ticket>{{2, 1}, {1, 3}});
    CHECK(q.remove({1, 7}));
    CHECK_FALSE(q.holder());
    CHECK(q.grant() == stop_ticket{2, 1});
    CHECK(q.remove({2, 1}));
    CHECK(q.grant() == stop_ticket{1, 3});
    CHECK(q.remove({1, 3}));
    CHECK(q.empty());
    CHECK_FALSE(q.grant());
}

TEST_CASE("one who waits no more is passed over, and the others keep their places") {
    terminal_queue q;
    for (std::uint64_t n = 1; n <= 4; ++n) CHECK(q.add({5, n}) == refusal::none);
    CHECK(q.grant() == stop_ticket{5, 1});
    CHECK(q.remove({5, 3}));
    CHECK_FALSE(q.remove({5, 3}));
    CHECK_FALSE(q.knows({5, 3}));
    CHECK(q.remove({5, 2}));
    CHECK(q.holder() == stop_ticket{5, 1});
    CHECK(q.remove({5, 1}));
    CHECK(q.grant() == stop_ticket{5, 4});
}

TEST_CASE("one that is attended elsewhere has no turn, and its place again when it is put back") {
    terminal_queue q;
    for (std::uint64_t n = 1; n <= 4; ++n) CHECK(q.add({5, n}) == refusal::none);
    CHECK(q.attend({5, 2}));
    CHECK(q.attend({5, 2})); // by another
    CHECK_FALSE(q.attend({5, 9}));
    CHECK_FALSE(q.waits({5, 2}));
    CHECK(q.knows({5, 2}));
    CHECK(waiting(q) == std::vector<stop_ticket>{{5, 1}, {5, 3}, {5, 4}});
    CHECK(q.grant() == stop_ticket{5, 1});
    CHECK(q.attend({5, 1})); // who has the terminal, too
    CHECK_FALSE(q.holder());
    CHECK(q.grant() == stop_ticket{5, 3});
    CHECK(q.put_back({5, 1}));
    CHECK(q.put_back({5, 2}));
    CHECK(q.put_back({5, 3}));
    CHECK_FALSE(q.holder());
    CHECK_FALSE(q.put_back({5, 3}));
    CHECK_FALSE(q.put_back({5, 9}));
    CHECK(waiting(q) == std::vector<stop_ticket>{{5, 1}, {5, 2}, {5, 3}, {5, 4}});
    CHECK(q.attend({5, 4}));
    CHECK(q.remove({5, 4}));
    CHECK_FALSE(q.remove({5, 4}));
    CHECK(q.of(5).size() == 3);
}

TEST_CASE("who asks again after it has left stands at the end") {
    terminal_queue q;
    CHECK(q.add({1, 1}) == refusal::none);
    CHECK(q.add({1, 2}) == refusal::none);
    CHECK(q.remove({1, 1}));
    CHECK(q.add({1, 1}) == refusal::none);
    CHECK(waiting(q) == std::vector<stop_ticket>{{1, 2}, {1, 1}});
}

TEST_CASE("a ticket that is there is refused, waiting or not") {
    terminal_queue q;
    CHECK(q.add({1, 1}) == refusal::none);
    CHECK(q.add({1, 1}) == refusal::there);
    REQUIRE(q.grant());
    CHECK(q.add({1, 1}) == refusal::there);
    CHECK(q.add({2, 1}) == refusal::none); // another context's of that number
    CHECK(q.remove({1, 1}));
    CHECK(q.add({1, 1}) == refusal::none);
}

TEST_CASE("what there is not cannot be removed") {
    terminal_queue q;
    CHECK_FALSE(q.remove({1, 1}));
    CHECK(q.add({1, 1}) == refusal::none);
    CHECK_FALSE(q.remove({1, 2}));
    CHECK_FALSE(q.remove({2, 1}));
    CHECK(q.remove({1, 1}));
    CHECK_FALSE(q.remove({1, 1}));
    CHECK(q.empty());
}

TEST_CASE("the threads of a context are known in the order of their numbers, its holder too") {
    terminal_queue q;
    for (const stop_ticket t : {stop_ticket{2, 9}, {1, 5}, {2, 1}, {3, 1}, {2, ~0ull}, {2, 0}})
        CHECK(q.add(t) == refusal::none);
    REQUIRE(q.grant() == stop_ticket{2, 9});
    CHECK(q.of(2) == std::vector<stop_ticket>{{2, 0}, {2, 1}, {2, 9}, {2, ~0ull}});
    CHECK(q.of(1) == std::vector<stop_ticket>{{1, 5}});
    CHECK(q.of(0).empty());
    CHECK(q.of(4).empty());
}

TEST_CASE("one context has a bounded number of places, and leaves room for the others") {
    terminal_queue q;
    constexpr std::uint64_t most = terminal_queue::most_of_one;
    for (std::uint64_t n = 0; n < most; ++n) REQUIRE(q.add({1, n}) == refusal::none);
    CHECK(q.add({1, most}) == refusal::too_many);
    CHECK(q.add({1, 0}) == refusal::there);
    CHECK(q.add({2, 0}) == refusal::none);
    CHECK_FALSE(q.knows({1, most}));
    REQUIRE(q.grant() == stop_ticket{1, 0}); // who has the terminal counts too
    CHECK(q.add({1, most}) == refusal::too_many);
    CHECK(q.remove({1, 0}));
    CHECK(q.add({1, most}) == refusal::none);
    CHECK(q.add({1, most + 1}) == refusal::too_many);
    for (const stop_ticket t : q.of(1)) CHECK(q.remove(t));
    CHECK(q.add({1, 0}) == refusal::none);
}

TEST_CASE("all contexts together have a bounded number of places") {
    terminal_queue q;
    constexpr context_id contexts = terminal_queue::most / terminal_queue::most_of_one;
    static_assert(contexts * terminal_queue::most_of_one == terminal_queue::most);
    for (context_id c = 1; c <= contexts; ++c)
        for (std::uint64_t n = 0; n < terminal_queue::most_of_one; ++n)
            REQUIRE(q.add({c, n}) == refusal::none);
    CHECK(q.add({contexts + 1, 0}) == refusal::full);
    CHECK(q.of(contexts + 1).empty());
    CHECK(q.remove({3, 500}));
    CHECK(q.add({contexts + 1, 0}) == refusal::none);
    CHECK(q.add({contexts + 2, 0}) == refusal::full);
}

/// The same, as one would write it without a thought about time.
struct model {
    std::deque<stop_ticket> all;      // those who wait
    std::deque<stop_ticket> by_age{}; // all that are known
    std::optional<stop_ticket> holder;

    bool knows(stop_ticket t) const {
        return std::find(by_age.begin(), by_age.end(), t) != by_age.end();
    }
    bool waits(stop_ticket t) const { return std::find(all.begin(), all.end(), t) != all.end(); }
    refusal add(stop_ticket t) {
        if (knows(t)) return refusal::there;
        all.push_back(t);
        by_age.push_back(t);
        return refusal::none;
    }
    bool attend(stop_ticket t) {
        if (holder == t) holder.reset();
        std::erase(all, t);
        return knows(t);
    }
    bool put_back(stop_ticket t) {
        if (!knows(t) || waits(t)) return false;
        std::deque<stop_ticket> before = std::move(all);
        before.push_back(t);
        all.clear();
        for (const stop_ticket each : by_age)
            if (std::find(before.begin(), before.end(), each) != before.end()) all.push_back(each);
        if (holder == t) holder.reset();
        return true;
    }
    std::optional<stop_ticket> grant() {
        if (holder || all.empty()) return std::nullopt;
        holder = all.front();
        all.pop_front();
        return holder;
    }
    bool remove(stop_ticket t) {
        if (!attend(t)) return false;
        std::erase(by_age, t);
        return true;
    }
    std::vector<stop_ticket> of(context_id c) const {
        std::vector<stop_ticket> found(by_age.begin(), by_age.end());
        std::erase_if(found, [c](stop_ticket t) { return t.context != c; });
        std::sort(found.begin(), found.end());
        return found;
    }
};

TEST_CASE("any order of requests gives what a simple queue gives") {
    const unsigned seed = GENERATE(range(1u, 51u));
    INFO("seed " << seed);
    std::minstd_rand dice(seed);
    const auto below = [&dice](unsigned n) { return static_cast<unsigned>(dice() % n); };
    terminal_queue q;
    model m;
    for (int step = 0; step < 2000; ++step) {
        const stop_ticket t{1 + below(4), below(8)};
        switch (below(7)) {
        case 5: REQUIRE(q.attend(t) == m.attend(t)); break;
        case 6: REQUIRE(q.put_back(t) == m.put_back(t)); break;
        case 0:
        case 1: REQUIRE(q.add(t) == m.add(t)); break;
        case 2: REQUIRE(q.grant() == m.grant()); break;
        case 3: REQUIRE(q.remove(t) == m.remove(t)); break;
        case 4:
            if (m.holder) {
                const stop_ticket h = *m.holder;
                REQUIRE(q.remove(h) == m.remove(h));
            }
            break;
        }
        REQUIRE(q.holder() == m.holder);
        REQUIRE(waiting(q) == std::vector<stop_ticket>(m.all.begin(), m.all.end()));
        REQUIRE(q.empty() == m.by_age.empty());
        REQUIRE(q.knows(t) == m.knows(t));
        REQUIRE(q.waits(t) == m.waits(t));
        REQUIRE(q.of(t.context) == m.of(t.context));
    }
}

} // namespace
