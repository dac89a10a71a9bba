// SPDX-License-Identifier: BSL-1.0
// A program that makes a local child and calls, and nothing else.
#include <mitogen/mitogen.hpp>

#include <cstdio>

static int twice(int n) { return 2 * n; }

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        auto child = router.local();
        std::printf("%d\n", child.call<&twice>(21));
        return child.call<&twice>(21) == 42 ? 0 : 1;
    });
}
