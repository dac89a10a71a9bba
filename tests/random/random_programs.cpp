// SPDX-License-Identifier: BSL-1.0
// random_programs: runs random structured programs over trees of contexts, simulated or real, and
// compares what happens with what an oracle says.
#include "../support/engine.hpp"
#include "../support/leak_check.hpp"
#include "interpreter.hpp"
#include "oracle.hpp"

#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

namespace {
using namespace random_programs;

void usage() {
    std::fputs(
        "usage: random_programs [--seeds A..B] [--real] [--seconds S] [--verbose] [--lines N]\n"
        "\n"
        "Makes one program of nurseries, calls, streams, dialogs, scopes, shields, deadlines,\n"
        "cancellations and failures per seed (default: 1..1000), runs it over a tree of contexts,\n"
        "and checks when each step ends, and how.\n"
        "  --real      contexts are processes: each step must end, but when is not compared\n"
        "  --seconds   stop after so many seconds, however many seeds are left\n"
        "  --verbose   print each program\n"
        "  --lines     print the last N lines of what happened in a simulated world\n"
        "Exit status: 0 if nothing was wrong, 1 if something was, 2 for a wrong command line.\n",
        stderr);
}

struct options {
    std::uint64_t first = 1;
    std::uint64_t last = 1000;
    unsigned seconds = 0;
    bool real = false;
    bool verbose = false;
    std::size_t lines = 0;
};

bool number(std::string_view text, std::uint64_t& to) {
    const auto [stop, problem] = std::from_chars(text.data(), text.data() + text.size(), to);
    return problem == std::errc() && stop == text.data() + text.size() && !text.empty();
}

bool parse(int argc, char** argv, options& o) {
    for (int i = 1; i < argc; ++i) {
        const std::string_view name = argv[i];
        std::uint64_t n = 0;
        if (name == "--real") {
            o.real = true;
        } else if (name == "--verbose") {
            o.verbose = true;
        } else if (name == "--seeds" && i + 1 < argc) {
            const std::string_view value = argv[++i];
            const auto dots = value.find("..");
            if (dots == std::string_view::npos || !number(value.substr(0, dots), o.first) ||
                !number(value.substr(dots + 2), o.last) || o.last < o.first)
                return false;
        } else if (name == "--seconds" && i + 1 < argc && number(argv[++i], n)) {
            o.seconds = static_cast<unsigned>(n);
        } else if (name == "--lines" && i + 1 < argc && number(argv[++i], n)) {
            o.lines = n;
        } else {
            return false;
        }
    }
    return true;
}

struct totals {
    std::uint64_t programs = 0;
    std::uint64_t exact = 0; ///< in which each step's end was known beforehand
    std::uint64_t steps = 0;
    std::uint64_t ends[4] = {}; ///< of programs: well, failed, late, cancelled
};

/// Runs it on the calling thread, and says how the whole has ended.
random_programs::outcome run_here(const program& p, order o, mitogen::router& root) {
    o.begin_ns = now_ns();
    try {
        run(p, o, root);
        return {};
    } catch (const mitogen::error& e) {
        return outcome_of(e);
    } catch (const std::exception& e) {
        const std::string text = e.what();
        if (!text.starts_with("boom ")) throw;
        return {failed, {std::stoi(text.substr(5))}, text};
    }
}

void count(totals& sum, const program& p, const random_programs::outcome& came) {
    ++sum.programs;
    sum.steps += p.size();
    ++sum.ends[came.how & failed ? 1 : came.how & late ? 2 : came.how & cancelled ? 3 : 0];
}

bool report(const options& o, std::uint64_t seed, const program& p, const ending* expected,
            const std::vector<std::string>& wrong) {
    if (o.verbose || !wrong.empty()) {
        std::printf("seed %llu%s:\n%s", static_cast<unsigned long long>(seed),
                    o.real ? ", real" : "", text_of(p, 0, p.size()).c_str());
        if (expected)
            std::printf("ends at %lld us, %d\n", static_cast<long long>(expected->at / 1000),
                        expected->how);
    }
    for (const std::string& text : wrong) std::printf("WRONG: %s\n", text.c_str());
    if (!wrong.empty())
        std::printf("again: random_programs --seeds %llu..%llu%s\n",
                    static_cast<unsigned long long>(seed), static_cast<unsigned long long>(seed),
                    o.real ? " --real" : "");
    std::fflush(stdout);
    return wrong.empty();
}

bool run_simulated(const options& o, std::uint64_t seed, totals& sum) {
    sim::random dice(seed ^ 0x5EED'0000u);
    const int levels = static_cast<int>(1 + dice.below(3));
    const int width = static_cast<int>(1 + dice.below(2));
    program p = author(dice, static_cast<int>(4 + dice.below(40))).write(levels);
    oracle knows(p);
    const ending expected = knows.tell();
    sim::world_options world{.seed = seed, .trace_lines = o.lines};
    // A third of the worlds has links that take time: there a step may be late by what all take.
    if (dice.chance(0.33)) world.faults.most_latency = 20'000;
    order given;
    given.slack_ns = static_cast<std::int64_t>(p.size()) * 20 * world.faults.most_latency;
    const bool exact = knows.exact() && knows.gap() > given.slack_ns;
    if (!exact) {
        given.early = true;
        tell_bounds(p, 10'000 * ms);
    }
    complaints().clear();
    random_programs::outcome came;
    sim::fleet fleet(world);
    std::string trouble;
    try {
        const sim::outcome w = fleet.run([&](mitogen::router& root) {
            mitogen::log::set_sink([](const mitogen::log::record&) {});
            grow(levels, width, root);
            came = run_here(p, given, root);
            mitogen::io::simulated io;
            io.sleep_for(10'000 * ms); // what goes on behind shields ends
            if (support::open_answers<mitogen::io::simulated>(root) != 0)
                complain(given, "answers are still awaited");
            int left = 0;
            for (int count = 1, level = 0; level < levels; ++level) left += count *= width;
            if (root.contexts().size() != static_cast<std::size_t>(left))
                complain(given, "contexts are left: " + std::to_string(root.contexts().size()) +
                                    " instead of " + std::to_string(left));
        });
        if (!w.completed) complain(given, w.trouble);
    } catch (const std::exception& e) {
        complain(given, std::string("an exception: ") + e.what());
    }
    for (const std::string& line : fleet.world().log().lines()) std::printf("%s\n", line.c_str());
    if (exact && expected.how == failed && came.failures != expected.failures)
        complain(given, "the program has other failures: " + came.text);
    count(sum, p, came);
    sum.exact += exact;
    return report(o, seed, p, exact ? &expected : nullptr, complaints());
}

/// A tree of processes, and the pipe for their complaints.
class real_tree {
    int ends_[2] = {-1, -1};
    std::optional<mitogen::broker> loop_;
    std::optional<mitogen::router> root_;

public:
    static constexpr int levels = 2;

    real_tree() {
        if (::pipe(ends_) != 0) throw std::runtime_error("pipe");
        ::fcntl(ends_[0], F_SETFL, O_NONBLOCK);
        loop_.emplace();
        root_.emplace(*loop_);
        grow(levels, 2, *root_);
    }
    real_tree(const real_tree&) = delete;
    ~real_tree() {
        root_.reset();
        loop_.reset();
        ::close(ends_[0]);
        ::close(ends_[1]);
    }
    mitogen::router& root() { return *root_; }
    int complaints() const { return ends_[1]; }

    std::vector<std::string> said() const {
        std::string text;
        char bytes[4096];
        for (ssize_t n; (n = ::read(ends_[0], bytes, sizeof bytes)) > 0;)
            text.append(bytes, static_cast<std::size_t>(n));
        std::vector<std::string> lines;
        for (std::size_t at; (at = text.find('\n')) != std::string::npos; text.erase(0, at + 1))
            lines.push_back(text.substr(0, at));
        return lines;
    }
};

bool run_real(const options& o, std::uint64_t seed, real_tree& tree, totals& sum) {
    sim::random dice(seed ^ 0x5EED'0000u);
    program p = author(dice, static_cast<int>(4 + dice.below(30))).write(real_tree::levels);
    tell_bounds(p, 60'000 * ms); // for what hangs; machines are slow
    const order given{0, 0, true, tree.complaints()};
    std::vector<std::string> wrong;
    try {
        count(sum, p, run_here(p, given, tree.root()));
    } catch (const std::exception& e) {
        wrong.push_back(std::string("an exception: ") + e.what());
    }
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (support::open_answers(tree.root()) != 0 || tree.root().contexts().size() != 6) {
        if (std::chrono::steady_clock::now() > until) {
            wrong.push_back("answers are still awaited, or contexts are left");
            break;
        }
        std::this_thread::yield();
    }
    for (std::string& text : tree.said()) wrong.push_back(std::move(text));
    return report(o, seed, p, nullptr, wrong);
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    options o;
    if (!parse(argc, argv, o)) {
        usage();
        return 2;
    }
    const auto begin = std::chrono::steady_clock::now();
    const auto spent = [&] {
        return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
    };
    std::thread([] {}).join(); // a sanitizer's own thread starts with the first one
    totals sum;
    bool good = true;
    if (o.real) mitogen::log::set_sink([](const mitogen::log::record&) {});
    support::census before = support::take_census();
    std::optional<real_tree> tree;
    for (std::uint64_t seed = o.first; good && seed <= o.last; ++seed) {
        if (o.seconds && spent() > o.seconds) break;
        if (!o.real) {
            good = run_simulated(o, seed, sum);
            continue;
        }
        if (!tree) tree.emplace();
        good = run_real(o, seed, *tree, sum);
        if (seed % 10 != 0 && seed != o.last && good) continue;
        tree.reset();
        for (const std::string& line : support::settled_differences(before)) {
            std::printf("seed %llu leaves %s\n", static_cast<unsigned long long>(seed),
                        line.c_str());
            good = false;
        }
    }
    tree.reset();
    std::printf("%llu %s programs, %llu of them exact, %llu steps; %llu ended well, %llu failed, "
                "%llu late, %llu cancelled; %.1f s: %s\n",
                static_cast<unsigned long long>(sum.programs), o.real ? "real" : "simulated",
                static_cast<unsigned long long>(sum.exact),
                static_cast<unsigned long long>(sum.steps),
                static_cast<unsigned long long>(sum.ends[0]),
                static_cast<unsigned long long>(sum.ends[1]),
                static_cast<unsigned long long>(sum.ends[2]),
                static_cast<unsigned long long>(sum.ends[3]), spent(),
                good ? "no failure" : "FAILED");
    return good ? 0 : 1;
}
