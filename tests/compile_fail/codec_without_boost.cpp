// SPDX-License-Identifier: BSL-1.0
// flags: -DMITOGEN_NO_PFR -DMITOGEN_NO_DESCRIBE
// expect: mitogen: the aggregate T, named beside this message, has more than 32 members (each element of a C array counts), which takes Boost.PFR; install Boost 1.81 or newer (Debian 12: libboost1.81-dev), nest it, use std::array, or list its members in mitogen::members<T>
// expect: {with T = wide|no_codec<wide}
#include <mitogen/codec/codec.hpp>

struct wide {
    int a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0, a8 = 0;
    int b1 = 0, b2 = 0, b3 = 0, b4 = 0, b5 = 0, b6 = 0, b7 = 0, b8 = 0;
    int c1 = 0, c2 = 0, c3 = 0, c4 = 0, c5 = 0, c6 = 0, c7 = 0, c8 = 0;
    int d1 = 0, d2 = 0, d3 = 0, d4 = 0, d5 = 0, d6 = 0, d7 = 0, d8 = 0;
#ifndef FIXED
    std::string one_more{};
#endif
};

mitogen::buffer send(const std::vector<wide>& all) { return mitogen::encode(all); }
