// SPDX-License-Identifier: BSL-1.0
// What a nursery owns besides calls, and how its end is asked for and waited for.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstddef>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace hub_test {

using namespace std::chrono_literals;
using generic::shared_pipe;

int boom() { throw std::runtime_error("boom"); }
int boom_when(int go_on) {
    shared_pipe::wait(go_on);
    throw std::runtime_error("boom");
}
int echoes(mitogen::dialog<int(int, int)>& peer) {
    peer.started(7);
    int count = 0;
    for (int x : peer) {
        peer.send(x);
        ++count;
    }
    return count;
}
int fails(mitogen::dialog<int(int, int)>& peer) {
    peer.started(7);
    peer.receive();
    throw std::runtime_error("dialog");
}
mitogen::generator<int> counts(int to) {
    for (int i = 0; i < to; ++i) co_yield i;
}
mitogen::generator<int> counts_and_fails(int to) {
    for (int i = 0; i < to; ++i) co_yield i;
    throw std::runtime_error("stream");
}
mitogen::task<int> sleeps(std::chrono::milliseconds span) {
    co_await mitogen::sleep_for(span);
    co_return 5;
}
mitogen::task<int> throws_later() {
    co_await mitogen::sleep_for(1ms);
    throw std::out_of_range("task");
}

/// Has a nursery of its own; the sum of what its tasks give.
mitogen::task<int> has_nursery(mitogen::router& here) {
    mitogen::nursery n{here};
    auto a = n.start<&generic::add>(mitogen::local{}, 1, 2);
    auto b = n.start<&generic::add>(mitogen::local{}, 3, 4);
    auto c = n.spawn(sleeps(1ms));
    co_await n.async_join();
    co_return a.get() + b.get() + c.get();
}
/// One of its nursery's tasks fails while its body waits.
mitogen::task<std::string> body_is_woken(mitogen::router& here) {
    std::string seen;
    mitogen::nursery n{here};
    n.start<&boom>(mitogen::local{});
    try {
        co_await mitogen::sleep_for(1h);
    } catch (const mitogen::cancelled_error& e) {
        seen = "body " + std::string(e.what());
    }
    const auto end = co_await n.async_try_join();
    co_return seen + "; join " + std::string(end.error().message());
}
/// Says when its body and its clean-up have ended.
mitogen::task<int> cleans_up(mitogen::router& here, int in, int out) {
    mitogen::nursery n{here, {.grace = 50ms}};
    n.start<&generic::wait_for_stop>(mitogen::local{});
    std::optional<mitogen::error> why;
    try {
        shared_pipe::post(in);
        co_await n.async_join();
    } catch (const mitogen::error& e) {
        why = e;
    }
    {
        const mitogen::shield s{10s};
        const mitogen::local how{}; // g++ 12 destroys such a temporary twice around a co_await
        const auto c = co_await here.connect_async(how);
        if (co_await c.call_async<&generic::add>(1, 2) == 3) shared_pipe::post(out);
    }
    co_return 1;
}

} // namespace hub_test

