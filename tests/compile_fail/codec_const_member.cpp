// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: nothing can be decoded into a const, volatile or reference member; make it an ordinary one
#include <mitogen/codec/codec.hpp>

struct reading {
#ifdef FIXED
    int sensor = 0;
#else
    const int sensor = 0;
#endif
    double value = 0;
};

mitogen::buffer send(const reading& value) { return mitogen::encode(value); }
