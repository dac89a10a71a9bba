// SPDX-License-Identifier: BSL-1.0
#pragma once
// chooser.hpp: who decides, if a simulated world can go on in more than one way.

#include <mitogen/base/config.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// Numbers that look random and follow from a seed: SplitMix64 (Steele, Lea, Flood: "Fast
/// splittable pseudorandom number generators", OOPSLA 2014). The same on every machine. Threads:
/// one.
class random {
    std::uint64_t state_;

public:
    explicit random(std::uint64_t seed) noexcept : state_(seed) {}

    std::uint64_t next() noexcept {
        std::uint64_t z = (state_ += 0x9E37'79B9'7F4A'7C15u);
        z = (z ^ (z >> 30)) * 0xBF58'476D'1CE4'E5B9u;
        z = (z ^ (z >> 27)) * 0x94D0'49BB'1331'11EBu;
        return z ^ (z >> 31);
    }

    /// 0 to count - 1; `count` must not be 0.
    std::uint64_t below(std::uint64_t count) noexcept { return next() % count; }

    /// True with probability `p`.
    bool chance(double p) noexcept {
        return p > 0 && static_cast<double>(next() >> 11) * 0x1p-53 < p;
    }

    /// Between `least` and `most`, both included.
    std::int64_t between(std::int64_t least, std::int64_t most) noexcept {
        return most <= least ? least
                             : least + static_cast<std::int64_t>(
                                           below(static_cast<std::uint64_t>(most - least) + 1));
    }
};

/// Decides which thread of a world runs next.
class chooser {
public:
    virtual ~chooser() = default;

    /// One of `count` (at least 2) threads that can run, by its place in the list of those that
    /// can, oldest first. `threads` are their numbers. `staying`: the first of them runs now, could
    /// go on, and is only interrupted if another is chosen.
    virtual std::size_t choose(const std::uint32_t* threads, std::size_t count, bool staying) = 0;
};

/// Any thread, with the same probability; one that could go on is interrupted with a given one.
class random_chooser final : public chooser {
    random numbers_;
    double interrupt_;

public:
    explicit random_chooser(std::uint64_t seed, double interrupt = 0.1) noexcept
        : numbers_(seed), interrupt_(interrupt) {}

    std::size_t choose(const std::uint32_t*, std::size_t count, bool staying) override {
        if (staying) return numbers_.chance(interrupt_) ? 1 + numbers_.below(count - 1) : 0;
        return numbers_.below(count);
    }
};

/// Threads have random priorities; the highest runs, and at a few random steps the one that runs
/// becomes the lowest. Finds a bug that needs `depth` ordered events with a known least probability
/// (Burckhardt, Kothari, Musuvathi, Nagarakatte: "A randomized scheduler with probabilistic
/// guarantees of finding bugs", ASPLOS 2010).
class priority_chooser final : public chooser {
    random numbers_;
    std::vector<std::uint64_t> priorities_; // by thread number
    std::vector<std::uint64_t> changes_;    // steps, in any order
    std::uint64_t step_ = 0;
    std::uint64_t lowest_ = 1u << 16;

    std::uint64_t& priority(std::uint32_t thread) {
        while (priorities_.size() <= thread)
            priorities_.push_back((1u << 16) + 1 + (numbers_.next() >> 16));
        return priorities_[thread];
    }

    std::size_t highest(const std::uint32_t* threads, std::size_t count) {
        std::size_t best = 0;
        for (std::size_t i = 1; i < count; ++i)
            if (priority(threads[i]) > priority(threads[best])) best = i;
        return best;
    }

public:
    /// `steps`: about how many choices a run has.
    priority_chooser(std::uint64_t seed, unsigned depth, std::uint64_t steps) : numbers_(seed) {
        for (unsigned i = 1; i < depth; ++i) changes_.push_back(numbers_.below(steps ? steps : 1));
    }

    std::size_t choose(const std::uint32_t* threads, std::size_t count, bool) override {
        const std::uint64_t step = step_++;
        const std::size_t best = highest(threads, count);
        for (const std::uint64_t change : changes_) {
            if (change != step) continue;
            priority(threads[best]) = --lowest_;
            return highest(threads, count);
        }
        return best;
    }
};

/// Goes through all orders of a small program, one per run, depth first. Between runs call
/// next_run(), until it says false.
///
/// With `most_interruptions` only those runs are made in which at most so many threads are
/// interrupted that could have gone on: most bugs need two (Musuvathi, Qadeer: "Iterative context
/// bounding for systematic testing of multithreaded programs", PLDI 2007).
class exhaustive_chooser final : public chooser {
    struct decision {
        std::uint32_t taken;
        std::uint32_t count;
    };

    std::vector<decision> path_;
    std::size_t at_ = 0;
    unsigned most_interruptions_;
    unsigned interruptions_ = 0;
    bool diverged_ = false;

public:
    explicit exhaustive_chooser(unsigned most_interruptions = 1'000'000) noexcept
        : most_interruptions_(most_interruptions) {}

    std::size_t choose(const std::uint32_t*, std::size_t count, bool staying) override {
        if (staying && interruptions_ == most_interruptions_) return 0;
        if (at_ == path_.size()) path_.push_back({0, static_cast<std::uint32_t>(count)});
        if (path_[at_].count != count) diverged_ = true;
        const auto taken =
            static_cast<std::uint32_t>(std::min<std::size_t>(path_[at_++].taken, count - 1));
        if (staying && taken != 0) ++interruptions_;
        return taken;
    }

    /// True if a run came to other choices than the one before it, up to where the two should
    /// differ: something in it does not follow from the choices.
    bool diverged() const noexcept { return diverged_; }

    /// Prepares the next run. False once all have been made.
    bool next_run() noexcept {
        at_ = 0;
        interruptions_ = 0;
        while (!path_.empty() && path_.back().taken + 1 == path_.back().count) path_.pop_back();
        if (path_.empty()) return false;
        ++path_.back().taken;
        return true;
    }
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
