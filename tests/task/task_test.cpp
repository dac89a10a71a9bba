// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <coroutine>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace task_test {

using namespace std::chrono_literals;
using mitogen::task;

int echo(int n) { return n; }
int boom(int n) { throw std::out_of_range("boom " + std::to_string(n)); }

task<int> at_once(int a, int b) { co_return a + b; }
task<int> later(int a, int b) {
    co_await mitogen::sleep_for(1ms);
    co_return a + b;
}
task<void> nothing() { co_await mitogen::sleep_for(0ms); }

/// Its arguments live until its answer.
task<std::string> joined(std::string_view first, const std::vector<std::string>& others) {
    std::string all(first);
    for (const std::string& other : others) {
        co_await mitogen::sleep_for(0ms);
        all += other;
    }
    all += first.substr(0, 1);
    co_return all;
}

task<std::unique_ptr<int>> owned(int n) {
    co_await mitogen::sleep_for(0ms);
    co_return std::make_unique<int>(n);
}

task<int> sum_to(int n) {
    if (n == 0) co_return 0;
    co_return n + co_await sum_to(n - 1);
}
task<int> fails_at_once() {
    throw std::out_of_range("at once");
    co_return 0;
}
task<int> value(int n) { co_return n; }
task<long> loop_of(int rounds) {
    long sum = 0;
    for (int i = 0; i < rounds; ++i) sum += co_await value(1);
    co_return sum;
}
task<long> loop_of_failures(int rounds) {
    long caught = 0;
    for (int i = 0; i < rounds; ++i) {
        try {
            co_await fails_at_once();
        } catch (const std::out_of_range&) {
            ++caught;
        }
    }
    co_return caught;
}
/// Completes at once, and is nothing that this library knows.
struct foreign_event {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> waiting) const { waiting.resume(); }
    void await_resume() const noexcept {}
};
task<long> foreign_between(int rounds) {
    long sum = 0;
    for (int i = 0; i < rounds; ++i) {
        co_await foreign_event{};
        sum += co_await value(1);
        co_await mitogen::sleep_for(0ms);
        sum += co_await loop_of(1000);
    }
    co_return sum;
}
task<int> fails_inside(int n) {
    co_await mitogen::sleep_for(0ms);
    if (n > 0) co_return co_await fails_inside(n - 1);
    throw std::out_of_range("inside");
}
task<std::string> catches(int n) {
    try {
        co_await fails_inside(n);
    } catch (const std::out_of_range& e) {
        co_return e.what();
    }
    co_return "nothing";
}

/// Makes a child of its own and asks it.
task<int> asks(mitogen::router& here, int count) {
    // g++ 12 destroys an aggregate twice that a co_await expression makes
    const mitogen::local method{.name = "below"};
    auto below = co_await here.connect_async(method);
    int sum = 0;
    for (int i = 0; i < count; ++i) sum += co_await below.call_async<&echo>(i);
    co_return sum;
}
task<std::string> asks_for_trouble(mitogen::router& here) {
    const mitogen::local method{.name = "below"}; // see above
    auto below = co_await here.connect_async(method);
    try {
        co_await below.call_async<&boom>(3);
    } catch (const mitogen::call_error& e) {
        co_return e.what();
    }
    co_return "nothing";
}

/// Goes on when as many have come.
task<int> together(int count) {
    static int here = 0;
    ++here;
    while (here < count) co_await mitogen::sleep_for(1ms);
    co_return here;
}

