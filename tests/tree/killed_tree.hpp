// SPDX-License-Identifier: BSL-1.0
#pragma once
// killed_tree.hpp: one random tree of processes, calls in it, and the blow to one of them.

#include <mitogen/mitogen.hpp>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <ctime>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <sys/types.h>
#include <thread>
#include <vector>

namespace killed_tree {

using instant = std::int64_t; ///< CLOCK_MONOTONIC, ns

inline instant now() {
    ::timespec t{};
    ::clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}
inline double ms_since(instant begin) { return static_cast<double>(now() - begin) / 1e6; }

/// How the ends of a link look after each other if a process hangs. If one is killed they look
/// so rarely that they cannot heal a wake-up that was lost.
inline constexpr mitogen::heartbeat short_beat{200'000'000, 1'000'000'000};
/// What a call may take beyond the heartbeat's limit, and what building and ending may take: for a
/// machine that is busy.
inline constexpr instant slack = 14'000'000'000;
inline constexpr double settling_seconds = 10;

/// What a tree is like and what happens to it: all that follows from its seed.
class shape {
public:
    struct node {
        int parent = -1; ///< -1: the root
        bool forked = false;
        std::uint32_t depth = 1;
    };

    explicit shape(std::uint64_t seed);

    const std::vector<node>& nodes() const { return nodes_; }
    bool hangs() const { return hangs_; }
    std::size_t victim() const { return victim_; }
    /// Calls that complete before the blow.
    std::uint32_t calls_before() const { return calls_before_; }
    /// True if the tree is ended at once after it.
    bool ends_at_once() const { return ends_at_once_; }
    /// True if new contexts are being made all the time.
    bool grows() const { return grows_; }
    std::uint64_t seed() const { return seed_; }
    /// True if `n` is the victim or below it.
    bool struck(std::size_t n) const;
    std::string text() const;

private:
    std::uint64_t seed_;
    std::vector<node> nodes_;
    bool hangs_ = false;
    bool ends_at_once_ = false;
    bool grows_ = false;
    std::size_t victim_ = 0;
    std::uint32_t calls_before_ = 0;
};

struct outcome {
    std::uint64_t calls = 0;
    std::uint64_t lost = 0;
    std::uint32_t innocents = 0;
    double longest_call_ms = 0;
    double noticed_ms = 0; ///< from the blow until the root knew
    double end_ms = 0;

    std::string text() const;
};

/// What is done at the moment, by one thread: for whoever finds that it takes too long.
struct activity {
    std::mutex mutex;
    std::string what;
    instant since = 0; ///< 0: nothing
    instant limit = 0;
};

/// Ends the program, with all that is known, when an activity exceeds its limit.
class watchdog {
    std::mutex mutex_;
    std::condition_variable over_;
    std::vector<std::shared_ptr<activity>> watched_;
    mitogen::router* root_ = nullptr;
    std::string about_;
    bool ended_ = false;
    std::thread thread_;

    void run();
    [[noreturn]] void dump(const std::string& culprit);

public:
    explicit watchdog(std::string about);
    ~watchdog();
    std::shared_ptr<activity> add();
    /// Whose describe() is printed; null: there is none any more.
    void show(mitogen::router* root);
};

/// Marks one thing that a thread does; measures it.
class doing {
    activity& a_;
    double* longest_ms_;

public:
    doing(activity& a, std::string what, instant limit, double* longest_ms = nullptr);
    ~doing();
};

/// One tree's life.
class trial {
    struct worker;

    const shape& plan_;
    watchdog dog_;
    std::shared_ptr<activity> main_;
    mitogen::broker loop_;
    std::optional<mitogen::router> root_;
    std::vector<mitogen::context> contexts_;
    std::vector<int> pids_;
    std::atomic<std::uint32_t> completed_{0};
    std::atomic<bool> over_{false};
    std::atomic<bool> ending_{false};
    std::mutex mutex_;
    std::vector<std::string> complaints_;
    std::vector<bool> innocents_;
    outcome result_;

    void complain(std::string what);
    void strike();
    void await_loss(instant struck_at);
    void check_the_others();
    instant call_limit() const { return slack + (plan_.hangs() ? short_beat.limit : 0); }

public:
    explicit trial(const shape& plan);
    ~trial();
    void build();
    void load();
    void end();
    const std::vector<std::string>& complaints() const { return complaints_; }
    const outcome& result() const { return result_; }
};

/// What was logged last.
std::string last_log_lines();

} // namespace killed_tree
