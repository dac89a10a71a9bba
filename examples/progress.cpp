// SPDX-License-Identifier: BSL-1.0
// A child tells its parent how far it is while a call runs: typed messages to a handle, beside the
// call's result.
// expect: copy 25 %
// expect: copy 50 %
// expect: copy 75 %
// expect: copy 100 %
// expect: copied 4 files
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <string>

// Number and payload types are known at compile time, on both sides.
static constexpr mitogen::handle<std::string, int> progress{2001};

/// A context is a value: the caller passes the one that wants to know.
static int copy_files(mitogen::context watcher, int count) {
    for (int i = 1; i <= count; ++i) {
        // … copies a file …
        watcher.send(progress, "copy", 100 * i / count);
    }
    return count;
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        // Runs on the loop, in the order of sending, before the result that was sent after it.
        router.add_handler(progress,
                           [](const mitogen::message&, const std::string& what, int percent) {
                               std::printf("%s %d %%\n", what.c_str(), percent);
                           },
                           // without this only a parent may send to a handle
                           {.from = mitogen::senders::anyone});
        mitogen::context child = router.local();
        const int copied = child.call<&copy_files>(router.myself(), 4);
        std::printf("copied %d files\n", copied);
    });
}