/// Says that it runs; waits; says by which error the wait has ended.
task<int> waits(int started, int ended) {
    generic::shared_pipe::post(started);
    try {
        co_await mitogen::sleep_for(1h);
    } catch (const mitogen::cancelled_error& e) {
        if (e.detail().canceller == mitogen::root_id) generic::shared_pipe::post(ended);
        throw;
    }
    co_return 0;
}
/// The same, in a call to a child that hangs; says that the child was told.
task<int> waits_for_child(mitogen::router& here, int started, int stopped, int ended) {
    const mitogen::local method{.name = "below"}; // see above
    auto below = co_await here.connect_async(method);
    try {
        co_return co_await below.call_async<&generic::until_stopped>(started, stopped);
    } catch (const mitogen::cancelled_error&) {
        generic::shared_pipe::post(ended);
        throw;
    }
}
/// Tries again and again, whatever it is told, a number of times.
task<int> stubborn(int started, int times) {
    generic::shared_pipe::post(started);
    int refused = 0;
    for (int i = 0; i < times; ++i) {
        try {
            co_await mitogen::sleep_for(1h);
        } catch (const mitogen::cancelled_error&) {
            ++refused;
        }
    }
    co_return refused;
}
/// Ends because of its stop token, not of its waits.
task<int> polls(int started, std::stop_token stop) {
    generic::shared_pipe::post(started);
    int rounds = 0;
    try {
        for (; !stop.stop_requested(); ++rounds) co_await mitogen::sleep_for(1ms);
    } catch (const mitogen::cancelled_error&) {
        co_return stop.stop_requested() ? 1 : 2;
    }
    co_return 3;
}
std::string who(mitogen::caller& from) { return std::to_string(from.id); }
task<std::string> who_later(mitogen::caller& from) {
    co_await mitogen::sleep_for(1ms);
    co_return std::to_string(from.id);
}

/// A chain's calls note in which order they ran.
std::string notes;
task<int> note(std::string what, bool fail) {
    notes += what;
    co_await mitogen::sleep_for(5ms);
    notes += what;
    if (fail) throw std::out_of_range("the " + what + " fails");
    co_return static_cast<int>(notes.size());
}
std::string noted() { return notes; }

} // namespace task_test

using namespace task_test;

