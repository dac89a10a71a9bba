// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/sync/wait_group.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <thread>
#include <vector>

namespace {

using io_type = mitogen::io::native;
using wait_group = mitogen::detail::basic_wait_group<io_type>;

TEST_CASE("an empty group is not waited for") {
    mitogen::detail::broker_engine<io_type> loop;
    wait_group none(loop.io());
    CHECK(none.empty());
    CHECK(none.wait(loop, 0));
    none.add();
    none.add();
    none.done();
    CHECK_FALSE(none.empty());
    none.done();
    CHECK(none.wait(loop));
}

TEST_CASE("a wait for a group ends at its deadline while something is under way") {
    mitogen::detail::broker_engine<io_type> loop;
    wait_group group(loop.io());
    group.add();
    CHECK_FALSE(group.wait(loop, 0));
    CHECK_FALSE(group.wait(loop, loop.io().now() + 2'000'000));
    group.done();
    CHECK(group.wait(loop, 0));
}

TEST_CASE("a group is waited for until the last of many threads is done") {
    mitogen::detail::broker_engine<io_type> loop;
    wait_group group(loop.io());
    std::atomic<int> over{0};
    std::vector<std::thread> workers;
    constexpr int count = 8;
    for (int i = 0; i < count; ++i) group.add();
    for (int i = 0; i < count; ++i)
        workers.emplace_back([&] {
            ++over;
            group.done();
        });
    CHECK(group.wait(loop));
    CHECK(over == count);
    for (std::thread& t : workers) t.join();
}

TEST_CASE("a group may be destroyed after the wait for what ends on the loop") {
    mitogen::detail::broker_engine<io_type> loop;
    for (int round = 0; round < 2'000; ++round) {
        const auto group = std::make_unique<wait_group>(loop.io());
        for (int i = 0; i < 3; ++i) {
            group->add();
            REQUIRE(loop.defer([g = group.get()] { g->done(); }));
        }
        REQUIRE(group->wait(loop));
    }
}

} // namespace
