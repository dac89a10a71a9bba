// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace group_test {

using mitogen::context;
using mitogen::group;

int own_id(mitogen::router& here) { return static_cast<int>(here.id()); }
int minus(int a, int b) { return a - b; }
void nothing() {}
int fails_in(mitogen::router& here, const group& whose) {
    if (whose.contains(here.myself())) throw std::runtime_error("told to");
    return static_cast<int>(here.id());
}
/// Dies in some, and answers in the others.
int dies_in(mitogen::router& here, const group& whose) {
    if (whose.contains(here.myself())) generic::end_by_signal(SIGKILL);
    return 1;
}
int waits_in(mitogen::router& here, const group& whose, std::stop_token stop) {
    return whose.contains(here.myself()) ? generic::wait_for_stop(std::move(stop)) : 7;
}
int fails_or_waits(mitogen::router& here, const group& fail, std::stop_token stop) {
    fails_in(here, fail);
    return generic::wait_for_stop(std::move(stop));
}
std::vector<int>& noted() {
    static std::vector<int> all;
    return all;
}
void note(int n) { noted().push_back(n); }
std::vector<int> notes() { return noted(); }
int sum_below(mitogen::router&, const group& whole) {
    int sum = 0;
    for (const auto& [who, value] : whole.call<&own_id>()) sum += *value;
    return sum;
}
group children(mitogen::router& here) { return group{here.local(), here.local()}; }
int group_on_loop(const group& whole) {
    return static_cast<int>(whole.call<&own_id>()[0].value.error().reason());
}

} // namespace group_test

template <>
inline constexpr auto mitogen::run_on<&group_test::waits_in> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&group_test::fails_or_waits> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&group_test::group_on_loop> = mitogen::on::loop;

