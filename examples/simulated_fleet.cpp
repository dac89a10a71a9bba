// SPDX-License-Identifier: BSL-1.0
// How a program that calls 200 hosts behaves when some of them refuse, hang or die: tried out in
// virtual time, without a host.
#include <chrono>
#include <cstdio>
#include <mitogen/simulation.hpp>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

// ---- the program: written for any router

struct report {
    int answered = 0;
    std::vector<std::string> failed;
};

int free_gigabytes(int least) { return least + 7; }

/// A host, and how it is reached.
struct target {
    std::string name;
    mitogen::any_method method;
};

report survey(mitogen::router& router, const std::vector<target>& hosts) {
    report r;
    std::vector<mitogen::future<mitogen::context>> coming;
    for (const target& host : hosts) coming.push_back(router.connect_async(host.method));
    for (std::size_t i = 0; i < hosts.size(); ++i) {
        auto context = coming[i].try_get();
        const auto free =
            context ? context->within(5s).try_call<&free_gigabytes>(1) : context.error();
        if (free) {
            ++r.answered;
        } else {
            r.failed.push_back(hosts[i].name + ": " + std::string(free.error().message()));
        }
    }
    return r;
}

// ---- its test

int main() {
    mitogen::simulation::fleet fleet(2026); // the seed: the same run, every time
    std::vector<target> hosts;
    for (int i = 0; i < 200; ++i) {
        const std::string name = "host" + std::to_string(i);
        hosts.push_back({name, mitogen::simulation::host{.name = name, .connect_timeout = 10s}});
    }
    fleet.refuses("host7");
    fleet.never_answers("host42");
    for (int i = 100; i < 110; ++i) fleet.dies_after("host" + std::to_string(i), 0);
    fleet.hangs_after("host150", 0);

    report r;
    const auto outcome = fleet.run([&](mitogen::router& router) { r = survey(router, hosts); });

    std::printf("%d of %zu hosts answered, after %.1f s of virtual time\n", r.answered,
                hosts.size(), double(outcome.elapsed) / 1e9);
    for (const std::string& line : r.failed)
        std::printf("  %.100s\n", line.substr(0, line.find('\n')).c_str());
    return r.answered == 187 && r.failed.size() == 13 && outcome.completed ? 0 : 1;
}
