// SPDX-License-Identifier: BSL-1.0
// kill_test: trees of real processes. In each, one random process is killed or hangs while calls
// run: every call has to end in time, and in the end nothing may be left. A tree follows from its
// number alone, but for what the kernel's scheduler adds.
#include "../support/clean_environment.hpp"
#include "../support/leak_check.hpp"
#include "killed_tree.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <poll.h>
#include <string>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {
using namespace killed_tree;

struct settings {
    std::uint32_t trees = 25;
    std::uint64_t seed = 1;
    bool verbose = false;
};

struct totals {
    std::uint64_t calls = 0;
    std::uint64_t lost_calls = 0;
    std::uint32_t kills = 0;
    std::uint32_t hangs = 0;
    /// contexts that fell silent for too long although they did not hang
    std::uint32_t innocents = 0;
    double longest_call_ms = 0;
    double longest_end_ms = 0;
    double longest_settling_ms = 0;
};

/// Reaps what was left to this process, its nearest ancestor that lives and reaps, and says what is
/// still there after a while.
std::vector<std::string> survivors(const support::census& before, double& took_ms) {
    const instant begin = now();
    for (;;) {
        siginfo_t ended{};
        while (::waitid(P_ALL, 0, &ended, WEXITED | WNOHANG) == 0 && ended.si_pid != 0) ended = {};
        std::vector<std::string> left = support::differences(before, support::take_census());
        took_ms = ms_since(begin);
        if (left.empty() || took_ms > 1000 * settling_seconds) return left;
        ::poll(nullptr, 0, 2); // not all that may be left can be waited for
    }
}

/// One tree, from its first process to its last. False with a report if something is wrong.
bool run_tree(const settings& s, std::uint64_t seed, totals& sum) {
    const shape plan(seed);
    if (s.verbose)
        std::printf("tree %llu: %s\n", static_cast<unsigned long long>(seed), plan.text().c_str());
    std::fflush(stdout);
    const support::census before = support::take_census();
    std::vector<std::string> wrong;
    {
        trial t(plan);
        t.build();
        t.load();
        t.end();
        wrong = t.complaints();
        const outcome& o = t.result();
        sum.calls += o.calls;
        sum.lost_calls += o.lost;
        sum.innocents += o.innocents;
        sum.longest_call_ms = std::max(sum.longest_call_ms, o.longest_call_ms);
        sum.longest_end_ms = std::max(sum.longest_end_ms, o.end_ms);
        if (s.verbose) std::printf("  %s\n", o.text().c_str());
    }
    double settling_ms = 0;
    for (const std::string& line : survivors(before, settling_ms))
        wrong.push_back("it leaves something: " + line);
    sum.longest_settling_ms = std::max(sum.longest_settling_ms, settling_ms);
    (plan.hangs() ? sum.hangs : sum.kills)++;
    if (wrong.empty()) return true;
    std::printf("tree %llu is wrong (again: kill_test --trees 1 --seed %llu --verbose)\n  %s\n",
                static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed),
                plan.text().c_str());
    for (const std::string& line : wrong) std::printf("  %s\n", line.c_str());
    std::fputs(last_log_lines().c_str(), stdout);
    std::fflush(stdout);
    support::end_children_since(before);
    return false;
}

bool parse(int argc, char** argv, settings& s) {
    for (int i = 1; i < argc; ++i) {
        const std::string option = argv[i];
        if (option == "--verbose") {
            s.verbose = true;
        } else if (i + 1 < argc && (option == "--trees" || option == "--seed")) {
            const std::uint64_t value = std::strtoull(argv[++i], nullptr, 10);
            if (option == "--trees") s.trees = static_cast<std::uint32_t>(value);
            if (option == "--seed") s.seed = value;
        } else {
            return false;
        }
    }
    return true;
}

} // namespace

int main(int argc, char** argv) {
    support::open_standard_descriptors();
    mitogen::init(argc, argv);
    support::clean_environment();
    settings s;
    if (!parse(argc, argv, s)) {
        std::fputs("usage: kill_test [--trees N] [--seed S] [--verbose]\n"
                   "Tree k has the seed S + k.\n",
                   stderr);
        return 2;
    }
    std::printf("seed %llu, %u trees\n", static_cast<unsigned long long>(s.seed), s.trees);
    std::fflush(stdout);
    // Whoever loses its parent becomes a child of this process: nobody can survive unseen.
    if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) std::perror("PR_SET_CHILD_SUBREAPER");
    mitogen::os::self_executable(); // opened once for the life of the process
    std::thread([] {}).join();      // a sanitizer's own thread starts with the first one
    totals sum;
    std::uint32_t failed = 0;
    for (std::uint32_t i = 0; i < s.trees; ++i) failed += !run_tree(s, s.seed + i, sum);
    std::printf(
        "%u trees, %u wrong; %u killed, %u hung; %llu calls, %llu of them lost; longest call "
        "%.0f ms, longest end %.0f ms, "
        "the last orphan was gone after %.0f ms; %u contexts taken for silent that were not\n",
        s.trees, failed, sum.kills, sum.hangs, static_cast<unsigned long long>(sum.calls),
        static_cast<unsigned long long>(sum.lost_calls), sum.longest_call_ms, sum.longest_end_ms,
        sum.longest_settling_ms, sum.innocents);
    return failed == 0 ? 0 : 1;
}
