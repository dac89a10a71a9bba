// SPDX-License-Identifier: BSL-1.0
#pragma once
// explore.hpp: runs a small program in all orders of its threads, or in many, and tells how the
// first bad one goes.

#include <mitogen/base/config.hpp>
#include <mitogen/simulation/chooser.hpp>
#include <mitogen/simulation/world.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// What a chooser said, one number per choice: the place that was taken. Zeros at the end are left
/// out.
using decisions = std::vector<std::uint32_t>;

/// Asks another chooser, and remembers what it said.   Threads: one.
class recording_chooser final : public chooser {
    chooser& inner_;
    decisions taken_;

public:
    explicit recording_chooser(chooser& inner) noexcept : inner_(inner) {}

    std::size_t choose(const std::uint32_t* threads, std::size_t count, bool staying) override {
        const std::size_t taken = inner_.choose(threads, count, staying);
        taken_.push_back(static_cast<std::uint32_t>(taken));
        return taken;
    }

    /// All choices so far.
    const decisions& taken() const noexcept { return taken_; }
};

/// Says what was said before, then always the first.   Threads: one.
class replaying_chooser final : public chooser {
    decisions said_;
    std::size_t at_ = 0;

public:
    explicit replaying_chooser(decisions said) noexcept : said_(std::move(said)) {}

    std::size_t choose(const std::uint32_t*, std::size_t count, bool) override {
        const std::size_t said = at_ < said_.size() ? said_[at_] : 0;
        ++at_;
        return std::min(said, count - 1);
    }
};

/// Which orders are tried.
struct exploration {
    enum class kind {
        exhaustive, ///< all orders with at most `most_interruptions`, depth first
        random,     ///< one with random_chooser for each seed
        priority,   ///< one with priority_chooser for each seed
    };
    kind how = kind::exhaustive;
    unsigned most_interruptions = 2; ///< of threads that could have gone on; exhaustive
    double interrupt = 0.2;          ///< how likely at each point; random
    unsigned depth = 3;              ///< of the bug, in ordered events; priority
    std::uint64_t choices = 200;     ///< about how many a run has; priority
    /// random and priority; exhaustive uses only this one, for faults
    std::uint64_t first_seed = 1;
    std::uint64_t last_seed = 100;
    std::uint64_t most_runs = 1'000'000;
    std::uint64_t most_steps = 1'000'000; ///< of one run, after which it is taken for endless
    simulation::faults faults{};
};

/// What was found.
struct findings {
    std::uint64_t runs = 0;
    /// everything was tried that should have been, and nothing was found
    bool complete = false;
    std::uint64_t most_choices = 0; ///< that one run had
    std::string failure{};          ///< of the first bad run; empty: there was none
    std::uint64_t seed = 0;         ///< its seed
    decisions how{};                ///< its choices

    /// True if a run was bad.
    bool failed() const noexcept { return !failure.empty(); }

    /// For people: how many runs, the failure, and how to see it again.
    std::string text() const {
        std::string out = std::to_string(runs) + (runs == 1 ? " run, " : " runs, ") +
                          (complete ? "complete" : "not complete");
        if (!failed()) return out;
        out += ": " + failure + "\nreplay: seed " + std::to_string(seed) + ", decisions {";
        for (std::size_t i = 0; i < how.size(); ++i)
            out += (i ? ", " : "") + std::to_string(how[i]);
        return out + "}";
    }
};

namespace detail {

/// One run; the failure's text, or nothing. `lines`: what happened, or null.
template <class Body>
std::string explore_once(const exploration& options, std::uint64_t seed, chooser& by, Body& body,
                         std::string* lines) {
    world w({.seed = seed,
             .faults = options.faults,
             .scheduling = &by,
             .trace_lines = lines ? std::size_t{1000} : 0,
             .most_steps = options.most_steps});
    std::string failure;
#if MITOGEN_HAS_EXCEPTIONS
    try {
        failure = w.run([&body](io::simulated io) { body(io); }).trouble;
    } catch (const std::exception& e) {
        failure = std::string("exception: ") + e.what();
    } catch (...) {
        failure = "exception that is no std::exception";
    }
#else
    failure = w.run([&body](io::simulated io) { body(io); }).trouble;
#endif
    if (lines)
        for (const std::string& line : w.log().lines()) *lines += line + '\n';
    return failure;
}

} // namespace detail

/// Runs `body(io::simulated)` in a fresh world per order, until all orders that `options` asks for
/// have been tried, or one is bad: an exception leaves a thread, or the world does not come to its
/// end (everything waits; something is left behind).
///
/// The body is called many times: it makes everything that it uses, and whatever differs between
/// runs must follow from the policy. Threads: one real thread. Blocks: as long as it takes; about
/// 0.1 ms per run of a few dozen steps.
template <class Body>
findings explore(const exploration& options, Body body) {
    findings found;
    exhaustive_chooser all(options.most_interruptions);
    for (std::uint64_t seed = options.first_seed; found.runs < options.most_runs;) {
        random_chooser any(seed, options.interrupt);
        priority_chooser prioritised(seed, options.depth, options.choices);
        chooser& by = options.how == exploration::kind::exhaustive ? static_cast<chooser&>(all)
                      : options.how == exploration::kind::random
                          ? static_cast<chooser&>(any)
                          : static_cast<chooser&>(prioritised);
        recording_chooser recorder(by);
        found.failure = detail::explore_once(options, seed, recorder, body, nullptr);
        ++found.runs;
        found.most_choices = std::max<std::uint64_t>(found.most_choices, recorder.taken().size());
        if (found.failure.empty() && all.diverged())
            found.failure = "the same choices led to another run";
        if (found.failed()) {
            found.seed = seed;
            found.how = recorder.taken();
            while (!found.how.empty() && found.how.back() == 0) found.how.pop_back();
            return found;
        }
        const bool more = options.how == exploration::kind::exhaustive ? all.next_run()
                                                                       : seed++ < options.last_seed;
        if (more) continue;
        found.complete = true;
        break;
    }
    return found;
}

/// Makes the run again that failed. Returns its failure, and before it the last lines of what
/// happened.
template <class Body>
std::string replay(const exploration& options, std::uint64_t seed, decisions how, Body body) {
    replaying_chooser by(std::move(how));
    std::string lines;
    const std::string failure = detail::explore_once(options, seed, by, body, &lines);
    return lines + failure;
}

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
