// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: a pointer means nothing in another process; send the value itself, a std::optional or a std::unique_ptr
// expect: length_of
#include <mitogen/mitogen.hpp>

#ifdef FIXED
int length_of(const std::string& text);
#else
int length_of(const char* text);
#endif

int use(mitogen::context c) { return c.call<&length_of>("text"); }
