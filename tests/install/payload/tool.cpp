// SPDX-License-Identifier: BSL-1.0
// Compiled for two kinds of machines, with the definitions of one target.
#include <cstdio>
#include <mitogen/base/version.hpp>

#if !defined(TOOL)
#error "the target's own definitions do not arrive"
#endif
#if defined(__s390x__) == defined(MITOGEN_SEPARATE)
#error "the other machine's program is to be built from the headers alone, this one's is not"
#endif

int main() { std::printf("%s %d\n", TOOL_NAME, MITOGEN_VERSION_MINOR); }