namespace {

using namespace hub_test;
using generic::tree;
using mitogen::reason;

TEST_CASE("a nursery that takes longer than it may is cancelled, body and all") {
    tree t;
    mitogen::receiver<int> r{t.root};
    const mitogen::context child = t.root.local();
    mitogen::nursery n{t.root, {.within = 200ms}};
    auto task = n.start<&generic::wait_for_stop>(child);
    auto keep = r.to_sender();
    CHECK(r.try_receive().error() == reason::timeout);
    const auto end = n.try_join();
    REQUIRE_FALSE(end);
    CHECK(end.error() == reason::timeout);
    CHECK(r.try_receive_for(0s).error() == reason::timeout); // nothing of it is left around this
    CHECK(mitogen::check_scope());
}

TEST_CASE("a nursery that ends in time was never late") {
    tree t;
    mitogen::nursery n{t.root, {.within = std::chrono::hours(1)}};
    auto task = n.start<&generic::add>(n.local(), 1, 2);
    n.join();
    CHECK(task.get() == 3);
}

TEST_CASE("when a nursery's time is over, that is told once, and to nobody else") {
    tree t;
    shared_pipe begun, go_on;
    const mitogen::context child = t.root.local();
    auto n = std::make_unique<mitogen::nursery>(t.root, mitogen::nursery_options{.within = 1ms});
    CHECK(mitogen::try_sleep_for(1h).error() == reason::timeout);
    std::vector<mitogen::future<int>> others; // one of them is where its end was awaited
    {
        const mitogen::shield s{10s};
        for (int i = 0; i < 8; ++i)
            others.push_back(
                child.call_async<&generic::hold>(begun.write_end(), go_on.read_end(), i));
    }
    CHECK(n->try_join().error() == reason::timeout);
    n.reset();
    for (int i = 0; i < 8; ++i) {
        go_on.post();
        CHECK(others[static_cast<std::size_t>(i)].get() == i);
    }
}

TEST_CASE("whoever asks a nursery that has failed for a context is told of the failure") {
    tree t;
    mitogen::nursery n{t.root};
    n.start<&boom>(n.local());
    CHECK(mitogen::try_sleep_for(1h).error() == reason::cancelled);
    const auto late = n.try_connect(mitogen::local{});
    REQUIRE_FALSE(late);
    CHECK(late.error().message() == "boom");
    CHECK_THROWS_WITH(n.join(), Catch::Contains("boom"));
}

TEST_CASE("the stop token of a nursery says that it stops") {
    tree t;
    shared_pipe go_on;
    mitogen::nursery n{t.root};
    const std::stop_token stop = n.stop_token();
    CHECK_FALSE(stop.stop_requested());
    n.start<&boom_when>(n.local(), go_on.read_end());
    auto other = t.root.local();
    auto answer = other.with(stop).call_async<&generic::wait_for_stop>();
    go_on.post();
    CHECK_THROWS_WITH(n.join(), Catch::Contains("boom"));
    CHECK(stop.stop_requested());
    CHECK(n.stop_token().stop_requested());
    CHECK(answer.try_get().error() == reason::cancelled);
}

TEST_CASE("a dialog of a nursery ends with it, and what fails there is its failure") {
    tree t;
    {
        mitogen::nursery n{t.root};
        auto d = n.open<&echoes>(n.local());
        CHECK(d.started() == 7);
        d.send(1);
        CHECK(d.receive() == 1);
        d.close();
        CHECK(d.result() == 1);
        n.join();
    }
    {
        mitogen::nursery n{t.root};
        auto d = n.open<&fails>(n.local());
        auto other = n.start<&generic::wait_for_stop>(n.local());
        d.send(1);
        const auto end = n.try_join();
        REQUIRE_FALSE(end);
        CHECK(end.error().message() == "dialog");
    }
    {
        mitogen::nursery n{t.root};
        auto d = n.open<&echoes>(n.local());
        n.cancel();
        CHECK(d.try_receive().error() == reason::cancelled);
        CHECK(d.outcome().error() == reason::cancelled);
        CHECK(n.try_join());
    }
    mitogen::nursery n{t.root};
    {
        auto d = n.open<&echoes>(n.local());
        d.cancel(); // which its own side wants
    }
    CHECK(n.try_join());
}

TEST_CASE("a stream of a nursery ends with it, and what fails there is its failure") {
    tree t;
    {
        mitogen::nursery n{t.root};
        int sum = 0;
        for (int x : n.stream<&counts>(n.local(), 10)) sum += x;
        CHECK(sum == 45);
        for (int x : n.stream<&counts>(n.local(), 1'000'000))
            if (x == 3) break; // left early, which is no failure
        n.join();
    }
    mitogen::nursery n{t.root};
    auto other = n.start<&generic::wait_for_stop>(n.local());
    auto child = n.local();
    auto all = n.stream<&counts_and_fails>(child, 2);
    const auto end = n.try_join();
    REQUIRE_FALSE(end);
    CHECK(end.error().message() == "stream");
}

TEST_CASE("a nursery runs tasks of this program") {
    tree t;
    {
        mitogen::nursery n{t.root};
        auto a = n.spawn(sleeps(1ms));
        n.join();
        CHECK(a.get() == 5);
    }
    {
        mitogen::nursery n{t.root};
        auto a = n.spawn(sleeps(std::chrono::hours(1)));
        n.spawn(throws_later());
        const auto end = n.try_join();
        REQUIRE_FALSE(end);
        CHECK(std::string(end.error().what()).find("task") != std::string::npos);
        CHECK_FALSE(a.try_get());
    }
    mitogen::nursery n{t.root};
    auto a = n.spawn(sleeps(std::chrono::hours(1)));
    n.cancel();
    CHECK(n.try_join());
    CHECK(a.try_get().error() == reason::cancelled);
    CHECK(n.spawn(sleeps(1ms)).try_get().error() == reason::cancelled);
}

TEST_CASE("a task has a nursery, joins it without blocking its loop, and is woken with it") {
    tree t;
    auto child = t.root.local();
    CHECK(child.call<&has_nursery>() == 15);
    CHECK(mitogen::block_on(t.root, has_nursery(t.root)) == 15);
    const std::string seen = child.call<&body_is_woken>();
    CAPTURE(seen);
    CHECK(seen.find("body ") == 0);
    CHECK(seen.find("; join boom") != std::string::npos);
}

TEST_CASE(
    "a task that is cancelled in a join has its nursery ended, and cleans up behind a shield") {
    shared_pipe in, out;
    tree t;
    auto child = t.root.local();
    auto answer = child.call_async<&cleans_up>(in.write_end(), out.write_end());
    in.wait();
    answer.cancel();
    CHECK(out.wait());
}

TEST_CASE("a nursery in the scope of another one ends with it") {
    shared_pipe go_on;
    tree t;
    mitogen::nursery outer{t.root};
    outer.start<&boom_when>(outer.local(), go_on.read_end());
    {
        mitogen::nursery inner{t.root, {.grace = 50ms}};
        inner.start<&generic::wait_for_stop>(inner.local());
        go_on.post();
        const auto end = inner.try_join();
        REQUIRE_FALSE(end);
        CHECK(end.error() == reason::cancelled);
        CHECK(std::string(end.error().what()).find("boom") != std::string::npos);
    }
    CHECK_THROWS_WITH(outer.join(), Catch::Contains("boom"));
    CHECK(mitogen::check_scope());
}

TEST_CASE("nurseries are left in any order, and by any thread") {
    tree t;
    auto outer = std::make_unique<mitogen::nursery>(t.root);
    auto inner = std::make_unique<mitogen::nursery>(t.root);
    outer->cancel();
    CHECK(mitogen::check_scope().error() == reason::cancelled);
    outer.reset();
    CHECK(mitogen::check_scope());
    inner->cancel();
    CHECK_FALSE(mitogen::check_scope());
    std::thread([&] { inner.reset(); }).join();
    CHECK(mitogen::check_scope());
    std::unique_ptr<mitogen::nursery> made_elsewhere;
    std::thread([&] { made_elsewhere = std::make_unique<mitogen::nursery>(t.root); }).join();
    made_elsewhere->cancel();
    CHECK(mitogen::check_scope());
}

} // namespace
