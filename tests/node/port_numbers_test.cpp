// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/node/port_numbers.hpp>

#include <algorithm>
#include <bit>
#include <catch2/catch.hpp>
#include <cstdint>
#include <vector>

namespace {

using mitogen::detail::port_numbers;

TEST_CASE("each number becomes another one, and one seed always the same") {
    const port_numbers one(1), same(1), other(2);
    int equal = 0;
    for (std::uint32_t i = 0; i < 1u << 16; ++i) {
        if (one(i) != same(i)) FAIL(i);
        equal += one(i) == other(i);
    }
    CHECK(equal < 3);
    // all that differ in their upper half alone become different ones, and so do the others
    std::vector<std::uint32_t> all;
    for (std::uint32_t i = 0; i < 1u << 16; ++i) all.push_back(one(i)), all.push_back(one(~i));
    std::sort(all.begin(), all.end());
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}

TEST_CASE("neighbours have nothing in common") {
    const port_numbers numbers = port_numbers::from(mitogen::io::native());
    std::uint64_t bits = 0;
    for (std::uint32_t i = 0; i < 4096; ++i)
        bits += static_cast<std::uint64_t>(std::popcount(numbers(i) ^ numbers(i + 1)));
    CHECK(bits > 4096u * 15);
    CHECK(bits < 4096u * 17);
}

} // namespace
