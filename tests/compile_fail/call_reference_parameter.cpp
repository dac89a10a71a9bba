// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: this Parameter of Function (counted from 1 by Position) is a reference to non-const
// expect: {Position = 2|, 2U|2UL|, 2,}
// expect: increase
#include <mitogen/mitogen.hpp>

#ifdef FIXED
int increase(int by, const int& value);
int use(mitogen::context c) { return c.call<&increase>(1, 2); }
#else
int increase(int by, int& value);
int use(mitogen::context c) {
    int value = 2;
    return c.call<&increase>(1, value);
}
#endif
