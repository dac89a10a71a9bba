// SPDX-License-Identifier: BSL-1.0
#include <catch2/catch.hpp>
#include <cstdint>
#include <mitogen/node/flow_budget.hpp>
#include <mitogen/protocol/flow.hpp>
#include <vector>

namespace {
using mitogen::detail::flow_budget;
constexpr std::uint64_t limit = 256u << 20; // the default

TEST_CASE("a few flows have full windows, very many small ones, and all together no more than the "
          "limit") {
    flow_budget all;
    std::vector<std::uint32_t> windows;
    while (const std::uint32_t w = all.open(mitogen::wire::flow_window, limit))
        windows.push_back(w);
    CHECK(windows.size() > 100'000);
    CHECK(windows[200] == mitogen::wire::flow_window);
    CHECK(windows[1'000] > 8 * flow_budget::least);
    CHECK(windows.back() == flow_budget::least);
    CHECK(all.used() <= limit);
    CHECK(all.used() > limit - flow_budget::least);
    CHECK(all.open(1, limit) == 1); // what nobody else fits into
    all.release(1);
    for (const std::uint32_t w : windows) all.release(w);
    CHECK(all.used() == 0);
}

TEST_CASE("windows grow out of the part that is shared only") {
    flow_budget all;
    CHECK(all.grow(1000, limit) == 1000);
    CHECK(all.grow(limit, limit) == (limit / 2 - 1000) / 8);
    while (all.grow(limit, limit)) {}
    CHECK(all.used() <= limit / 2);
    CHECK(all.open(mitogen::wire::flow_window, limit) == flow_budget::least);
}

} // namespace
