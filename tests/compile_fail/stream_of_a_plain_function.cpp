// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: only a Function that returns generator<T> can be streamed: call it
// expect: count
#include <mitogen/mitogen.hpp>

#ifdef FIXED
mitogen::generator<int> count(int n);
#else
int count(int n);
#endif

void use(mitogen::context c) { auto range = c.stream<&count>(1); }
