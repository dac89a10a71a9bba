// SPDX-License-Identifier: BSL-1.0
// flags: -O2
// One who has joined with authority::none can (a) make the root grow without bound by announcing
// routes with long names, (b) use up all context ids of the tree in seconds, for ever (semantics
// 1.4). Needs about 10 s. expected: exit 0
#include "raw_joiner.hpp"

#include <cstdio>
#include <fstream>
#include <string>
#include <thread>
namespace mg = mitogen;
static long rss() {
    std::ifstream f("/proc/self/statm");
    long a, r;
    f >> a >> r;
    return r * 4 / 1024;
}
int main(int argc, char** argv) {
    mg::init(argc, argv);
    mg::log::set_sink([](const mg::log::record&) {});
    int rc = 0;
    {
        mg::broker b;
        mg::router r(b);
        auto kid = r.local();
        const std::string dir = "/tmp/case19." + std::to_string(getpid());
        auto door = r.listen(dir + "/s", {.authority = mg::authority::none});
        const raw_joiner glutton(door.path(), "glutton");
        std::thread eater([fd = glutton.fd] {
            static char c[1 << 20];
            while (read(fd, c, sizeof c) > 0) {}
        });
        const long before = rss();
        for (int i = 0; i < 3000; ++i) {
            glutton.put(glutton.message(
                mg::handles::add_route, 0,
                mg::encode(static_cast<mg::context_id>(2000000000 - i), glutton.id,
                           std::string(100000, 'n'), std::uint64_t{1})));
        }
        usleep(500000);
        std::printf("3000 announced routes: the root has grown by %ld MiB\n", rss() - before);
        rc |= rss() - before > 100;
        std::string batch;
        for (int i = 0; i < 2000; ++i)
            batch += glutton.message(mg::handles::allocate_id, 60000, {});
        for (int i = 0; i < 2200; ++i) glutton.put(batch);
        auto x = kid.try_local();
        std::printf("4.4 million requests for ids: a child of a child: %s\n",
                    x ? "fine" : x.error().what());
        rc |= !x;
        shutdown(glutton.fd, SHUT_RDWR);
        eater.join();
        door.close();
        rmdir(dir.c_str());
    }
    return rc;
}
