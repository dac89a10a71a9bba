// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: T, named beside this message, has no codec
// expect: {with T = std::any|no_class_codec<std::any
#include <mitogen/codec/codec.hpp>

#include <any>

struct parcel {
#ifdef FIXED
    int content = 0;
#else
    std::any content{};
#endif
};

mitogen::buffer send(const parcel& value) { return mitogen::encode(value); }
