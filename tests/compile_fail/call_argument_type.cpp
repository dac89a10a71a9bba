// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: this argument (counted from 1 by Position) does not convert to the Parameter of the remote Function
// expect: {Position = 2|, 2, }
// expect: repeat
#include <mitogen/mitogen.hpp>

std::string repeat(std::string text, int times);

#ifdef FIXED
std::string use(mitogen::context c) { return c.call<&repeat>("a", 3); }
#else
std::string use(mitogen::context c) { return c.call<&repeat>("a", "3"); }
#endif
