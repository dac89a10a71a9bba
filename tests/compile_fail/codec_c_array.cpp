// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the aggregate T, named beside this message, has a C array, which counts like several members; use std::array, or list the members in mitogen::members<T>
// expect: {with T = record|no_codec<record}
#include <mitogen/codec/codec.hpp>

struct record {
    int number = 0;
    char name[16] = {};
    std::string text{};
};

#ifdef FIXED
template <>
inline constexpr auto mitogen::members<record> = mitogen::list(&record::number, &record::name,
                                                               &record::text);
#endif

mitogen::buffer send(const std::vector<record>& value) { return mitogen::encode(value); }
