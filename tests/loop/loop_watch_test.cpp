// SPDX-License-Identifier: BSL-1.0
// What a loop does not get past is named in the log while that is so.
#include "../generic/tree.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <future>
#include <mitogen/loop/activity/loop_watch.hpp>
#include <mitogen/mitogen.hpp>
#include <string>
#include <thread>

namespace {

using mitogen::detail::at_work;
using mitogen::detail::leads_loop;
using mitogen::detail::loop_watch;
using mitogen::detail::named_work;

constexpr mitogen::duration_ns soon = 20'000'000;

std::size_t count_of(const generic::log_capture& log, const std::string& part) {
    std::size_t n = 0;
    for (const generic::logged& r : log.records()) n += generic::contains(r.text, part);
    return n;
}

template <class Holds>
bool becomes_true(Holds holds) {
    const auto end = std::chrono::steady_clock::now() + generic::plenty;
    while (!holds() && std::chrono::steady_clock::now() < end) std::this_thread::yield();
    return holds();
}

TEST_CASE("work that a loop does not get past is told of once, also after the watch has rested") {
    const generic::log_capture log;
    loop_watch watch;
    watch.set_limit(soon);
    CHECK(watch.rests()); // there is no thread yet
    const leads_loop leading(&watch);
    for (const char* name : {"the first of them", "the second of them"}) {
        {
            const at_work here(named_work, name);
            CHECK(log.wait_for(std::string("the loop is blocked: ") + name + " has run there for"));
            CHECK(watch.blocked());
            { const at_work inner(named_work, "a part of it"); }
        }
        CHECK(becomes_true([&] { return !watch.blocked() && watch.rests(); }));
    }
    CHECK(count_of(log, "the first of them") == 1);
    CHECK(count_of(log, "the second of them") == 1);
    CHECK(count_of(log, "a part of it") == 0);
}

TEST_CASE("without a limit nobody looks") {
    loop_watch watch;
    watch.set_limit(0);
    watch.set_limit(mitogen::never);
    const leads_loop leading(&watch);
    const at_work here(named_work, "work");
    CHECK_FALSE(watch.rests()); // and so no thread is asked for
    CHECK_FALSE(watch.blocked());
}

TEST_CASE("the shortest limit counts") {
    const generic::log_capture log;
    loop_watch watch;
    watch.set_limit(3'600'000'000'000);
    watch.set_limit(soon);
    watch.set_limit(3'600'000'000'000);
    const leads_loop leading(&watch);
    const at_work here(named_work, "work");
    CHECK(log.wait_for("work has run there for 20 ms"));
}

TEST_CASE("what is deferred and blocks the loop is told of") {
    const generic::log_capture log;
    std::promise<void> go_on;
    mitogen::broker loop;
    loop.engine().warn_of_block(soon);
    CHECK(loop.defer([told = go_on.get_future()] { told.wait(); }));
    CHECK(log.wait_for("the loop is blocked: work that was given to broker::defer()"));
    go_on.set_value();
}

TEST_CASE("once somebody looks, what has no name is told of as well") {
    const generic::log_capture log;
    mitogen::broker loop;
    loop.engine().warn_of_block(soon);
    CHECK(loop.defer([] {}));
    std::promise<void> go_on;
    // the library's own way
    CHECK(loop.engine().defer([told = go_on.get_future()] { told.wait(); }));
    CHECK(log.wait_for("the loop is blocked: a callback of which no name is known"));
    go_on.set_value();
}

} // namespace
