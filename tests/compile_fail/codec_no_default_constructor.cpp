// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: T, named beside this message, has no default constructor, which decoding needs
// expect: {with T = celsius|no_codec<celsius}
#include <mitogen/codec/codec.hpp>

struct celsius {
    double degrees;
#ifndef FIXED
    explicit celsius(double d) : degrees(d) {}
#endif
};

bool receive(mitogen::reader& r, std::optional<celsius>& value) {
    return mitogen::decode(r, value);
}
