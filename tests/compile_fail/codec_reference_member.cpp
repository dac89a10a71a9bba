// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the aggregate T, named beside this message, has a bit-field, a reference or a volatile member; make it an ordinary one, or list the other members in mitogen::members<T>
// expect: {with T = reading|no_codec<reading}
#include <mitogen/codec/codec.hpp>

inline int unit = 0;

struct reading {
    double value = 0;
#ifdef FIXED
    int in = 0;
#else
    int& in = unit;
#endif
};

mitogen::buffer send(const reading& value) { return mitogen::encode(value); }
