// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: Boost.PFR cannot see C arrays in an aggregate; use std::array, or describe it with BOOST_DESCRIBE_STRUCT
// expect: field_count<record>
#include <mitogen/wire/codec.hpp>

#include <array>

struct record {
    int number = 0;
#ifdef FIXED
    std::array<char, 16> name{};
#else
    char name[16] = {};
#endif
    std::string text{};
};

mitogen::buffer send(const record& value) { return mitogen::encode(value); }