namespace {
using namespace group_test;
using namespace std::chrono_literals;
using generic::thrown_by;
using generic::tree;
using mitogen::call_phase;
using mitogen::percent;
using mitogen::reason;

struct fleet : tree {
    std::vector<context> all;
    explicit fleet(int size) {
        for (int i = 0; i < size; ++i)
            all.push_back(root.local({.name = "web" + std::to_string(i + 1)}));
    }
    group whole() const { return group(all); }
};
std::vector<int> ids_of(const group& g) {
    std::vector<int> ids;
    for (const context& one : g) ids.push_back(static_cast<int>(one.id()));
    return ids;
}

TEST_CASE("a group has each context once, at its first place") {
    fleet f(4);
    const context a = f.all[0], b = f.all[1], c = f.all[2], d = f.all[3];
    const group g{b, a, b, c, a};
    CHECK(ids_of(g) == ids_of(group{b, a, c}));
    CHECK(g.size() == 3);
    CHECK(g[1] == a);
    CHECK(g.contains(c));
    CHECK_FALSE(g.contains(d));
    CHECK(ids_of(g.unite({d, b})) == ids_of(group{b, a, c, d}));
    CHECK(ids_of(g.subtract({a})) == ids_of(group{b, c}));
    CHECK(ids_of(g.intersect({c, b, d})) == ids_of(group{b, c}));
    CHECK(ids_of(g.slice({.first = 1})) == ids_of(group{a, c}));
    CHECK(ids_of(g.slice({.count = 1})) == ids_of(group{b}));
    CHECK(g.slice({.first = 9}).empty());
    CHECK(g == group{c, b, a});
    CHECK_FALSE(g == group{c, b, d});
    CHECK(g.names().fold() == "web[1-3]");
    CHECK(g.fold() == "web[1-3]");
    CHECK(ids_of(g.named("web[3-9],web1")) == ids_of(group{a, c}));
    CHECK(g.named("").empty());
    CHECK(g.try_named("web[3-1]").error().reason() == reason::bad_arguments);
    CHECK(thrown_by([&] { group{a, context{}}; }).reason() == reason::misuse);
    tree other;
    CHECK(thrown_by([&] { g.unite({other.root.myself()}); }).reason() == reason::misuse);
}

TEST_CASE("an empty group calls nobody") {
    const group none;
    CHECK(none.call<&own_id>().empty());
    CHECK(none.call<&own_id>().or_throw().empty());
    CHECK(none.gather<&own_id>().empty());
    CHECK(none.call_async<&own_id>().get().empty());
    CHECK(none.call_no_reply<&nothing>().empty());
    CHECK(none.at_once(2).call<&own_id>().empty());
    for (auto&& one : none.stream<&own_id>()) FAIL(one.name());
    CHECK(none.reduce<&minus>().call<&own_id>().error().reason() == reason::misuse);
}

TEST_CASE("each member's result is its own, in the order of the group") {
    fleet f(5);
    const group g = f.whole();
    const auto results = g.call<&dies_in>(group{f.all[1], f.all[3]});
    REQUIRE(results.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        const auto& [who, value] = results[i];
        CHECK(who == f.all[i]);
        CHECK(value.has_value() == (i % 2 == 0));
        CHECK(results[i].phase == (i % 2 == 0 ? call_phase::answered : call_phase::sent));
    }
    CHECK(results[3].value.error().reason() == reason::respondent_lost);
    CHECK(results[3].name() == "web4");
    CHECK(results.failures() == 2);
    const mitogen::error all = thrown_by([&] { (void)results.or_throw(); });
    CHECK(all.reason() == reason::several);
    CHECK(all.members().size() == 2);
    const auto again = g.call<&own_id>(); // who is lost is not asked
    CHECK(again[1].phase == call_phase::not_sent);
    CHECK(again[4].value.value() == static_cast<int>(f.all[4].id()));
}

TEST_CASE("one failure is an error_group too") {
    fleet f(2);
    CHECK_THROWS_AS((f.whole().call<&fails_in>(group{f.all[0]}).or_throw()), mitogen::error_group);
    CHECK(f.whole().call<&own_id>().or_throw() == ids_of(f.whole()));
    f.whole().call<&nothing>().or_throw();
}

TEST_CASE("group calls and single calls keep one order, each once") {
    fleet f(3);
    const group g = f.whole();
    for (int i = 0; i < 30; i += 3) {
        (void)g.call_no_reply<&note>(i);
        f.all[1].call_no_reply<&note>(i + 1);
        (void)g.call_async<&note>(i + 2).get();
    }
    const auto seen = g.call<&notes>().or_throw();
    for (std::size_t who = 0; who < 3; ++who) {
        std::vector<int> expected;
        for (int i = 0; i < 30; ++i)
            if (i % 3 != 1 || who == 1) expected.push_back(i);
        CHECK(seen[who] == expected);
    }
}

TEST_CASE("a stream gives results as they come, and cancels the rest when it is left") {
    fleet f(3);
    {
        std::size_t seen = 0;
        for (auto&& [who, value] : f.whole().stream<&waits_in>(group{f.all[0]})) {
            CHECK(who != f.all[0]);
            CHECK(value.value() == 7);
            if (++seen == 2) break;
        }
        CHECK(seen == 2);
    }
    auto one = group{f.all[1]}.stream<&generic::length>("text"); // arguments are kept
    const auto result = one.next();
    REQUIRE(result);
    CHECK(result->value.value() == 4);
    CHECK_FALSE(one.next());
}

TEST_CASE("the first answers end the others") {
    fleet f(4);
    const auto two = f.whole().first(2).call<&waits_in>(group{f.all[0], f.all[2]});
    REQUIRE(two.size() == 2);
    CHECK(two[0].value.value() == 7);
    CHECK(two.failures() == 0);
    // fewer than wanted: all that there are, then the failures
    const auto all = f.whole().first(4).call<&fails_in>(group{f.all[0]});
    REQUIRE(all.size() == 4);
    CHECK(all[3].who == f.all[0]);
    CHECK_FALSE(all[3].value);
    CHECK(f.whole().first(0).call<&own_id>().empty());
    CHECK(f.whole().first(2).at_once(1).reduce<&minus>().call<&own_id>().value() ==
          static_cast<int>(f.all[0].id()) - static_cast<int>(f.all[1].id()));
}

TEST_CASE("reductions merge in the order of the group") {
    fleet f(3);
    const auto id = [&](std::size_t i) { return static_cast<int>(f.all[i].id()); };
    const group g = f.whole();
    CHECK(g.reduce<&minus>().call<&own_id>().value() == id(0) - id(1) - id(2));
    const auto part = g.reduce<&minus>().call<&fails_in>(group{f.all[1]});
    CHECK_FALSE(part);
    CHECK(part.error().reason() == reason::several);
    CHECK(part.partial().value() == id(0) - id(2));
    CHECK(part.failures().size() == 1);
    const auto allowed =
        g.allow_failures(1).reduce<&minus>().call<&fails_in>(group{f.all[1]});
    CHECK(allowed.value() == id(0) - id(2));
    CHECK(allowed.failures()[0].who == f.all[1]);
}

TEST_CASE("equal results are one kind, in the order of the first member") {
    fleet f(5);
    const auto kinds = f.whole().gather<&waits_in>(group{});
    REQUIRE(kinds.size() == 1);
    CHECK(kinds[0].members == f.whole());
    const auto mixed = f.whole().slice({.count = 4}).gather<&dies_in>(group{f.all[0], f.all[2]});
    REQUIRE(mixed.size() >= 2);
    CHECK_FALSE(mixed[0].value);
    CHECK(mixed[0].members.contains(f.all[0]));
    CHECK(mixed[1].value.value() == 1);
    CHECK(ids_of(mixed[1].members) == ids_of(group{f.all[1], f.all[3]}));
    const auto silent = group{f.all[1], f.all[4]}.gather<&nothing>(); // no output is a kind
    CHECK(silent.size() == 1);
    const auto threw = group{f.all[1], f.all[3], f.all[4]}.gather<&fails_in>(
        group{f.all[1], f.all[4]});
    REQUIRE(threw.size() == 2);
    CHECK(threw[0].value.error().message() == "told to");
    CHECK(ids_of(threw[0].members) == ids_of(group{f.all[1], f.all[4]}));
}

TEST_CASE("behind the budget of failures nothing begins, and the results say so") {
    fleet f(6);
    const group g = f.whole();
    const group bad{f.all[1], f.all[2]};
    const auto batches = g.in_batches(2).allow_failures(0).call<&fails_in>(bad);
    REQUIRE(batches.size() == 6);
    CHECK(batches[0].value);
    CHECK(batches[1].value.error().message() == "told to");
    for (std::size_t i = 2; i < 6; ++i) {
        CHECK(batches[i].value.error().reason() == reason::withheld);
        CHECK(batches[i].phase == call_phase::not_sent);
        CHECK_THROWS_AS(batches[i].value.value(), mitogen::withheld_error);
    }
    CHECK(g.at_once(1).allow_failures(1).call<&fails_in>(bad).failures() == 5);
    CHECK(g.in_batches(percent(50)).allow_failures(2).call<&fails_in>(bad).failures() == 2);
    CHECK(g.in_batches(1).call<&fails_in>(bad).failures() == 2); // no budget: all run
}


TEST_CASE("what runs behind the budget is cancelled where that is asked for") {
    fleet f(3);
    const auto results =
        f.whole().allow_failures(0).cancel_running().call<&fails_or_waits>(group{f.all[1]});
    CHECK(results[0].value.error().reason() == reason::cancelled);
    CHECK(results[1].value.error().message() == "told to");
    CHECK(results[2].value.error().reason() == reason::cancelled);
}

TEST_CASE("a deadline is one for all, and concerns who has not answered") {
    fleet f(3);
    const auto results = f.whole().within(300ms).call<&waits_in>(group{f.all[1]});
    CHECK(results[0].value.value() == 7);
    CHECK(results[1].value.error().reason() == reason::timeout);
    CHECK(results[1].phase == call_phase::sent);
    CHECK(results[2].value.value() == 7);
    const auto rolling = f.whole().within(300ms).at_once(1).call<&waits_in>(group{f.all[0]});
    CHECK(rolling[0].value.error().reason() == reason::timeout);
    CHECK(rolling[2].value.error().reason() == reason::timeout);
    CHECK(rolling[2].phase == call_phase::not_sent);
}

TEST_CASE("a stop token cancels all members, and one that was set already begins none") {
    fleet f(2);
    std::stop_source stop;
    auto pending = f.whole().with(stop.get_token()).call_async<&waits_in>(f.whole());
    CHECK_FALSE(pending.wait_for(0s));
    stop.request_stop();
    for (const auto& [who, value] : pending.get())
        CHECK(value.error().reason() == reason::cancelled);
    for (const auto& one : f.whole().with(stop.get_token()).at_once(1).call<&own_id>()) {
        CHECK(one.value.error().reason() == reason::cancelled);
        CHECK(one.phase == call_phase::not_sent);
    }
}

TEST_CASE("the scope of the caller ends the calls of a group") {
    fleet f(3);
    mitogen::scope bounded{200ms};
    const auto results = f.whole().call<&waits_in>(group{f.all[2]});
    CHECK(results[0].value.value() == 7);
    CHECK(results[2].value.error().reason() == reason::timeout);
}

TEST_CASE("groups are arguments and results, and are called from functions in children") {
    tree t;
    const context head = t.root.local();
    const group two = head.call<&children>();
    REQUIRE(two.size() == 2);
    CHECK(head.call<&sum_below>(two) == ids_of(two)[0] + ids_of(two)[1]);
    const context above = t.root.local();
    CHECK(above.call<&group_on_loop>(group{above}) == static_cast<int>(reason::misuse));
}

TEST_CASE("a task takes each answer of a group") {
    fleet f(3);
    auto pending = f.whole().call_async<&own_id>();
    std::vector<int> seen;
    for (auto& one : mitogen::as_completed(pending)) seen.push_back(one.get());
    CHECK(seen.size() == 3);
    CHECK(pending.done());
}

} // namespace
