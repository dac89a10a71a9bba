// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/raw_link.hpp"
#include "../support/engine.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <coroutine>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace future_test {

std::atomic<int> executed{0};
int count_up() { return ++executed; }
int fail_with(int code) {
    if (code) throw std::runtime_error("code " + std::to_string(code));
    return ++executed;
}
int executions() { return executed.load(); }

/// A coroutine that nobody waits for.
struct fire_and_forget {
    struct promise_type {
        fire_and_forget get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};

} // namespace future_test

namespace {
using namespace future_test;
using namespace std::chrono_literals;
using generic::contains;
using generic::shared_pipe;
using generic::tree;
using mitogen::reason;

TEST_CASE("calls are pipelined, and their answers wait until they are asked for") {
    tree t;
    mitogen::context child = t.root.local();
    std::vector<mitogen::future<int>> all;
    for (int i = 0; i < 1000; ++i) all.push_back(child.call_async<&generic::add>(i, 1));
    for (int i = 999; i >= 0; --i) CHECK(all[static_cast<std::size_t>(i)].get() == i + 1);
    CHECK(support::open_answers(t.root) == 0);
    mitogen::future<int> moved_from = child.call_async<&generic::add>(1, 1);
    mitogen::future<int> moved_to = std::move(moved_from);
    CHECK_FALSE(moved_from.valid());
    CHECK(moved_to.get() == 2);
    mitogen::future<int> empty;
    CHECK_FALSE(empty.valid());
}

TEST_CASE("get_for ends the wait, not the call") {
    shared_pipe started, go_on;
    tree t;
    mitogen::context child = t.root.local();
    auto answer = child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 5);
    CHECK(started.wait());
    CHECK_THROWS_AS(answer.get_for(2ms), mitogen::timeout_error);
    CHECK_FALSE(answer.done());
    const auto in_vain = answer.try_get_for(0ms);
    REQUIRE_FALSE(in_vain.has_value());
    CHECK(in_vain.error().reason() == reason::timeout);
    go_on.post();
    CHECK(answer.get_for(generic::plenty) == 5);
    CHECK(answer.done());
}

TEST_CASE("cancel: a call that runs is told to stop, one that waits never runs") {
    shared_pipe started, stopped, ran;
    tree t;
    mitogen::context child = t.root.local();
    auto running =
        child.call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
    CHECK(started.wait());
    auto waiting = child.call_async<&generic::hold>(ran.write_end(), ran.read_end(), 1);
    waiting.cancel();
    CHECK(waiting.done());
    CHECK_THROWS_AS(waiting.get(), mitogen::cancelled_error);
    running.cancel();
    CHECK(stopped.wait());
    CHECK_THROWS_AS(running.get(), mitogen::cancelled_error);
    running.cancel(); // once more: nothing happens
    CHECK(child.call<&generic::add>(1, 1) == 2);
    CHECK(ran.empty());
    auto done = child.call_async<&generic::add>(2, 2);
    CHECK(done.get() == 4);
    done.cancel(); // too late: the value stands
    CHECK(done.get() == 4);
}

