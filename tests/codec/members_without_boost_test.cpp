// SPDX-License-Identifier: BSL-1.0
// How classes travel if there is no Boost: compiled as on a machine without it. Other files
// compare.
#ifndef MITOGEN_NO_PFR
#define MITOGEN_NO_PFR
#endif
#ifndef MITOGEN_NO_DESCRIBE
#define MITOGEN_NO_DESCRIBE
#endif
#define MEMBER_SAMPLES members_without_boost
#include "member_samples.ipp"

#include <catch2/catch.hpp>

static_assert(!mitogen::wire::described_class<members_without_boost::disk>);
static_assert(mitogen::wire::most_fields == 32);

std::vector<member_report> report_without_boost() { return members_without_boost::report_all(); }

TEST_CASE("without Boost, a number that is no enumerator is accepted, and only that is different") {
    std::byte bytes[5] = {std::byte{1}};
    CHECK(mitogen::decode<members_without_boost::machine>(bytes));
    CHECK_FALSE(mitogen::decode<members_without_boost::machine>(std::span(bytes).first(4)));
}
