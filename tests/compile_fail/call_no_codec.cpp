// SPDX-License-Identifier: BSL-1.0
// expect: mitogen:
// expect: handle_of
// expect: opaque
#include <mitogen/mitogen.hpp>

#ifdef FIXED
struct opaque {
    int value = 0;
};
#else
class opaque {
    int value = 0;

public:
    int get() const { return value; }
};
#endif
int handle_of(int first, opaque second);

int use(mitogen::context c) { return c.call<&handle_of>(1, opaque{}); }