TEST_CASE("a future that is dropped gives its call up") {
    shared_pipe started, stopped;
    tree t;
    mitogen::context child = t.root.local();
    {
        auto dropped =
            child.call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
        CHECK(started.wait());
    }
    CHECK(stopped.wait());
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("within: whoever waits is released, the callee is stopped, the late answer is dropped") {
    shared_pipe started, stopped;
    tree t;
    mitogen::context child = t.root.local();
    const auto expedited = child.within(1s); // time to start, however busy the machine is
    CHECK_THROWS_AS(
        expedited.call<&generic::until_stopped>(started.write_end(), stopped.write_end()),
        mitogen::timeout_error);
    CHECK(started.wait());
    CHECK(stopped.wait());
    auto later =
        expedited.call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
    CHECK(started.wait());
    CHECK_THROWS_AS(later.get(), mitogen::timeout_error);
    CHECK(stopped.wait());
    CHECK(child.within(generic::plenty).call<&generic::add>(1, 1) == 2);
    auto in_time = child.within(generic::plenty).call_async<&generic::add>(1, 1);
    CHECK(in_time.get() == 2);
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("with: a stop token cancels from outside") {
    shared_pipe started, stopped;
    tree t;
    mitogen::context child = t.root.local();
    SECTION("a call that somebody waits for") {
        std::stop_source source;
        std::thread other([&] {
            started.wait();
            source.request_stop();
        });
        CHECK_THROWS_AS(
            child.with(source.get_token())
                .call<&generic::until_stopped>(started.write_end(), stopped.write_end()),
            mitogen::cancelled_error);
        other.join();
        CHECK(stopped.wait());
    }
    SECTION("a call that nobody waits for yet") {
        std::stop_source source;
        auto answer =
            child.with(source.get_token())
                .call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
        CHECK(started.wait());
        source.request_stop();
        CHECK(answer.done());
        CHECK_THROWS_AS(answer.get(), mitogen::cancelled_error);
        CHECK(stopped.wait());
    }
    SECTION("a token that has fired already") {
        std::stop_source source;
        source.request_stop();
        CHECK_THROWS_AS(
            child.with(source.get_token())
                .call<&generic::until_stopped>(started.write_end(), stopped.write_end()),
            mitogen::cancelled_error);
        auto answer =
            child.with(source.get_token())
                .call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
        CHECK_THROWS_AS(answer.get(), mitogen::cancelled_error);
    }
    SECTION("one that never fires, and together with a deadline") {
        std::stop_source source;
        CHECK(child.with(source.get_token()).call<&generic::add>(1, 1) == 2);
        CHECK(child.with(source.get_token())
                  .within(generic::plenty)
                  .call_async<&generic::add>(1, 1)
                  .get() == 2);
        CHECK(child.within(generic::plenty).with(source.get_token()).call<&generic::add>(1, 1) ==
              2);
    }
    CHECK(child.call<&generic::add>(1, 1) == 2);
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("then runs once, whether the answer is there or comes") {
    shared_pipe started, go_on, told;
    tree t;
    mitogen::context child = t.root.local();
    auto answer = child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 1);
    std::atomic<int> runs{0};
    answer.then([&] {
        ++runs;
        told.post();
    });
    answer.then([&] {
        ++runs;
        told.post();
    });
    CHECK(runs == 0);
    go_on.post();
    CHECK(told.wait());
    CHECK(told.wait());
    CHECK(answer.get() == 1);
    answer.then([&] { ++runs; });
    CHECK(runs == 3);
}

TEST_CASE("a coroutine awaits values and errors") {
    shared_pipe told;
    std::string seen;
    tree t;
    mitogen::context child = t.root.local();
    const auto work = [](mitogen::context c, std::string& out,
                         const shared_pipe& done) -> fire_and_forget {
        out += std::to_string(co_await c.call_async<&generic::add>(1, 2));
        try {
            co_await c.call_async<&generic::refuse>(4);
        } catch (const mitogen::call_error& e) {
            out += " " + std::string(e.message());
        }
        out += " " + std::to_string(co_await c.call_async<&generic::add>(2, 2));
        done.post();
    };
    work(child, seen, told);
    CHECK(told.wait());
    CHECK(seen == "3 no element 4 4");
}

TEST_CASE("futures outlive their router, with their value or with its end") {
    shared_pipe started, go_on;
    std::optional<mitogen::future<std::string>> value;
    std::optional<mitogen::future<int>> lost;
    std::optional<mitogen::future<int>> timed;
    {
        tree t;
        mitogen::context child = t.root.local();
        value = child.call_async<&generic::repeat>("ab", 2);
        value->wait_until(mitogen::never);
        lost = child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 1);
        timed =
            child.within(1h).call_async<&generic::hold>(started.write_end(), go_on.read_end(), 1);
        CHECK(started.wait());
        go_on.close_write_end(); // it returns, and the other one may run
    }
    CHECK(value->get() == "abab");
    for (auto* f : {&*lost, &*timed}) {
        CHECK(f->done());
        const auto end = f->try_get();
        if (!end) CHECK(end.error().kind() == mitogen::kind::disconnected);
        f->then([] {});
        f->cancel();
    }
}

TEST_CASE("a hundred thousand calls that are given up leave nothing behind") {
    shared_pipe started, go_on;
    tree t;
    mitogen::context child = t.root.local();
    auto first = child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 1);
    CHECK(started.wait());
    const int before = executed.load();
    const auto expedited = child.within(1h);
    for (int i = 0; i < 50'000; ++i) {
        auto a = child.call_async<&count_up>();
        auto b = expedited.call_async<&count_up>();
        if (i % 2) a.cancel();
    }
    CHECK(support::open_answers(t.root) == 1);
    child.ping().get(); // the cancellations are there
    go_on.post();
    CHECK(first.get() == 1);
    CHECK(child.call<&executions>() == before);
    CHECK(support::open_answers(t.root) == 0);
}

