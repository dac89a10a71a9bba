// SPDX-License-Identifier: BSL-1.0
// simulate: runs simulated trees with faults, seed after seed, and shows the first that fails.
#include "debugger_world.hpp"
#include "hostile_world.hpp"
#include "workload.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

void usage() {
    std::fputs(
        "usage: simulate [--seeds A..B] [--contexts N] [--faults PROFILE] [--seconds S] [--jobs N] "
        "[--hashes]\n"
        "       simulate --hostile|--debugger [--seeds A..B] [--seconds S] [--jobs N] [--hashes]\n"
        "       simulate --replay SEED [--times N] [--contexts N] [--faults PROFILE] "
        "[--hostile|--debugger] [--lines N]\n"
        "\n"
        "Runs one simulated tree per seed (default: 1..1000), of N contexts (6), under calls and "
        "faults, and checks what must\n"
        "hold. Profiles: none, io, latency, spawn, kill, freeze, clock, cut, silence, all (all but "
        "silence; the default); "
        "several are\n"
        "joined by +.\n"
        "  --hostile   in place of that: one context sends what it likes, and nobody else must "
        "notice\n"
        "  --debugger  in place of that: threads stop at the root's terminal, and contexts are "
        "lost\n"
        "  --seconds   stop after so many seconds, however many seeds are left\n"
        "  --jobs      processes that share the work (default: one per processor)\n"
        "  --hashes    print the hash of each run: equal seeds have equal hashes, on every "
        "machine\n"
        "  --replay    run one seed, print the end of its trace (--lines, default 60), and run it "
        "again: the same must happen\n"
        "              each time (--times, default 2)\n"
        "Exit status: 0 where nothing failed, 1 where something did, 2 for a wrong command line.\n",
        stderr);
}

struct options {
    std::uint64_t first = 1;
    std::uint64_t last = 1000;
    unsigned seconds = 0;
    unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
    bool hashes = false;
    bool hostile = false;
    bool debugger = false;
    std::optional<std::uint64_t> replay;
    std::uint64_t times = 2;
    std::uint64_t lines = 60;
    workload::settings load;
};

bool number(const char* text, std::uint64_t& to) {
    const char* end = text + std::strlen(text);
    const auto [stop, problem] = std::from_chars(text, end, to);
    return problem == std::errc() && stop == end && text != end;
}

bool parse(int argc, char** argv, options& o) {
    for (int i = 1; i < argc; ++i) {
        const std::string name = argv[i];
        if (name == "--hashes") {
            o.hashes = true;
            continue;
        }
        if (name == "--hostile") {
            o.hostile = true;
            continue;
        }
        if (name == "--debugger") {
            o.debugger = true;
            continue;
        }
        if (i + 1 == argc) return false;
        const std::string value = argv[++i];
        std::uint64_t n = 0;
        if (name == "--faults") {
            o.load.profile = value;
            continue;
        }
        if (name == "--seeds") {
            const auto dots = value.find("..");
            if (dots == std::string::npos || !number(value.substr(0, dots).c_str(), o.first) ||
                !number(value.substr(dots + 2).c_str(), o.last) || o.last < o.first)
                return false;
            continue;
        }
        if (!number(value.c_str(), n)) return false;
        if (name == "--contexts") {
            o.load.contexts = static_cast<unsigned>(n);
        } else if (name == "--seconds") {
            o.seconds = static_cast<unsigned>(n);
        } else if (name == "--jobs") {
            o.jobs = n ? static_cast<unsigned>(n) : 1;
        } else if (name == "--lines") {
            o.lines = n;
        } else if (name == "--times") {
            o.times = n;
        } else if (name == "--replay") {
            o.replay = n;
        } else {
            return false;
        }
    }
    return true;
}

/// Why a seed fails; empty if it does not.
std::string trouble_of(const options& all, const workload::settings& s, workload::sim::outcome& o,
                       std::string* trace = nullptr) {
    try {
        o = all.hostile    ? hostile_world::run(s.seed, s.trace_lines, trace)
            : all.debugger ? debugger_world::run(s.seed, s.trace_lines, trace)
                           : workload::run(s, trace);
        return o.trouble;
    } catch (const std::exception& e) {
        return e.what();
    }
}

int replay(const options& o) {
    workload::settings load = o.load;
    load.seed = *o.replay;
    load.trace_lines = o.lines;
    std::string trace;
    workload::sim::outcome first;
    const std::string trouble = trouble_of(o, load, first, &trace);
    std::fputs(trace.c_str(), stdout);
    std::printf(
        "seed %llu: hash %016llx, %llu steps, %.3f s of virtual time, %llu kills, %llu cuts: %s\n",
        static_cast<unsigned long long>(load.seed), static_cast<unsigned long long>(first.hash),
        static_cast<unsigned long long>(first.steps), static_cast<double>(first.elapsed) / 1e9,
        static_cast<unsigned long long>(first.kills), static_cast<unsigned long long>(first.cuts),
        trouble.empty() ? "ok" : trouble.c_str());
    load.trace_lines = 0;
    for (std::uint64_t run = 1; run < o.times; ++run) {
        workload::sim::outcome next;
        const std::string again = trouble_of(o, load, next);
        if (again == trouble && next.hash == first.hash) continue;
        std::printf("run %llu was another one: hash %016llx: %s\n",
                    static_cast<unsigned long long>(run + 1),
                    static_cast<unsigned long long>(next.hash), again.c_str());
        return 1;
    }
    std::printf("the same, %llu times\n", static_cast<unsigned long long>(o.times));
    return trouble.empty() ? 0 : 1;
}

