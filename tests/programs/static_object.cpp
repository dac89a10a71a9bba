// SPDX-License-Identifier: BSL-1.0
// A child ends like any program: exit handlers run, static objects are destroyed, and what they
// print arrives.
// expect: worker: goodbye from an exit handler
// expect: worker: goodbye from a static object
// expect: exit status 0
#include "show_worker.hpp"

#include <cstdio>
#include <cstdlib>

static bool in_child = false;

struct polite {
    ~polite() {
        if (in_child) std::fputs("goodbye from a static object\n", stderr);
    }
};
static polite object;

static void become_polite() {
    in_child = true;
    std::atexit([] { std::fputs("goodbye from an exit handler\n", stderr); });
}

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    show_worker<&become_polite>();
}
