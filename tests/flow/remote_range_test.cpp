// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace range_test {

using generic::shared_pipe;
using namespace std::chrono_literals;
using mitogen::generator;

struct note {
    int fd;
    ~note() { shared_pipe::post(fd); }
};
generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
generator<std::string> repeat(const std::string& text, int times, int destroyed) {
    const note last{destroyed};
    for (int i = 0; i < times; ++i) co_yield text;
}
/// Stops by itself where it is: nobody takes anything.
generator<std::string> large(int bytes, int destroyed) {
    const note last{destroyed};
    const std::string item(static_cast<std::size_t>(bytes), 'x');
    for (;;) co_yield item;
}
generator<int> throws_after(int n, int destroyed) {
    const note last{destroyed};
    for (int i = 0; i < n; ++i) co_yield i;
    throw std::out_of_range("no element " + std::to_string(n));
}
generator<std::string_view> words(std::string_view text) {
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        co_yield text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
    }
}
generator<std::unique_ptr<int>> owners(int n) {
    for (int i = 0; i < n; ++i) co_yield std::make_unique<int>(i);
}
generator<mitogen::context> contexts(mitogen::router& here, int n) {
    for (int i = 0; i < n; ++i) {
        // not in the expression that is yielded: g++ 12 destroys default arguments there twice
        mitogen::context made = here.local();
        co_yield made;
    }
}
generator<int> hangs(int running, int go_on) {
    co_yield 1;
    shared_pipe::post(running);
    shared_pipe::wait(go_on);
    co_yield 2;
}
generator<int> empty() { co_return; }
generator<int> throws_at_once() {
    if (true) throw std::runtime_error("at once");
    co_return;
}
/// No coroutine: makes one, or fails before there is one.
generator<int> fails_before(bool fail) {
    if (fail) throw std::runtime_error("before");
    return count(3);
}
generator<int> on_the_loop(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
mitogen::context child_of(mitogen::router& here) { return here.local({.name = "below"}); }

} // namespace range_test

template <>
inline constexpr auto mitogen::run_on<&range_test::on_the_loop> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&range_test::large> = mitogen::on::pool;