/// Runs some seeds in a process of its own: what killed contexts leave in its memory goes with it.
/// Writes a line per failure, and one with its sums.
[[noreturn]] void work(const options& o, std::uint64_t from, std::uint64_t to, int out) {
    std::FILE* lines = ::fdopen(out, "w");
    unsigned long long kills = 0;
    unsigned long long cuts = 0;
    unsigned long long steps = 0;
    unsigned long long runs = 0;
    workload::settings s = o.load;
    for (std::uint64_t seed = from; seed <= to; ++seed) {
        s.seed = seed;
        workload::sim::outcome result;
        // Should this crash, the last line says where.
        std::fprintf(lines, "begin %llu\n", static_cast<unsigned long long>(seed));
        std::fflush(lines);
        const std::string trouble = trouble_of(o, s, result);
        ++runs;
        kills += result.kills;
        cuts += result.cuts;
        steps += result.steps;
        if (o.hashes)
            std::fprintf(lines, "hash %llu %016llx\n", static_cast<unsigned long long>(seed),
                         static_cast<unsigned long long>(result.hash));
        if (trouble.empty()) continue;
        std::string flat = trouble;
        for (char& c : flat)
            if (c == '\n') c = '\v';
        std::fprintf(lines, "failed %llu %s\n", static_cast<unsigned long long>(seed),
                     flat.c_str());
        break;
    }
    std::fprintf(lines, "done %llu %llu %llu %llu\n", runs, steps, kills, cuts);
    std::fclose(lines);
    std::_Exit(0);
}

struct totals {
    unsigned long long runs = 0, steps = 0, kills = 0, cuts = 0;
    std::optional<std::uint64_t> failed;
    std::string why;
};

struct job {
    pid_t pid;
    std::FILE* lines;
};

job start(const options& o, std::uint64_t from, std::uint64_t to) {
    int ends[2];
    std::fflush(stdout);
    if (::pipe(ends) != 0) std::exit(2);
    const pid_t pid = ::fork();
    if (pid == 0) {
        ::close(ends[0]);
        work(o, from, to, ends[1]);
    }
    ::close(ends[1]);
    return {pid, ::fdopen(ends[0], "r")};
}

void finish(job j, totals& sum) {
    std::vector<char> line(1 << 20);
    unsigned long long at = 0;
    bool ended = false;
    const auto failed = [&](std::uint64_t seed, std::string why) {
        if (sum.failed && *sum.failed <= seed) return;
        sum.failed = seed;
        sum.why = std::move(why);
    };
    while (std::fgets(line.data(), static_cast<int>(line.size()), j.lines)) {
        unsigned long long a = 0, b = 0, c = 0, d = 0;
        int begin = 0;
        if (std::sscanf(line.data(), "begin %llu", &a) == 1) at = a;
        if (std::strncmp(line.data(), "hash ", 5) == 0) std::fputs(line.data(), stdout);
        if (std::sscanf(line.data(), "failed %llu %n", &a, &begin) == 1) {
            std::string why = line.data() + begin;
            for (char& ch : why)
                if (ch == '\v') ch = '\n';
            failed(a, std::move(why));
        }
        if (std::sscanf(line.data(), "done %llu %llu %llu %llu", &a, &b, &c, &d) == 4) {
            sum.runs += a, sum.steps += b, sum.kills += c, sum.cuts += d;
            ended = true;
        }
    }
    std::fclose(j.lines);
    int status = 0;
    ::waitpid(j.pid, &status, 0);
    if (!ended) failed(at, "the process died: wait status " + std::to_string(status) + "\n");
}

int sweep(const options& o) {
    constexpr std::uint64_t batch = 250;
    const auto begin = std::chrono::steady_clock::now();
    const auto spent = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    totals sum;
    std::vector<job> running;
    std::uint64_t next = o.first;
    const auto more = [&] {
        return next <= o.last && !sum.failed && (o.seconds == 0 || spent() < o.seconds);
    };
    while (more() || !running.empty()) {
        while (more() && running.size() < o.jobs) {
            const std::uint64_t to = std::min(o.last, next + batch - 1);
            running.push_back(start(o, next, to));
            next = to + 1;
        }
        finish(running.front(), sum);
        running.erase(running.begin());
    }
    std::printf("%llu seeds, %llu steps, %llu kills, %llu cuts, %.1f s: ", sum.runs, sum.steps,
                sum.kills, sum.cuts, spent());
    if (!sum.failed) {
        std::printf("no failure\n");
        return 0;
    }
    std::printf("seed %llu FAILED\n%s\n", static_cast<unsigned long long>(*sum.failed),
                sum.why.c_str());
    std::fflush(stdout);
    options again = o;
    again.replay = sum.failed;
    static_cast<void>(replay(again));
    std::printf("again: simulate --replay %llu --contexts %u --faults %s%s\n",
                static_cast<unsigned long long>(*sum.failed), o.load.contexts,
                o.load.profile.c_str(), o.hostile ? " --hostile" : o.debugger ? " --debugger" : "");
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    options o;
    if (!parse(argc, argv, o)) {
        usage();
        return 2;
    }
    try {
        static_cast<void>(workload::faults_of(o.load.profile));
    } catch (const std::exception& e) {
        std::fprintf(stderr, "simulate: %s\n", e.what());
        return 2;
    }
    if (o.hostile && !&hostile_world::run) {
        std::fputs("simulate: --hostile is for simulate_hostile\n", stderr);
        return 2;
    }
    if (o.debugger && !&debugger_world::run) {
        std::fputs("simulate: --debugger is for simulate_debugger\n", stderr);
        return 2;
    }
    return o.replay ? replay(o) : sweep(o);
}
