// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: a remote function is a function, a static member function, or a captureless lambda without `auto` parameters
#include <mitogen/mitogen.hpp>

struct counter {
#ifdef FIXED
    static int next(int by);
#else
    int next(int by);
#endif
};

int use(mitogen::context c) { return c.call<&counter::next>(1); }
