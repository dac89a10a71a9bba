// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: wrong number of arguments for this remote Function
// expect: add
#include <mitogen/mitogen.hpp>

int add(int a, int b);

#ifdef FIXED
int use(mitogen::context c) { return c.call<&add>(1, 2); }
#else
int use(mitogen::context c) { return c.call<&add>(1); }
#endif