namespace {
using namespace range_test;
using generic::contains;
using generic::thrown_by;
using generic::tree;
using mitogen::reason;

template <class Range>
auto all_of(Range&& range) {
    std::vector<typename std::remove_cvref_t<Range>::value_type> all;
    for (auto& v : range) all.push_back(std::move(v));
    return all;
}

TEST_CASE("a remote range has the generator's items in order, and then the end, every time") {
    tree t;
    mitogen::context child = t.root.local();
    std::vector<int> expected;
    for (int i = 0; i < 100'000; ++i) expected.push_back(i);
    CHECK(all_of(child.stream<&count>(100'000)) == expected);
    CHECK(all_of(child.stream<&empty>()).empty());
    auto range = child.stream<&count>(1);
    CHECK(range.get() == 0);
    for (int i = 0; i < 3; ++i) CHECK(range.try_get().error().reason() == reason::end_of_stream);
    CHECK(range.ended());
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE(
    "an exception of the generator comes behind what it has yielded, as itself and every time") {
    shared_pipe destroyed;
    tree t;
    mitogen::context child = t.root.local();
    auto range = child.stream<&throws_after>(3, destroyed.write_end());
    for (int i = 0; i < 3; ++i) CHECK(range.get() == i);
    for (int i = 0; i < 3; ++i) CHECK(range.try_get().error().message() == "no element 3");
    CHECK(range.try_get().error().detail().type == "std::out_of_range");
    CHECK(destroyed.wait());
    CHECK(thrown_by([&] { all_of(child.stream<&throws_at_once>()); }).message() == "at once");
    CHECK(thrown_by([&] { all_of(child.stream<&fails_before>(true)); }).message() == "before");
    CHECK(all_of(child.stream<&fails_before>(false)) == std::vector<int>{0, 1, 2});
}

TEST_CASE(
    "leaving a range destroys the generator where it stands, also while it waits for credit") {
    shared_pipe destroyed;
    tree t;
    mitogen::context child = t.root.local();
    for (const std::string& text : child.stream<&repeat>("ping", 1'000'000, destroyed.write_end()))
        if (text == "ping") break;
    CHECK(destroyed.wait());
    {
        auto left = child.stream<&large>(1 << 20, destroyed.write_end());
        mitogen::select(left).next(); // it is there, and is not taken
    }
    CHECK(destroyed.wait());
    {
        auto waits = child.stream<&large>(100'000, destroyed.write_end());
        CHECK(waits.get().size() == 100'000);
        CHECK(destroyed.empty()); // it has filled the window, and waits
    }
    CHECK(destroyed.wait());
    auto cancelled = child.stream<&large>(1000, destroyed.write_end());
    CHECK(cancelled.get().size() == 1000);
    cancelled.cancel();
    CHECK(destroyed.wait());
    while (cancelled.try_get()) continue; // what has arrived can still be taken
    CHECK(cancelled.try_get().error().reason() == reason::end_of_stream);
    CHECK(child.call<&generic::add>(1, 2) == 3);
}

TEST_CASE("leaving ranges of large items again and again leaves the link in order") {
    shared_pipe destroyed;
    tree t;
    mitogen::context child = t.root.local();
    for (int i = 0; i < 100; ++i) {
        for (const std::string& item : child.stream<&large>(8 << 20, destroyed.write_end())) {
            CHECK(item.size() == 8u << 20);
            break;
        }
        CHECK(destroyed.wait());
        CHECK(child.call<&generic::add>(i, 1) == i + 1);
    }
}

TEST_CASE("a time-out loses no item") {
    shared_pipe running, go_on;
    tree t;
    mitogen::context child = t.root.local();
    auto range = child.stream<&hangs>(running.write_end(), go_on.read_end());
    CHECK(range.get() == 1);
    CHECK(running.wait());
    for (int i = 0; i < 100; ++i)
        CHECK(range.try_get_for(std::chrono::microseconds(i)).error().reason() == reason::timeout);
    CHECK(thrown_by([&] { range.get_for(1ms); }).reason() == reason::timeout);
    go_on.post();
    CHECK(range.get() == 2);
    CHECK(range.try_get().error().reason() == reason::end_of_stream);
}

TEST_CASE("the loss of the context ends a range with the reason; a deadline does as well") {
    shared_pipe running, never;
    tree t;
    mitogen::context child = t.root.local();
    auto late = child.within(1s).stream<&hangs>(running.write_end(), never.read_end());
    CHECK(late.get() == 1);
    CHECK(late.try_get().error().reason() == reason::deadline);
    mitogen::context other = t.root.local();
    auto range = other.stream<&hangs>(running.write_end(), never.read_end());
    CHECK(range.get() == 1);
    CHECK(running.wait());
    CHECK(running.wait());
    ::kill(t.root.child_pid(other.id()), SIGKILL);
    CHECK(range.try_get().error().reason() == reason::respondent_lost);
    CHECK(range.try_get().error().detail().status.signal == SIGKILL);
    never.post();
}

TEST_CASE("items that are views, that only move, and that mean something to a context") {
    tree t;
    mitogen::context child = t.root.local();
    CHECK(all_of(child.stream<&words>("one two three")) ==
          std::vector<std::string>{"one", "two", "three"});
    int next = 0;
    for (const std::unique_ptr<int>& v : child.stream<&owners>(5)) CHECK(*v == next++);
    CHECK(next == 5);
    for (const mitogen::context& c : child.stream<&contexts>(2))
        CHECK(c.call<&generic::add>(1, 1) == 2);
    mitogen::context below = child.call<&child_of>();
    CHECK(all_of(below.stream<&count>(1000)).size() == 1000);
}

TEST_CASE("a generator on the loop never waits: what does not fit its window is an error") {
    tree t;
    mitogen::context child = t.root.local();
    CHECK(all_of(child.stream<&on_the_loop>(1000)).size() == 1000);
    const mitogen::error why = thrown_by([&] { all_of(child.stream<&on_the_loop>(1'000'000)); });
    CHECK(why.reason() == reason::overloaded);
    CHECK(contains(why.what(), "loop"));
}

} // namespace
