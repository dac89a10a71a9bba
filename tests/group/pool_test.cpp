// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <iterator>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace pool_test {

using mitogen::context;
using mitogen::group;

int square(int n) { return n * n; }
std::string prefixed(std::string_view item, std::string_view prefix) {
    return std::string(prefix) + std::string(item);
}
int dies_of(int n, int deadly) {
    if (n == deadly) generic::end_by_signal(SIGKILL);
    return n;
}
int throws_of(int n, int bad) {
    if (n == bad) throw std::runtime_error("bad item");
    return n;
}
int dies_in(mitogen::router& here, int n, const context& where) {
    if (here.myself() == where) generic::end_by_signal(SIGKILL);
    return n;
}
int throws_in(mitogen::router& here, int n, const context& where) {
    if (here.myself() == where) throw std::runtime_error("not here");
    return n;
}
int waits(int n, std::stop_token stop) {
    return n < 0 ? generic::wait_for_stop(std::move(stop)) : n;
}
/// The first waits until the second has come.
int meets(int n, int mine, int theirs) {
    return n == 0 ? generic::meet(mine, theirs, n) : (generic::shared_pipe::post(mine), n);
}
void nothing(int) {}

/// 0, 1, 2 … without end; knows how far it was drawn.
struct naturals {
    struct iterator {
        int* drawn;
        int operator*() const { return *drawn; }
        iterator& operator++() {
            ++*drawn;
            return *this;
        }
        friend bool operator==(const iterator&, std::default_sentinel_t) { return false; }
    };
    int drawn = 0;
    iterator begin() { return {&drawn}; }
    std::default_sentinel_t end() const { return {}; }
};

} // namespace pool_test

template <>
inline constexpr auto mitogen::run_on<&pool_test::waits> = mitogen::on::pool;

