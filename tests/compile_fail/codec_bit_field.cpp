// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the aggregate T, named beside this message, has a bit-field, a reference or a volatile member; make it an ordinary one, or list the other members in mitogen::members<T>
// expect: {with T = flags|no_codec<flags}
// expect: {part_of<outer, 1>|part_of<outer, 1ul>|part_of<outer, 1UL>}
#include <mitogen/codec/codec.hpp>

struct flags {
#ifdef FIXED
    unsigned ready = 0;
#else
    unsigned ready : 1 = 0;
#endif
    int count = 0;
};

struct outer {
    int first = 0;
    std::vector<flags> second{};
};

mitogen::buffer send(const outer& value) { return mitogen::encode(value); }