TEST_CASE("a remote task is called as any other function") {
    generic::tree tree;
    auto child = tree.root.local();
    CHECK(child.call<&at_once>(2, 3) == 5);
    CHECK(child.call<&later>(2, 3) == 5);
    child.call<&nothing>();
    const std::string large(100'000, 'e');
    CHECK(child.call<&joined>("abc", std::vector<std::string>{"d", large}) == "abcd" + large + "a");
    CHECK(*child.call<&owned>(7) == 7);
    CHECK(child.call<&sum_to>(500) == 125'250);
    CHECK(child.call<&who_later>() == child.call<&who>());
    child.call_no_reply<&later>(1, 2);
    static_assert(std::is_same_v<decltype(child.call_async<&later>(1, 2)), mitogen::future<int>>);
    CHECK(mitogen::detail::entry_of<&later>().signature() == "(i32,i32)->i32");
}

TEST_CASE("tasks that end without waiting take no stack, however many are awaited") {
    // With 30 bytes of stack for each it would be more than a thread has.
    constexpr int many = 300'000;
    generic::tree tree;
    auto child = tree.root.local();
    CHECK(child.call<&loop_of>(many) == many);
    CHECK(child.call<&loop_of_failures>(30'000) == 30'000);
    CHECK(child.call<&sum_to>(60'000) == 60'000 * (60'001 / 2) + 30'000);
    CHECK(mitogen::block_on(tree.root, loop_of(many)) == many);
}

TEST_CASE("a task goes on in order behind something foreign that it awaited") {
    generic::tree tree;
    auto child = tree.root.local();
    CHECK(child.call<&foreign_between>(20) == 20 * 1001);
}

TEST_CASE("a task waits for calls that it makes") {
    generic::tree tree;
    auto child = tree.root.local();
    CHECK(child.call<&asks>(20) == 190);
    CHECK(generic::contains(child.call<&asks_for_trouble>(), "boom 3"));
}

TEST_CASE("what a task throws arrives with type and text") {
    generic::tree tree;
    auto child = tree.root.local();
    for (const auto& failed :
         {child.try_call<&fails_inside>(5), child.try_call<&fails_at_once>()}) {
        REQUIRE(!failed);
        CHECK(failed.error().reason() == mitogen::reason::remote_exception);
        CHECK(failed.error().detail().type == "std::out_of_range");
    }
    CHECK(child.call<&catches>(5) == "inside");
}

TEST_CASE("thousands of tasks run in one child at once, beside a function that blocks") {
    generic::tree tree;
    generic::shared_pipe started, go_on;
    auto busy = tree.root.local();
    auto held = busy.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 1);
    started.wait();
    constexpr int count = 3000;
    std::vector<mitogen::future<int>> all;
    for (int i = 0; i < count; ++i) all.push_back(busy.call_async<&together>(count));
    int right = 0;
    for (auto& f : all) right += f.get() == count;
    CHECK(right == count);
    go_on.post();
    CHECK(held.get() == 1);
}

TEST_CASE("cancelling a task ends what it waits for") {
    generic::tree tree;
    generic::shared_pipe started, stopped, ended;
    auto child = tree.root.local();
    SECTION("by its caller") {
        auto f = child.call_async<&waits>(started.write_end(), ended.write_end());
        started.wait();
        f.cancel();
        CHECK(f.outcome().error().reason() == mitogen::reason::cancelled);
        CHECK(ended.wait());
    }
    SECTION("by dropping the future") {
        {
            auto f = child.call_async<&waits>(started.write_end(), ended.write_end());
            started.wait();
        }
        CHECK(ended.wait());
    }
    SECTION("by a deadline") {
        const auto r = child.within(1s).try_call<&waits>(started.write_end(), ended.write_end());
        CHECK(r.error().reason() == mitogen::reason::timeout);
        CHECK(ended.wait());
    }
    SECTION("and the calls that it has made") {
        auto f = child.call_async<&waits_for_child>(started.write_end(), stopped.write_end(),
                                                    ended.write_end());
        started.wait();
        f.cancel();
        CHECK(ended.wait());
        CHECK(stopped.wait());
    }
    SECTION("every time") {
        auto f = child.call_async<&stubborn>(started.write_end(), 1000);
        started.wait();
        tree.root.node().cancel_call(*f.state());
        CHECK(f.get() == 1000);
    }
    SECTION("and fires its stop token before") {
        auto f = child.call_async<&polls>(started.write_end());
        started.wait();
        tree.root.node().cancel_call(*f.state());
        CHECK((f.get() & 1) == 1);
    }
    CHECK(child.call<&later>(1, 1) == 2);
}

TEST_CASE("calls of one chain run one after the other, and fail after the first that fails") {
    generic::tree tree;
    auto child = tree.root.local();
    {
        auto chain = child.chain();
        auto a = chain.call_async<&note>("a", false);
        auto b = chain.call_async<&note>("b", false);
        auto c = chain.call_async<&note>("c", true);
        auto d = chain.call_async<&note>("d", false);
        auto e = chain.call_async<&note>("e", false);
        b.get();
        CHECK(generic::contains(c.try_get().error().what(), "the c fails"));
        CHECK(generic::contains(d.try_get().error().what(), "the c fails"));
        CHECK(generic::contains(e.try_get().error().what(), "the c fails"));
        CHECK(a.get() == 2);
    }
    CHECK(child.call<&noted>() == "aabbcc");
    auto again = child.chain();
    CHECK(again.call<&note>("f", false) == 8);
}

TEST_CASE("a child that ends cancels its tasks") {
    generic::tree tree;
    generic::shared_pipe started, ended;
    auto child = tree.root.local();
    std::vector<mitogen::future<int>> all;
    for (int i = 0; i < 10; ++i) all.push_back(child.call_async<&stubborn>(started.write_end(), 3));
    auto chained = child.chain();
    for (int i = 0; i < 3; ++i)
        all.push_back(chained.call_async<&stubborn>(started.write_end(), 3));
    for (int i = 0; i < 11; ++i) started.wait();
    const mitogen::exit_status end = child.shutdown().get();
    CHECK(end.code == 0);
    CHECK(end.signal == 0);
    for (auto& f : all) static_cast<void>(f.try_get()); // an answer for each
}

TEST_CASE("abandoned tasks leave nothing behind") {
    generic::tree tree;
    generic::shared_pipe started, ended;
    auto child = tree.root.local();
    for (int round = 0; round < 10; ++round) {
        std::vector<mitogen::future<int>> all;
        for (int i = 0; i < 200; ++i) all.push_back(child.call_async<&together>(1 << 30));
    }
    CHECK(child.call<&later>(2, 2) == 4);
    CHECK(support::open_answers(tree.root) == 0);
}
