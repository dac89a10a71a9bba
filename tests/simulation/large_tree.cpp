// SPDX-License-Identifier: BSL-1.0
// large_tree: a tree of many simulated contexts in one process, and many calls across it; prints
// time and memory.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <mitogen/simulation.hpp>
#include <string>
#include <sys/resource.h>
#include <vector>

namespace sim = mitogen::simulation;

namespace {

std::uint32_t twice(std::uint32_t x) { return 2 * x; }

std::vector<mitogen::context> grow(mitogen::router& router, std::uint32_t count) {
    std::vector<mitogen::future<mitogen::context>> coming;
    for (std::uint32_t i = 0; i < count; ++i)
        coming.push_back(router.connect_async(sim::host{.name = "h" + std::to_string(i)}));
    std::vector<mitogen::context> up;
    for (auto& c : coming) up.push_back(c.get());
    return up;
}

double peak_mib() {
    ::rusage use{};
    ::getrusage(RUSAGE_SELF, &use);
    return static_cast<double>(use.ru_maxrss) / 1024;
}

} // namespace

int main(int argc, char** argv) {
    const auto number = [&](int at, std::uint32_t standard) {
        return argc > at ? static_cast<std::uint32_t>(std::strtoul(argv[at], nullptr, 10))
                         : standard;
    };
    const std::uint32_t wide = number(1, 100);
    const std::uint32_t calls = number(2, 100'000);
    if (wide == 0 || calls == 0) {
        std::fputs("usage: large_tree [WIDTH [CALLS]]    a tree of WIDTH * WIDTH contexts (100), "
                   "and CALLS calls (100000)\n",
                   stderr);
        return 2;
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto spent = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    sim::fleet fleet({.seed = 1, .faults = {.interrupt = 0.01}, .most_steps = 2'000'000'000});
    std::size_t size = 0;
    std::uint32_t wrong = 0;
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        std::vector<mitogen::context> all = grow(root, wide);
        std::vector<mitogen::future<std::vector<mitogen::context>>> growing;
        for (const mitogen::context& c : all) growing.push_back(c.call_async<&grow>(wide - 1));
        for (auto& g : growing)
            for (const mitogen::context& c : g.get()) all.push_back(c);
        size = all.size();
        std::printf("%zu contexts after %.1f s, %.0f MiB\n", size, spent(), peak_mib());
        std::fflush(stdout);
        std::vector<mitogen::future<std::uint32_t>> answers;
        for (std::uint32_t i = 0; i < calls; ++i) {
            answers.push_back(all[i * 7919ull % all.size()].call_async<&twice>(i));
            if (answers.size() < 1000 && i + 1 < calls) continue;
            std::uint32_t at = i + 1 - static_cast<std::uint32_t>(answers.size());
            for (auto& a : answers) wrong += a.get() != 2 * at++;
            answers.clear();
        }
        std::printf("%u calls after %.1f s, %.0f MiB\n", calls, spent(), peak_mib());
        std::fflush(stdout);
    });
    std::printf("all ended after %.1f s, %.0f MiB; %llu steps, hash %016llx%s%s\n", spent(),
                peak_mib(), static_cast<unsigned long long>(o.steps),
                static_cast<unsigned long long>(o.hash), o.completed ? "" : ": ",
                o.trouble.c_str());
    return o.completed && wrong == 0 && size == std::size_t{wide} * wide ? 0 : 1;
}
