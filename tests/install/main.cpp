// SPDX-License-Identifier: BSL-1.0
// A program of somebody else's project, in two files. Fails if the mode or the version is not that
// of the package.
#include <cstdio>
#include <mitogen/mitogen.hpp>

#if defined(CONSUMER_compiled) != defined(MITOGEN_SEPARATE)
#error "what the target says about the mode has not arrived"
#endif

int twice(int n);

#ifdef CONSUMER_compiled
int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        std::printf("compiled: mitogen %d.%d\n", MITOGEN_VERSION_MAJOR, MITOGEN_VERSION_MINOR);
        return router.local().call<&twice>(21) == 42 ? 0 : 1;
    });
}
#else // the headers alone have tests enough: that they are found is what is tried here
int main() {
    std::printf("headers: mitogen %d.%d\n", MITOGEN_VERSION_MAJOR, MITOGEN_VERSION_MINOR);
    return mitogen::error(mitogen::reason::timeout, "no answer").kind() ==
                       mitogen::kind::overloaded &&
                   twice(21) == 42
               ? 0
               : 1;
}
#endif