namespace {
using namespace pool_test;
using namespace std::chrono_literals;
using generic::thrown_by;
using generic::tree;
using mitogen::pool;
using mitogen::reason;

struct crew : tree {
    std::vector<context> all;
    explicit crew(int size) {
        for (int i = 0; i < size; ++i) all.push_back(root.local());
    }
    pool with(mitogen::pool_options options = {}) const { return pool{group(all), options}; }
};

TEST_CASE("a pool gives results in the order of its input, whoever did the work") {
    crew c(3);
    std::vector<int> input;
    for (int i = 0; i < 200; ++i) input.push_back(i);
    const std::vector<int> squares = c.with().map<&square>(input);
    REQUIRE(squares.size() == 200);
    for (int i = 0; i < 200; ++i) CHECK(squares[static_cast<std::size_t>(i)] == i * i);
    CHECK(c.with().map<&square>(std::vector<int>{}).empty());
    const char* names[] = {"a", "b"};
    CHECK(c.with().map<&prefixed>(names, "x") == std::vector<std::string>{"xa", "xb"});
    for (const auto& done : c.with().try_map<&nothing>(std::vector<int>{1, 2})) {
        CHECK(done.has_value());
        CHECK(done.begun == 1);
    }
}

TEST_CASE("a task that ends its workers is given up after its retries, and costs no other task") {
    for (const unsigned retries : {0U, 2U}) {
        crew c(5);
        const auto some =
            c.with({.retries = retries}).try_map<&dies_of>(std::vector<int>{0, 1, 2, 3}, 1);
        REQUIRE(some.size() == 4);
        CHECK(some[0].value_or(-1) == 0);
        CHECK(some[1].error().reason() == reason::respondent_lost);
        CHECK(some[1].begun == retries + 1);
        CHECK(some[3].value_or(-1) == 3);
    }
}

TEST_CASE("the task of a worker that is lost is done by another") {
    crew c(2);
    const auto some = c.with({.retries = 1}).try_map<&dies_in>(std::vector<int>{5, 6, 7}, c.all[0]);
    REQUIRE(some.size() == 3);
    CHECK(some[0].value_or(-1) == 5);
    CHECK(some[0].begun == 2);
    CHECK(some[2].value_or(-1) == 7);
}

TEST_CASE("without workers tasks are withheld, also of a pool that never had one") {
    crew c(1);
    const auto some = c.with().try_map<&dies_of>(std::vector<int>{1, 2, 3}, 1);
    REQUIRE(some.size() == 3);
    CHECK(some[0].error().reason() == reason::respondent_lost);
    CHECK(some[1].error().reason() == reason::withheld);
    CHECK(some[2].begun == 0);
    const pool none{group{}};
    CHECK(none.try_map<&square>(std::vector<int>{1})[0].error().reason() == reason::withheld);
    // those that are lost before are no workers either
    CHECK(c.with().try_map<&square>(std::vector<int>{1})[0].begun == 0);
}

TEST_CASE("what a function throws is its task's result, and tried again only where that is asked") {
    crew c(2);
    const std::vector<int> input{1, 2, 3, 4};
    const auto once = c.with({.retries = 3}).try_map<&throws_of>(input, 3);
    CHECK(once[2].error().message() == "bad item");
    CHECK(once[2].begun == 1);
    const auto often = c.with({.retries = 3, .retry_thrown = true}).try_map<&throws_of>(input, 3);
    CHECK(often[2].begun == 4);
    CHECK(thrown_by([&] { c.with().map<&throws_of>(input, 3); }).members().size() == 1);
}

TEST_CASE("a retry goes to another branch of the tree where there is one") {
    tree t;
    const context left = t.root.local({.name = "left"});
    const context right = t.root.local({.name = "right"});
    const context a = left.local(), b = left.local();
    const pool workers{group{a, b, right}, {.retries = 1, .retry_thrown = true}};
    const auto some = workers.try_map<&throws_in>(std::vector<int>{1}, a);
    CHECK(some[0].value_or(-1) == 1);
    CHECK(some[0].begun == 2);
}

TEST_CASE("input is drawn as workers are free, also without end") {
    crew c(3);
    naturals all;
    int taken = 0;
    long long sum = 0;
    for (auto&& [index, value] : c.with().stream<&square>(all)) {
        CHECK(static_cast<int>(index) <= taken + 2 * 3);
        CHECK(all.drawn - taken <= 2 * 3);
        sum += value.value() - static_cast<long long>(index) * static_cast<long long>(index);
        if (++taken == 300) break;
    }
    CHECK(sum == 0);
    CHECK(all.drawn < 300 + 2 * 3);
}

TEST_CASE("no task waits behind a busy worker while another is free") {
    generic::shared_pipe mine, theirs;
    crew c(2);
    // item 0 goes on only if all the others are done elsewhere
    std::vector<int> input{0, 1, 2, 3};
    auto results = c.with().stream<&meets>(input, mine.write_end(), theirs.read_end());
    for (int i = 0; i < 3; ++i) CHECK(results.next()->index != 0);
    theirs.post();
    CHECK(results.next()->index == 0);
    CHECK_FALSE(results.next());
}

TEST_CASE("the end of the caller's scope ends a pool's work, and is its last result") {
    crew c(2);
    mitogen::scope bounded{200ms};
    const auto some = c.with({.retries = 2}).try_map<&waits>(std::vector<int>{-1, 2, -3, 4, 5});
    REQUIRE_FALSE(some.empty());
    CHECK(some.back().error().reason() == reason::timeout);
}

TEST_CASE("of many methods each is a member, also that which fails") {
    tree t;
    using mitogen::any_method;
    const group some = t.root.connect_all(
        std::vector<any_method>{
            any_method(mitogen::local{.name = "web1"}),
            any_method(mitogen::command{.argv = {"mitogen-no-such-tool"}, .name = "web2"}),
            any_method(mitogen::local{.name = "web3"})},
        {.at_once = 2});
    REQUIRE(some.size() == 3);
    CHECK(some.connected().size() == 2);
    const auto results = some.call<&generic::add>(2, 3);
    CHECK(results[0].value.value() == 5);
    CHECK(results[1].value.error().kind() != mitogen::kind::disconnected);
    CHECK(results[1].phase == mitogen::call_phase::not_sent);
    CHECK(results[1].name() == "web2");
    CHECK(results[2].value.value() == 5);
    CHECK(some.fold() == "web[1-3]");
    CHECK(some.named("web2").size() == 1);
    CHECK(some.named("web2").connected().empty());
    CHECK(some.call_no_reply<&generic::process_id>().failures() == 1);
    CHECK(some.allow_failures(0).at_once(1).call<&generic::add>(1, 1).failures() == 2);
    CHECK(t.root.connect_all({mitogen::local{}, mitogen::local{}}).size() == 2);
    CHECK(pool{some}.map<&square>(std::vector<int>{3, 4}) == std::vector<int>{9, 16});
}

} // namespace
