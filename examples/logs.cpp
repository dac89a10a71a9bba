// SPDX-License-Identifier: BSL-1.0
// What children print arrives here line by line, with the name of the child: stdout, stderr, and
// the library's own records.
// expect: worker.1 stdout: starting
// expect: worker.1 stderr: a warning
// expect: worker.2 stdout: starting
// expect: worker.2 stderr: a warning
#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <cstdio>
#include <map>
#include <mutex>
#include <string>
#include <vector>

static void chatter() {
    std::puts("starting");
    std::fputs("a warning\n", stderr);
}

int main(int argc, char** argv) {
    static std::mutex guard; // the sink may be called from any thread
    static std::map<std::string, std::vector<std::string>> lines;
    mitogen::init(argc, argv);
    mitogen::log::set_sink([](const mitogen::log::record& r) {
        const std::lock_guard lock(guard);
        lines[std::string(r.place)].push_back(std::string(r.logger) + ": " + std::string(r.text));
    });
    {
        mitogen::broker loop;
        mitogen::router router(loop);
        for (const char* name : {"worker.1", "worker.2"})
            router.local({.name = name}).call<&chatter>();
    } // ends the children; nothing that they printed is lost
    for (auto& [place, said] : lines) {
        std::sort(said.rbegin(), said.rend()); // stdout and stderr come on different ways
        for (const std::string& line : said) std::printf("%s %s\n", place.c_str(), line.c_str());
    }
}
