// SPDX-License-Identifier: BSL-1.0
// A library that a program loads while it runs, and that calls a function of its own in a child.
#include <mitogen/mitogen.hpp>
#include <string>

std::string PLUG_IN_FUNCTION(int x) { return PLUG_IN_TEXT + std::to_string(x); }

extern "C" bool refused_or_right(const mitogen::context& child) {
    const mitogen::result<std::string> got = child.try_call<&PLUG_IN_FUNCTION>(7);
    return got ? *got == PLUG_IN_FUNCTION(7) : got.error() == mitogen::reason::unknown_function;
}
