// SPDX-License-Identifier: BSL-1.0
// The oracle of random programs, on some whose ends anybody can tell; and that what goes another
// way is noticed.
#include "interpreter.hpp"
#include "oracle.hpp"

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <mitogen/simulation.hpp>
#include <vector>

namespace {
using namespace random_programs;

program leaf(what kind, std::int64_t span_ms, int number = 0) {
    step s;
    s.kind = kind;
    s.span_ns = span_ms * ms;
    s.number = number;
    return {s};
}
program around(what kind, std::int64_t span_ms, std::initializer_list<program> parts) {
    program all = leaf(kind, span_ms);
    for (const program& part : parts) all.insert(all.end(), part.begin(), part.end());
    all.front().size = static_cast<std::uint32_t>(all.size());
    return all;
}

/// Runs it over one context below the root; what was wrong.
std::vector<std::string> complaints_of(const program& p) {
    complaints().clear();
    sim::fleet fleet(1);
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        grow(1, 1, root);
        order given;
        given.begin_ns = now_ns();
        try {
            run(p, given, root);
        } catch (const std::exception&) {} // it has been compared
    });
    if (!o.completed) complaints().push_back(o.trouble);
    return complaints();
}

struct expectation {
    program what_runs;
    std::int64_t at_ms;
    std::uint8_t how;
};

std::vector<expectation> examples() {
    const program sleeps = leaf(what::sleep, 50);
    const program fails = leaf(what::fail, 20, 7);
    const auto block = [](std::initializer_list<program> parts) {
        return around(what::block, 0, parts);
    };
    return {
        {sleeps, 50, well},
        {fails, 20, failed},
        {leaf(what::items, 10, 4), 40, well},
        {around(what::scope, 30, {sleeps}), 30, well},
        {around(what::call, 0, {fails}), 20, failed},
        {around(what::within, 30, {sleeps}), 30, late},
        {around(what::within, 30, {around(what::shield, 100, {sleeps})}), 30, late},
        {around(what::cancel, 30, {sleeps}), 30, well},
        {around(what::guard, 0, {fails}), 20, well},
        {around(what::scope, 30, {around(what::shield, 100, {sleeps})}), 50, well},
        {around(what::scope, 30, {around(what::shield, 40, {sleeps})}), 40, well},
        {around(what::nursery, 0, {block({fails}), block({sleeps}), block({sleeps})}), 20, failed},
        {around(what::nursery, 0, {block({sleeps}), block({fails})}), 20, failed},
        {around(what::nursery, 0,
                {block({fails}), block({around(what::shield, 100, {sleeps})}), block({})}),
         50, failed},
        // the task that is late puts things right first
        {around(what::scope, 30,
                {around(what::nursery, 0,
                        {block({around(what::shield, 100, {sleeps})}), block({})})}),
         50, well},
    };
}

TEST_CASE("the oracle knows how programs end, and so they do") {
    for (expectation e : examples()) {
        const ending end = oracle(e.what_runs).tell();
        CAPTURE(text_of(e.what_runs, 0, e.what_runs.size()));
        CHECK(end.at == e.at_ms * ms);
        CHECK(end.how == e.how);
        CHECK(complaints_of(e.what_runs) == std::vector<std::string>{});
    }
}

TEST_CASE("what goes another way than the oracle says is noticed") {
    for (expectation e : examples()) {
        CAPTURE(text_of(e.what_runs, 0, e.what_runs.size()));
        static_cast<void>(oracle(e.what_runs).tell());
        program other = e.what_runs;
        other.front().by_ns += 1;
        CHECK(complaints_of(other).size() == 1);
        other = e.what_runs;
        other.front().ends = static_cast<std::uint8_t>(anyhow & ~e.how);
        CHECK(complaints_of(other).size() == 1);
        other = e.what_runs;
        other.back().ends = other.back().ends ? 0 : anyhow;
        other.back().by_ns = -1;
        if (e.what_runs.back().ends) CHECK(complaints_of(other).size() == 1);
    }
}

} // namespace
