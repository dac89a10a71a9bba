// SPDX-License-Identifier: BSL-1.0
#include "tree.hpp"

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

TEST_CASE("only the root gives out blocks") {
    family f;
    CHECK(f.root.why_not(1, mitogen::handles::allocate_id) == reason::invalid_handle);
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
    f.root.loop.run([&] { // as if children had asked for all the blocks there are
        message request;
        request.head = {.dst = 0, .src = 1, .auth = 1, .handle = mitogen::handles::allocate_id};
        for (int i = 0; i < 4'294'970; ++i) f.root.router.deliver(nullptr, request);
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

} // namespace
