// SPDX-License-Identifier: BSL-1.0
#include "tree.hpp"

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace {

using namespace tree;

TEST_CASE("ids are unique in the whole tree, whoever gives them out") {
    family f;
    std::mutex mutex;
    std::set<context_id> seen;
    std::atomic<int> repeated{0};
    std::vector<std::thread> threads;
    for (node* n : {&f.root, &f.middle, &f.leaf, &f.leaf, &f.other}) {
        threads.emplace_back([&, n] {
            for (int i = 0; i < 2500; ++i) { // more than two blocks
                const auto id = n->numbers.next();
                const std::lock_guard lock(mutex);
                if (!id || *id == 0 || !seen.insert(*id).second) ++repeated;
            }
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(repeated == 0);
    CHECK(seen.size() == 5 * 2500);
}

TEST_CASE("ids are asked of the parent, and of nobody else") {
    family f;
    CHECK(f.root.why_not(1, mitogen::handles::allocate_id) == reason::invalid_handle);
    CHECK(f.leaf.why_not(0, mitogen::handles::allocate_id) == reason::invalid_handle);
    CHECK(f.other.why_not(1, mitogen::handles::allocate_id) == reason::invalid_handle);
}

TEST_CASE("those behind one link do not use up the ids of all") {
    family f;
    f.root.loop.run([&] {
        message request;
        request.head = {.dst = 0, .src = 1, .auth = 1, .handle = mitogen::handles::allocate_id};
        for (int i = 0; i < 300'000; ++i) f.root.router.deliver(nullptr, request);
    });
    CHECK(f.leaf.numbers.next().error().reason() == reason::overloaded);
    CHECK(f.other.numbers.next());
    CHECK(f.root.numbers.next());
}

TEST_CASE("an id cannot be waited for on the loop") {
    family f;
    result<context_id> got = context_id{1};
    f.leaf.loop.run([&] { got = f.leaf.numbers.next(); });
    REQUIRE_FALSE(got);
    CHECK(got.error().reason() == reason::misuse);
}

TEST_CASE("whoever does not wait is called with an id, as many as there are") {
    family f;
    std::mutex mutex;
    std::set<context_id> seen;
    std::atomic<int> called{0};
    f.leaf.loop.run([&] {
        for (int i = 0; i < 2500; ++i) { // more than two blocks, all before the first has come
            f.leaf.numbers.next([&](const result<context_id>& id) {
                const std::lock_guard lock(mutex);
                if (id) seen.insert(*id);
                ++called;
            });
        }
    });
    while (called < 2500) std::this_thread::yield();
    CHECK(seen.size() == 2500);
    CHECK(f.leaf.numbers.next());
    f.leaf.numbers.close(error(reason::broker_exited, "at its end"));
    result<context_id> got = context_id{1};
    f.leaf.numbers.next([&](const result<context_id>& id) { got = id; });
    CHECK(got.error().reason() == reason::broker_exited);
}

TEST_CASE("a context whose parent is gone gets no ids") {
    family f;
    f.middle.cut_all();
    const auto got = f.leaf.numbers.next();
    CHECK_FALSE(got);
}

TEST_CASE("when the ids are used up it is an error, and they never begin anew") {
    family f;
    const auto before = f.root.numbers.next();
    REQUIRE(before);
    std::vector<tree::raw_end> many;
    for (context_id id = 5001; id <= 5017; ++id) many.push_back(f.root.add_raw_child(id));
    f.root.loop.run([&] { // as if children had asked for all the blocks there are
        message request;
        for (context_id id = 5001; id <= 5017; ++id) {
            request.head = {
                .dst = 0, .src = id, .auth = id, .handle = mitogen::handles::allocate_id};
            for (int i = 0; i < 268'500; ++i) f.root.router.deliver(nullptr, request);
        }
    });
    CHECK(f.leaf.numbers.next().error().reason() == reason::overloaded);
    std::size_t left = 0;
    context_id last = 0;
    bool ascending = true;
    for (;; ++left) {
        const auto id = f.root.numbers.next();
        if (!id) {
            CHECK(id.error().reason() == reason::overloaded);
            break;
        }
        ascending = ascending && *id > last && *id != mitogen::no_context;
        last = *id;
        REQUIRE(left <= 1000);
    }
    CHECK(ascending);
    CHECK(last == mitogen::no_context - 1);
    CHECK_FALSE(f.root.numbers.next());
}

/// How many blocks the root has given out since the last time.
context_id blocks_since(context_id& last, node& root) {
    const context_id now = *root.numbers.next();
    return (now - std::exchange(last, now)) / 1000;
}

TEST_CASE("the next block is there before the present one is used up; who makes no children asks "
          "for none") {
    family f;
    context_id last = *f.root.numbers.next();
    REQUIRE(f.middle.ask(0, 1000));
    CHECK(blocks_since(last, f.root) == 0);
    for (int i = 0; i < 900; ++i) REQUIRE(f.leaf.numbers.next());
    REQUIRE(f.leaf.ask(0, 1000)); // behind whatever it has asked for
    CHECK(blocks_since(last, f.root) == 1);
    REQUIRE(f.leaf.numbers.next());
    REQUIRE(f.leaf.ask(0, 1000)); // its answer comes behind the block
    CHECK(blocks_since(last, f.root) == 1);
    f.middle.cut_all();
    for (int i = 0; i < 99 + 1000; ++i) REQUIRE(f.leaf.numbers.next());
    CHECK(f.leaf.numbers.next().error().reason() == reason::respondent_lost);
}

TEST_CASE(
    "while the root does nothing at all, ids are taken from what is at hand, on the loop as well") {
    family f;
    for (int i = 0; i < 900; ++i) REQUIRE(f.leaf.numbers.next());
    std::mutex mutex;
    std::condition_variable changed;
    bool stands = false;
    bool go_on = false;
    f.root.loop.defer([&] {
        std::unique_lock lock(mutex);
        stands = true;
        changed.notify_all();
        changed.wait(lock, [&] { return go_on; });
    });
    {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return stands; });
    }
    std::set<context_id> seen;
    int taken = 0;
    f.leaf.loop.run([&] {
        for (int i = 0; i < 50; ++i) {
            const auto id = f.leaf.numbers.next();
            taken += id && seen.insert(*id).second;
        }
    });
    for (int i = 0; i < 50; ++i) {
        const auto id = f.leaf.numbers.next();
        taken += id && seen.insert(*id).second;
    }
    CHECK(taken == 100);
    std::atomic<int> called{0};
    f.leaf.numbers.next([&](const result<context_id>& id) { called += id ? 1 : 100; });
    CHECK(called == 0); // nothing is left: it waits for the block that was asked for
    {
        const std::lock_guard lock(mutex);
        go_on = true;
        changed.notify_all();
    }
    const auto behind = f.leaf.numbers.next();
    REQUIRE(behind);
    CHECK(called == 1);
    CHECK(seen.insert(*behind).second);
}

TEST_CASE("where the root has no further block, what is left is given out, then it is an error") {
    family f;
    REQUIRE(f.leaf.numbers.next());
    std::atomic<int> asked{0};
    f.root.router.remove_handler(mitogen::handles::allocate_id);
    f.root.add_handler(mitogen::handles::allocate_id,
                       [&](const message& m) {
                           ++asked;
                           f.root.router.reply_dead(m.head, error(reason::overloaded, "used up"));
                       },
                       {.from = senders::anyone});
    for (int i = 1; i < 1000; ++i) REQUIRE(f.leaf.numbers.next());
    REQUIRE(f.leaf.ask(0, 1000));
    CHECK(asked >= 1);
    CHECK(asked <= 2); // not once for each id that was left
    CHECK(f.leaf.numbers.next().error().reason() == reason::overloaded);
    CHECK(f.leaf.numbers.next().error().reason() == reason::overloaded);
}

TEST_CASE("what is no block of ids is an error, and ids do not begin anew") {
    family f;
    const context_id first =
        GENERATE(context_id{0}, mitogen::no_context - 999, mitogen::no_context);
    CAPTURE(first);
    f.root.router.remove_handler(mitogen::handles::allocate_id);
    f.root.add_handler(
        mitogen::handles::allocate_id,
        [&](const message& m) { f.root.router.reply(m.head, mitogen::encode(first), 0); },
        {.from = senders::anyone});
    CHECK(f.leaf.numbers.next().error().reason() == reason::codec);
}

} // namespace
