// SPDX-License-Identifier: BSL-1.0
// A child ends like any program: exit handlers run, static objects are destroyed, and what they
// print arrives.
// expect: worker: goodbye from an exit handler
// expect: worker: goodbye from a static object
// expect: exit status 0
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

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
    static std::mutex guard;
    static std::vector<std::string> lines;
    mitogen::init(argc, argv);
    mitogen::log::set_sink([](const mitogen::log::record& r) {
        const std::lock_guard lock(guard);
        lines.push_back(std::string(r.place) + ": " + std::string(r.text));
    });
    std::string ended;
    {
        mitogen::broker loop;
        mitogen::router router(loop);
        mitogen::context child = router.local({.name = "worker"});
        child.call<&become_polite>();
        ended = child.shutdown().get().text();
    }
    for (const std::string& line : lines) std::puts(line.c_str());
    std::puts(ended.c_str());
}
