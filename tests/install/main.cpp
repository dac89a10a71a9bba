// SPDX-License-Identifier: BSL-1.0
// A program of somebody else's project. Fails where the headers and the version are not those of the package.
#include <mitogen/mitogen.hpp>

#include <cstdio>

int main() {
    const mitogen::error e(mitogen::reason::timeout, "no answer");
    std::printf("mitogen %d.%d.%d\n", MITOGEN_VERSION_MAJOR, MITOGEN_VERSION_MINOR, MITOGEN_VERSION_PATCH);
    return e.kind() == mitogen::kind::overloaded ? 0 : 1;
}
