// SPDX-License-Identifier: BSL-1.0
// Dialogs, channels and streams in tasks, on both ends; and tasks of this program.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

namespace task_flow_test {

using namespace std::chrono_literals;
using mitogen::task;

int echo(int n) { return n; }

/// The means of what it is sent, in a window; returns the last.
task<double> mean(mitogen::dialog<std::string(int, double)>& peer, int window) {
    peer.started("window of " + std::to_string(window));
    double sum = 0;
    int count = 0;
    for (;;) {
        const auto next = co_await peer.async_try_receive();
        if (!next) break;
        sum += *next;
        co_await peer.async_send(sum / ++count);
    }
    co_return sum / count;
}
task<int> never_started(mitogen::dialog<void(int, int)>&) { co_return 1; }
task<int> fails_before(mitogen::dialog<void(int, int)>&) {
    co_await mitogen::sleep_for(0ms);
    throw std::out_of_range("before");
}
/// Receives until it is cancelled, and says so.
task<int> listens(mitogen::dialog<void(int, int)>& peer, int ended) {
    peer.started();
    try {
        for (;;) co_await peer.async_receive();
    } catch (const mitogen::cancelled_error&) {
        generic::shared_pipe::post(ended);
        throw;
    }
}
/// Sends as much as it can.
task<int> floods(mitogen::dialog<void(int, std::string)>& peer, int count) {
    peer.started();
    for (int i = 0; i < count; ++i) co_await peer.async_send(std::string(10'000, 'x'));
    co_return count;
}

mitogen::generator<int> count_to(int n) {
    for (int i = 1; i <= n; ++i) co_yield i;
}
task<void> produce(mitogen::sender<int> out, int n) {
    for (int i = 1; i <= n; ++i) co_await out.async_send(i);
    out.close();
}

// ---- tasks of this program

void send_one(mitogen::sender<int> out, int item) { out.send(item); }
task<int> take_one(mitogen::receiver<int>& from) { co_return co_await from.async_get(); }
task<double> converse(mitogen::context with, int items) {
    auto d = co_await with.open_async<&mean>(8);
    if (d.started() != "window of 8") throw std::runtime_error("started with " + d.started());
    double last = 0;
    for (int i = 1; i <= items; ++i) {
        co_await d.async_send(i);
        last = co_await d.async_receive();
    }
    d.close();
    const double result = co_await d.async_result();
    if (result != last) throw std::runtime_error("another result");
    co_return result;
}
task<int> take_flood(mitogen::context from, int count) {
    auto d = co_await from.open_async<&floods>(count);
    int got = 0;
    while (co_await d.async_try_receive()) ++got;
    co_await d.async_result();
    co_return got;
}
task<int> flood_slowly(mitogen::context to, mitogen::router& here, int count) {
    mitogen::receiver<int> in{here};
    auto f = to.call_async<&produce>(in.to_sender(), count);
    int sum = 0;
    while (const auto item = co_await in.async_try_get()) sum += *item;
    co_await f;
    co_return sum;
}
task<int> sum_stream(mitogen::context from, int n) {
    auto range = from.stream<&count_to>(n);
    int sum = 0;
    while (const auto item = co_await range.async_try_get()) sum += *item;
    co_return sum;
}
task<int> open_listener(mitogen::context with, int ended, bool cancel) {
    auto d = co_await with.open_async<&listens>(ended);
    co_await d.async_send(1);
    if (cancel) co_await d.async_cancel();
    co_return co_await d.async_receive();
}
template <auto F>
task<int> just_open(mitogen::context with) {
    auto d = co_await with.open_async<F>();
    co_return co_await d.async_result();
}
task<int> echoes(mitogen::context with, int count) {
    int sum = 0;
    for (int i = 0; i < count; ++i) sum += co_await with.call_async<&echo>(i);
    co_return sum;
}
task<int> sleeps_long() {
    co_await mitogen::sleep_for(1h);
    co_return 1;
}
task<std::string> says_why() {
    try {
        co_await mitogen::sleep_for(1h);
    } catch (const mitogen::cancelled_error& e) {
        co_return std::string(e.message());
    }
    co_return "";
}
task<int> throws_own() {
    co_await mitogen::sleep_for(0ms);
    throw std::length_error("mine");
}
task<int> awaits_spawned(mitogen::router& here, mitogen::context with) {
    auto a = mitogen::spawn(here, echoes(with, 10));
    auto b = mitogen::spawn(here, echoes(with, 20));
    const int first = co_await std::move(a);
    co_return first + co_await std::move(b);
}
task<int> awaits_long(mitogen::router& here) {
    co_return co_await mitogen::spawn(here, sleeps_long());
}

} // namespace task_flow_test

using namespace task_flow_test;

TEST_CASE("tasks of this program: results, exceptions, each other") {
    generic::tree tree;
    auto child = tree.root.local();
    CHECK(mitogen::block_on(tree.root, echoes(child, 100)) == 4950);
    auto one = mitogen::spawn(tree.root, echoes(child, 10));
    auto two = mitogen::spawn(tree.root, throws_own());
    CHECK(one.get() == 45);
    CHECK_THROWS_AS(two.get(), std::length_error);
    CHECK(mitogen::block_on(tree.root, awaits_spawned(tree.root, child)) == 45 + 190);
}

TEST_CASE(
    "a task of this program is cancelled by hand, by its handle's end, and by who awaits it") {
    generic::tree tree;
    {
        auto s = mitogen::spawn(tree.root, says_why());
        CHECK_THROWS_AS(s.get_for(1ms), mitogen::timeout_error);
        s.cancel();
        CHECK(s.get() == "the task has been cancelled");
    }
    { auto dropped = mitogen::spawn(tree.root, sleeps_long()); }
    auto outer = mitogen::spawn(tree.root, awaits_long(tree.root));
    outer.cancel();
    CHECK_THROWS_AS(outer.get(), mitogen::cancelled_error);
}

TEST_CASE("a task's handle may end after the loop has") {
    mitogen::broker loop;
    mitogen::router root{loop};
    auto s = mitogen::spawn(root, sleeps_long());
    auto waits = mitogen::spawn(root, says_why());
    loop.engine().run([] {}); // both have begun
    root.close();
    loop.shutdown();
    loop.join();
    waits.cancel();
    CHECK(waits.get() == "the task has been cancelled");
    auto late = mitogen::spawn(root, sleeps_long());
    CHECK(generic::thrown_by([&] { late.get(); }).reason() == mitogen::reason::broker_exited);
}

TEST_CASE("a dialog between two tasks") {
    generic::tree tree;
    auto child = tree.root.local();
    CHECK(mitogen::block_on(tree.root, converse(child, 100)) == 50.5);
    auto d = child.open<&mean>(3); // and with a thread at this end
    CHECK(d.started() == "window of 3");
    for (int i = 0; i < 1000; ++i) d.send(i);
    d.close();
    int means = 0;
    for ([[maybe_unused]] const double m : d) ++means;
    CHECK(means == 1000);
    CHECK(d.result() == 499.5);
}

TEST_CASE("a dialog that does not begin says why") {
    generic::tree tree;
    auto child = tree.root.local();
    const auto unstarted =
        generic::thrown_by([&] { mitogen::block_on(tree.root, just_open<&never_started>(child)); });
    CHECK(generic::contains(unstarted.what(), "without having called started()"));
    const auto failed =
        generic::thrown_by([&] { mitogen::block_on(tree.root, just_open<&fails_before>(child)); });
    CHECK(generic::contains(failed.what(), "before"));
    CHECK(generic::contains(
        generic::thrown_by([&] { static_cast<void>(child.open<&fails_before>()); }).what(),
        "before"));
}

TEST_CASE("a task that sends faster than it is heard waits") {
    generic::tree tree;
    auto child = tree.root.local();
    // 10 MB through a window of 256 KiB
    CHECK(mitogen::block_on(tree.root, take_flood(child, 1000)) == 1000);
    auto d = child.open<&floods>(1000);
    int got = 0;
    for ([[maybe_unused]] const std::string& s : d) ++got;
    CHECK(got == 1000);
    CHECK(mitogen::block_on(tree.root, flood_slowly(child, tree.root, 20'000)) == 200'010'000);
    CHECK(mitogen::block_on(tree.root, sum_stream(child, 1000)) == 500'500);
}

TEST_CASE("cancelling a task cancels its dialog, and the other end") {
    generic::tree tree;
    generic::shared_pipe ended;
    auto child = tree.root.local();
    SECTION("this end's task") {
        auto s = mitogen::spawn(tree.root, open_listener(child, ended.write_end(), false));
        CHECK_THROWS_AS(s.get_for(20ms), mitogen::timeout_error);
        s.cancel();
        CHECK_THROWS_AS(s.get(), mitogen::cancelled_error);
    }
    SECTION("by async_cancel") {
        CHECK_THROWS_AS(mitogen::block_on(tree.root, open_listener(child, ended.write_end(), true)),
                        mitogen::cancelled_error);
    }
    SECTION("by a thread") {
        auto d = child.open<&listens>(ended.write_end());
        d.cancel();
    }
    CHECK(ended.wait());
}

TEST_CASE("a task that waits for an item is cancelled and begun again a hundred times: every item "
          "comes once") {
    generic::tree tree;
    auto child = tree.root.local();
    mitogen::receiver<int> r{tree.root};
    auto unused = r.to_sender(); // the end does not come before this is gone
    int stopped = 0;
    for (int next = 0; next < 100; ++next) {
        auto waits_first = mitogen::spawn(tree.root, take_one(r)); // nobody has sent anything
        waits_first.cancel();
        CHECK_THROWS_AS(waits_first.get(), mitogen::cancelled_error);
        auto sending = child.call_async<&send_one>(r.to_sender(), next);
        for (;;) { // while it comes
            auto waits = mitogen::spawn(tree.root, take_one(r));
            if (next % 3) waits.cancel();
            std::optional<int> got;
            try {
                got = waits.get();
            } catch (const mitogen::cancelled_error&) {
                ++stopped;
            }
            if (!got) continue;
            REQUIRE(*got == next);
            break;
        }
        sending.get();
    }
    CHECK(stopped > 0);
    unused = {};
    CHECK(r.try_get().error().reason() == mitogen::reason::end_of_stream);
}

TEST_CASE("hundreds of dialogs to one child at once, as tasks") {
    generic::tree tree;
    auto child = tree.root.local();
    std::vector<mitogen::spawned<double>> all;
    for (int i = 0; i < 500; ++i) all.push_back(mitogen::spawn(tree.root, converse(child, 5)));
    int right = 0;
    for (auto& s : all) right += s.get() == 3.0;
    CHECK(right == 500);
    CHECK(support::open_answers(tree.root) == 0);
}
