// SPDX-License-Identifier: BSL-1.0
// Ten levels of processes, one below the other: what reaches each of them from the root, and what
// comes back.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"
#include "../support/soon.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <map>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace chain_test {

struct parcel {
    std::string label;
    std::vector<double> weights;
    std::map<std::string, std::uint64_t> stamps;
    std::optional<std::variant<int, std::string>> extra;

    friend bool operator==(const parcel&, const parcel&) = default;
};

/// The parcel with the stamp of the context that it has reached.
parcel stamped(mitogen::router& here, parcel p) {
    p.stamps[std::to_string(here.ancestors().size())] = here.id();
    return p;
}

/// The same in every context from here down to `to`, each of which calls the next one.
parcel passed_down(mitogen::router& here, const std::vector<mitogen::context_id>& way, parcel p) {
    p = stamped(here, std::move(p));
    if (way.empty()) return p;
    return here.context_by_id(way.front())
        .call<&passed_down>(std::vector<mitogen::context_id>(way.begin() + 1, way.end()),
                            std::move(p));
}

int add_in_pool(int a, int b) { return a + b; }
std::size_t calls_open_here(mitogen::router& here) { return support::open_answers(here); }

} // namespace chain_test

template <>
inline constexpr auto mitogen::run_on<&chain_test::add_in_pool> = mitogen::on::pool;

namespace {
using namespace chain_test;
using namespace std::chrono_literals;
using generic::contains;
using generic::shared_pipe;
using generic::thrown_by;
using generic::tree;

constexpr std::size_t levels = 10;

struct chain : tree {
    // at[i] has i levels above it but the root's
    std::vector<mitogen::context> at{root.local({.name = "1"})};

    chain() {
        while (at.size() < levels)
            at.push_back(at.back().local({.name = std::to_string(at.size() + 1)}));
    }
};

parcel sample() { return {"from the root", {1.5, -2, 1e300}, {{"0", 0}}, std::string("extra")}; }

TEST_CASE("typed calls reach each of ten levels, from the root and from level to level") {
    chain c;
    std::vector<mitogen::context_id> way;
    parcel all = sample();
    for (std::size_t i = 0; i < levels; ++i) {
        parcel expected = sample();
        expected.stamps[std::to_string(i + 1)] = c.at[i].id();
        CHECK(c.at[i].call<&stamped>(sample()) == expected);
        CHECK(c.at[i].call<&generic::add>(2, 3) == 5);
        CHECK(c.at[i].call<&generic::add_on_loop>(2, 3) == 5);
        CHECK(c.at[i].call<&add_in_pool>(2, 3) == 5);
        const mitogen::error thrown =
            thrown_by([&] { c.at[i].call<&generic::refuse>(static_cast<int>(i)); });
        CHECK(thrown.detail().type == "std::out_of_range");
        CHECK(thrown.message() == "no element " + std::to_string(i));
        CHECK(thrown.detail().place == c.at[i].name());
        all.stamps[std::to_string(i + 1)] = c.at[i].id();
        if (i > 0) way.push_back(c.at[i].id());
    }
    CHECK(c.at[0].call<&passed_down>(way, sample()) == all);
    for (const mitogen::context& level : c.at) CHECK(level.call<&calls_open_here>() == 0);
}

TEST_CASE("calls of all ten levels are in flight at once, and one hop that is busy holds up none "
          "of the others") {
    shared_pipe started, go_on;
    chain c;
    auto held = c.at[4].call_async<&generic::hold>(started.write_end(), go_on.read_end(), 7);
    CHECK(started.wait());
    std::vector<mitogen::future<int>> all;
    for (int i = 0; i < 1000; ++i) {
        const std::size_t level = static_cast<std::size_t>(i) % levels;
        if (level != 4)
            all.push_back(c.at[level].call_async<&generic::add>(i, static_cast<int>(level)));
    }
    for (auto it = all.rbegin(); it != all.rend(); ++it) CHECK_NOTHROW(it->get());
    CHECK_FALSE(held.done());
    go_on.post();
    CHECK(held.get() == 7);
    CHECK(support::open_answers(c.root) == 0);
}

TEST_CASE("a cancellation and a deadline cross ten hops") {
    const bool by_deadline = GENERATE(false, true);
    shared_pipe started, stopped;
    chain c;
    auto running =
        by_deadline
            ? c.at[9].within(2s).call_async<&generic::until_stopped>(started.write_end(),
                                                                     stopped.write_end())
            : c.at[9].call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
    CHECK(started.wait());
    if (!by_deadline) running.cancel();
    CHECK(stopped.wait());
    const auto answer = running.try_get();
    REQUIRE_FALSE(answer.has_value());
    CHECK(answer.error().reason() ==
          (by_deadline ? mitogen::reason::timeout : mitogen::reason::cancelled));
    CHECK(c.at[9].call<&generic::add>(1, 1) == 2);
    CHECK(support::open_answers(c.root) == 0);
}

TEST_CASE("the end of a middle level, by SIGTERM or SIGKILL, is the end of those below it and of "
          "no other") {
    const bool by_force = GENERATE(false, true);
    const generic::log_capture quiet;
    shared_pipe started;
    chain c;
    const int last_pid = c.at[9].call<&generic::process_id>();
    auto held =
        c.at[9].call_async<&generic::until_stopped>(started.write_end(), started.write_end());
    CHECK(started.wait());
    ::kill(c.at[4].call<&generic::process_id>(), by_force ? SIGKILL : SIGTERM);
    CHECK(thrown_by([&] { held.get(); }).kind() == mitogen::kind::disconnected);
    for (std::size_t i = 0; i < levels; ++i) {
        const auto answer = c.at[i].try_call<&generic::add>(1, 1);
        CHECK(answer.has_value() == (i < 4));
        CHECK(c.at[i].alive() == (i < 4));
    }
    CHECK(c.root.contexts().size() == 4);
    CHECK(
        support::soon([&] { return ::kill(last_pid, 0) != 0 && errno == ESRCH; }, generic::plenty));
    CHECK(support::open_answers(c.root) == 0);
}

} // namespace
