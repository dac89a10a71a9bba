// SPDX-License-Identifier: BSL-1.0
// What a child prints before init() arrives, and so does what it prints and logs when main() is
// over. In this program itself, a static object may log too.
// expect: a banner
// expect: worker: a banner
// expect: worker: one
// expect: worker: an exit handler prints
// expect: worker: mitogen: a static object logs
// expect: exit status 0
#include "show_worker.hpp"

#include <cstdio>
#include <cstdlib>

struct talkative {
    ~talkative() { mitogen::log::write(mitogen::log::level::error, "a static object logs"); }
};
static talkative object;

static void print_and_promise() {
    std::puts("one");
    std::atexit([] { std::puts("an exit handler prints"); });
}

int main(int argc, char** argv) {
    std::puts("a banner");
    mitogen::init(argc, argv);
    show_worker<&print_and_promise>();
}
