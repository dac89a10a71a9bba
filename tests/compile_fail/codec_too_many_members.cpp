// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the aggregate T, named beside this message, has more than 100 members (each element of a C array counts); nest it, use std::array, or list its members in mitogen::members<T>
// expect: {with T = samples|no_codec<samples}
#include <mitogen/codec/codec.hpp>

struct samples {
    std::string of{};
#ifdef FIXED
    std::array<int, 100> values{};
#else
    int values[100] = {};
#endif
};

mitogen::buffer send(const samples& value) { return mitogen::encode(value); }
