// SPDX-License-Identifier: BSL-1.0
// A scope that owns processes and calls: the first failure cancels the rest, several arrive
// together, and no process is left.
// expect: squares: 0 1 4 9
// expect: 2 errors:
// expect:   1. std::runtime_error: disk full [copy in one]
// expect:   2. std::runtime_error: disk full [copy in two]
// expect: processes left: 0
#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

static int square(int n) { return n * n; }
static void copy() { throw std::runtime_error("disk full"); }
/// Would go on for ever: only its stop token ends it.
static void watch(std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        {
            mitogen::nursery crew{router};
            std::vector<mitogen::nursery_task<int>> squares;
            // processes of their own
            for (int i = 0; i < 4; ++i) squares.push_back(crew.start<&square>(mitogen::local{}, i));
            crew.join();
            std::printf("squares:");
            for (const auto& one : squares) std::printf(" %d", one.get());
            std::printf("\n");
        }
        try {
            mitogen::nursery crew{router};
            const mitogen::context one = crew.local({.name = "one"});
            const mitogen::context two = crew.local({.name = "two"});
            crew.start<&watch>(crew.local());
            crew.start<&copy>(one);
            crew.start<&copy>(two);
            crew.join(); // an exception of this scope would have the same end
        } catch (const mitogen::error_group& e) {
            std::vector<std::string> lines;
            for (const mitogen::error& member : e.members()) lines.emplace_back(member.what());
            std::sort(lines.begin(), lines.end());
            std::printf("%zu errors:\n", lines.size());
            for (std::size_t i = 0; i < lines.size(); ++i)
                std::printf("  %zu. %s\n", i + 1, lines[i].c_str());
        }
        std::printf("processes left: %zu\n", router.contexts().size());
    });
}
