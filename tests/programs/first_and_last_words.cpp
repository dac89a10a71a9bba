// SPDX-License-Identifier: BSL-1.0
// What a child prints before init() arrives, and so does what it prints and logs when main() is
// over. In this program itself, a static object may log too.
// expect: a banner
// expect: worker: a banner
// expect: worker: one
// expect: worker: an exit handler prints
// expect: worker: mitogen: a static object logs
// expect: exit status 0
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <string>
#include <vector>

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
    static std::mutex guard;
    static std::vector<std::string> lines;
    mitogen::log::set_sink([](const mitogen::log::record& r) {
        const std::lock_guard lock(guard);
        lines.push_back(std::string(r.place) + ": " + std::string(r.text));
    });
    std::string ended;
    {
        mitogen::broker loop;
        mitogen::router router(loop);
        mitogen::context child = router.local({.name = "worker"});
        child.call<&print_and_promise>();
        ended = child.shutdown().get().text();
    }
    mitogen::log::set_sink({});
    for (const std::string& line : lines) std::puts(line.c_str());
    std::puts(ended.c_str());
}
