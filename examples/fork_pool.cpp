// SPDX-License-Identifier: BSL-1.0
// Children made by fork() have this process's memory: a table that took long to build is built once
// and not sent.
// expect: 4 children, 4 processes, longest chain below 300000: 230631 with 442 steps
#include <mitogen/mitogen.hpp>

#include <algorithm>
#include <cstdio>
#include <set>
#include <unistd.h>
#include <utility>
#include <vector>

static std::vector<int> steps; // of the Collatz sequence of each number

static void build_table(std::size_t size) {
    steps.assign(size, 0);
    for (std::size_t n = 2; n < size; ++n) {
        int count = 0;
        std::size_t at = n;
        while (at >= n) { // below n the rest is known
            at = at % 2 ? 3 * at + 1 : at / 2;
            ++count;
        }
        steps[n] = count + steps[at];
    }
}

static std::pair<int, int> longest(int from, int to) {
    const auto best = std::max_element(steps.begin() + from, steps.begin() + to);
    return {*best, static_cast<int>(best - steps.begin())};
}
static int process_id() { return ::getpid(); }

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        constexpr int size = 300'000;
        constexpr int children = 4;
        build_table(size);
        std::vector<mitogen::future<std::pair<int, int>>> answers;
        std::set<int> processes;
        for (int i = 0; i < children; ++i) {
            mitogen::context child = router.fork();
            processes.insert(child.call<&process_id>());
            answers.push_back(
                child.call_async<&longest>(size / children * i, size / children * (i + 1)));
        }
        std::pair<int, int> best;
        for (auto& answer : answers) best = std::max(best, answer.get());
        std::printf("%d children, %zu processes, longest chain below %d: %d with %d steps\n",
                    children, processes.size(), size, best.second, best.first);
    });
}