// ---- chains

TEST_CASE("after a failure the later calls of a chain fail the same way and do not run") {
    tree t;
    mitogen::context child = t.root.local();
    const int before = child.call<&executions>();
    auto chain = child.chain();
    auto a = chain.call_async<&fail_with>(0);
    auto b = chain.call_async<&fail_with>(7);
    auto c = chain.call_async<&fail_with>(0);
    auto d = chain.call_async<&fail_with>(8);
    chain.call_no_reply<&fail_with>(0);
    CHECK(a.get() == before + 1);
    const mitogen::error first = generic::thrown_by([&] { b.get(); });
    CHECK(first.message() == "code 7");
    for (auto* f : {&c, &d}) {
        const mitogen::error later = generic::thrown_by([&] { f->get(); });
        CHECK(later.reason() == reason::remote_exception);
        CHECK(std::string(later.what()) == first.what());
    }
    CHECK(generic::thrown_by([&] { chain.call<&fail_with>(0); }).message() == "code 7");
    auto other = child.chain(); // is not concerned
    CHECK(other.call<&fail_with>(0) == before + 2);
    CHECK(child.call<&fail_with>(0) == before + 3);
    chain.reset();
    CHECK(chain.call<&fail_with>(0) == before + 4);
    CHECK(generic::thrown_by([&] { chain.call<&fail_with>(9); }).message() == "code 9");
}

TEST_CASE("a chain that ends takes nothing back from its calls that still wait") {
    shared_pipe started, go_on;
    tree t;
    mitogen::context child = t.root.local();
    const int before = child.call<&executions>();
    for (int round = 0; round < 20; ++round) {
        std::vector<mitogen::future<int>> later;
        {
            auto chain = child.chain();
            auto failing = chain.call_async<&fail_with>(1);
            auto held = child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 1);
            for (int i = 0; i < 3; ++i) later.push_back(chain.call_async<&fail_with>(0));
            CHECK_THROWS_AS(failing.get(), mitogen::call_error);
            CHECK(started.wait());
            chain.reset(); // overtakes on the loop what waits for the main thread
            child.ping().get();
            go_on.post();
            CHECK(held.get() == 1);
        }
        for (auto& f : later) CHECK(generic::thrown_by([&] { f.get(); }).message() == "code 1");
    }
    CHECK(child.call<&executions>() == before);
}

TEST_CASE("thousands of chains that fail do not keep others from failing as they should") {
    generic::log_capture quiet;
    tree t;
    mitogen::context child = t.root.local();
    auto kept = child.chain();
    for (int i = 0; i < 5000; ++i) {
        auto chain = child.chain();
        chain.call_no_reply<&fail_with>(2);
    }
    CHECK_THROWS_AS(kept.call<&fail_with>(3), mitogen::call_error);
    CHECK(generic::thrown_by([&] { kept.call<&fail_with>(0); }).message() == "code 3");
}

} // namespace
