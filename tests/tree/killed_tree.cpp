// SPDX-License-Identifier: BSL-1.0
#include "killed_tree.hpp"

#include "../support/engine.hpp"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <dirent.h>
#include <fstream>
#include <future>
#include <iterator>
#include <unistd.h>
#include <utility>

// ---- what the contexts run

namespace killed_functions {

int echo(int x) { return x; }
int echo_on_pool(int x) { return x; }
int echo_on_loop(int x) { return x; }
std::string echo_text(std::string_view text) { return std::string(text); }
int process_id() { return ::getpid(); }
/// From here on the context neither hears nor says anything.
void hang() {
    for (;;) ::pause();
}
int relay(mitogen::router& here, mitogen::context_id child, int x) {
    return here.context_by_id(child).call<&echo>(x);
}
/// Several calls of a child at once; the sum of what comes back.
int relay_many(mitogen::router& here, mitogen::context_id child, int count) {
    std::vector<mitogen::future<int>> all;
    for (int i = 0; i < count; ++i) all.push_back(here.context_by_id(child).call_async<&echo>(i));
    int sum = 0;
    for (auto& f : all) sum += f.get();
    return sum;
}

} // namespace killed_functions

template <>
inline constexpr auto mitogen::run_on<&killed_functions::echo_on_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&killed_functions::echo_on_loop> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&killed_functions::hang> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&killed_functions::relay_many> = mitogen::on::pool;

namespace killed_tree {
namespace {
using namespace killed_functions;

struct log_lines {
    std::mutex mutex;
    std::deque<std::string> lines;
};
log_lines& log_store() {
    static log_lines store;
    return store;
}

void keep_log() {
    log_store();
    mitogen::log::set_sink([](const mitogen::log::record& r) {
        log_lines& to = log_store();
        const std::lock_guard lock(to.mutex);
        to.lines.push_back(std::string(r.place) + ": " + std::string(r.text));
        if (to.lines.size() > 40) to.lines.pop_front();
    });
}

/// State, parent and command line of every process that was started by this one or those below it.
std::string processes() {
    std::string out;
    ::DIR* folder = ::opendir("/proc");
    while (const ::dirent* entry = folder ? ::readdir(folder) : nullptr) {
        const int pid = std::atoi(entry->d_name);
        if (pid <= 0 || ::getpgid(pid) < 0) continue;
        std::ifstream stat("/proc/" + std::string(entry->d_name) + "/stat");
        std::string line((std::istreambuf_iterator<char>(stat)), {});
        std::ifstream command("/proc/" + std::string(entry->d_name) + "/cmdline");
        const std::string words((std::istreambuf_iterator<char>(command)), {});
        if (words.find("mitogen:") == std::string::npos) continue;
        out += "  " + line.substr(0, 60) + " | " + words.c_str() + "\n";
    }
    if (folder) ::closedir(folder);
    return out;
}

} // namespace

std::string last_log_lines() {
    log_lines& from = log_store();
    const std::lock_guard lock(from.mutex);
    std::string out = from.lines.empty() ? "" : "  last logged:\n";
    for (const std::string& line : from.lines) out += "    " + line + "\n";
    return out;
}

// ---- shape

shape::shape(std::uint64_t seed) : seed_(seed) {
    std::mt19937_64 dice(seed * 0x9E37'79B9'7F4A'7C15u + 1);
    const auto below = [&](std::uint64_t n) { return static_cast<std::size_t>(dice() % n); };
    const std::size_t count = 4 + below(7);
    const std::uint32_t levels = 2 + static_cast<std::uint32_t>(below(2));
    for (std::size_t i = 0; i < count; ++i) {
        node n;
        if (i > 0 && (i < levels || below(4) != 0)) {
            // the first ones: as deep as it gets
            n.parent = i < levels ? static_cast<int>(i) - 1 : static_cast<int>(below(i));
            if (nodes_[static_cast<std::size_t>(n.parent)].depth == levels) n.parent = -1;
        }
        if (n.parent >= 0) n.depth = nodes_[static_cast<std::size_t>(n.parent)].depth + 1;
        n.forked = n.parent < 0 && below(5) == 0;
        nodes_.push_back(n);
    }
    hangs_ = below(5) < 2;
    ends_at_once_ = below(3) == 0;
    grows_ = below(3) == 0;
    victim_ = below(count);
    calls_before_ = static_cast<std::uint32_t>(below(400));
}

bool shape::struck(std::size_t n) const {
    for (int at = static_cast<int>(n); at >= 0; at = nodes_[static_cast<std::size_t>(at)].parent)
        if (static_cast<std::size_t>(at) == victim_) return true;
    return false;
}

std::string shape::text() const {
    std::string out = std::to_string(nodes_.size()) + " processes, parents";
    for (const node& n : nodes_)
        out +=
            " " + (n.parent < 0 ? "root" : std::to_string(n.parent)) + (n.forked ? "(fork)" : "");
    return out + "; " + (hangs_ ? "a loop that hangs in " : "SIGKILL to ") +
           std::to_string(victim_) +
           " after " + std::to_string(calls_before_) + " calls" +
           (ends_at_once_ ? ", ended at once" : "") + (grows_ ? ", growing" : "");
}

std::string outcome::text() const {
    char line[200];
    std::snprintf(line, sizeof line,
                  "%llu calls, %llu lost, longest %.1f ms; noticed after %.1f ms; ended in %.1f "
                  "ms; %u innocent",
                  static_cast<unsigned long long>(calls), static_cast<unsigned long long>(lost),
                  longest_call_ms, noticed_ms, end_ms, innocents);
    return line;
}

// ---- watchdog

watchdog::watchdog(std::string about) : about_(std::move(about)), thread_([this] { run(); }) {}

watchdog::~watchdog() {
    {
        const std::lock_guard lock(mutex_);
        ended_ = true;
    }
    over_.notify_one();
    thread_.join();
}

std::shared_ptr<activity> watchdog::add() {
    const std::lock_guard lock(mutex_);
    return watched_.emplace_back(std::make_shared<activity>());
}

void watchdog::show(mitogen::router* root) {
    const std::lock_guard lock(mutex_);
    root_ = root;
}

void watchdog::run() {
    std::unique_lock lock(mutex_);
    while (!over_.wait_for(lock, std::chrono::milliseconds(100), [&] { return ended_; })) {
        for (const auto& a : watched_) {
            std::unique_lock inner(a->mutex);
            if (a->since == 0 || now() - a->since <= a->limit) continue;
            const std::string culprit = a->what;
            inner.unlock();
            dump(culprit);
        }
    }
}

void watchdog::dump(const std::string& culprit) {
    std::printf("TOO LONG: %s\n  %s\n", culprit.c_str(), about_.c_str());
    for (const auto& a : watched_) {
        const std::lock_guard inner(a->mutex);
        if (a->since) std::printf("  for %8.1f ms: %s\n", ms_since(a->since), a->what.c_str());
    }
    std::printf("processes:\n%s%s", processes().c_str(), last_log_lines().c_str());
    std::fflush(stdout);
    ::signal(SIGALRM, SIG_DFL);
    ::alarm(5); // the loop itself may be what hangs
    if (root_) std::printf("the root says:\n%s", root_->describe().c_str());
    std::fflush(stdout);
    std::abort();
}

doing::doing(activity& a, std::string what, instant limit, double* longest_ms)
    : a_(a), longest_ms_(longest_ms) {
    const std::lock_guard lock(a_.mutex);
    a_.what = std::move(what);
    a_.limit = limit;
    a_.since = now();
}

doing::~doing() {
    const std::lock_guard lock(a_.mutex);
    if (longest_ms_) *longest_ms_ = std::max(*longest_ms_, ms_since(a_.since));
    a_.since = 0;
}

// ---- the calls

/// One thread of the root that makes random calls.
struct trial::worker {
    trial& t;
    std::mt19937_64 dice;
    std::shared_ptr<activity> mine;
    std::uint64_t calls = 0;
    std::uint64_t lost = 0;
    double longest_ms = 0;
    bool finished = false; // the router does not take calls any more

    std::size_t below(std::size_t n) { return static_cast<std::size_t>(dice() % n); }

    /// What came back of a call that needs all of `involved`.
    template <class T>
    void check(const mitogen::result<T>& answer, const T& right,
               std::initializer_list<std::size_t> involved) {
        ++calls;
        ++t.completed_;
        if (answer) {
            if (*answer != right) t.complain("a call gave a wrong answer");
            return;
        }
        ++lost;
        const std::string text = std::string(answer.error().what());
        const bool disconnected = answer.error().kind() == mitogen::kind::disconnected ||
                                  text.find("lost") != text.npos ||
                                  text.find("no route") != text.npos ||
                                  text.find("shut") != text.npos;
        const bool struck = std::any_of(involved.begin(), involved.end(),
                                        [&](std::size_t n) { return t.plan_.struck(n); });
        if (disconnected && t.ending_) finished = true;
        if (disconnected && (struck || t.ending_)) return;
        if (disconnected && t.plan_.hangs()) { // a busy machine
            const std::lock_guard lock(t.mutex_);
            for (const std::size_t n : involved) t.innocents_[n] = true;
            return;
        }
        t.complain("a call of context " + std::to_string(*involved.begin()) + " failed: " + text);
    }

    void relay_down() {
        const auto& nodes = t.plan_.nodes();
        const std::size_t child = below(nodes.size());
        if (nodes[child].parent < 0) return;
        const auto parent = static_cast<std::size_t>(nodes[child].parent);
        const doing d(
            *mine, "a call of " + std::to_string(parent) + " that calls " + std::to_string(child),
            t.call_limit(), &longest_ms);
        const mitogen::context_id id = t.contexts_[child].id();
        if (below(2)) {
            check(t.contexts_[parent].try_call<&relay>(id, 7), 7, {parent, child});
        } else {
            check(t.contexts_[parent].try_call<&relay_many>(id, 10), 45, {parent, child});
        }
    }

    void several() {
        const doing d(*mine, "several calls at once", t.call_limit(), &longest_ms);
        std::vector<std::pair<std::size_t, mitogen::future<int>>> all;
        for (int i = 0; i < 12; ++i) {
            const std::size_t n = below(t.contexts_.size());
            all.emplace_back(n, i % 3 ? t.contexts_[n].call_async<&echo>(i)
                                      : t.contexts_[n].call_async<&echo_on_pool>(i));
        }
        for (int i = 11; i >= 0; --i) {
            auto& [n, answer] = all[static_cast<std::size_t>(i)];
            if (below(6) == 0) continue; // dropped
            check(answer.try_get(), i, {n});
        }
    }

    void grow() {
        if (!t.plan_.grows() || below(8) != 0) return;
        const std::size_t n = below(t.contexts_.size());
        const doing d(*mine, "making a child of " + std::to_string(n), t.call_limit(), &longest_ms);
        const auto child = t.contexts_[n].try_local({.name = "more"});
        if (!child) return; // whatever the reason: what counts is that it ends
        (void)child->try_call<&echo>(1);
        (void)child->shutdown();
    }

    void one_call() {
        const std::size_t n = below(t.contexts_.size());
        const mitogen::context& c = t.contexts_[n];
        const int x = static_cast<int>(below(1000));
        switch (below(8)) {
        case 0:
        case 1: return relay_down();
        case 2: return several();
        case 3: return grow();
        default: break;
        }
        const doing d(*mine, "a call of " + std::to_string(n), t.call_limit(), &longest_ms);
        switch (below(5)) {
        case 0: return check(c.try_call<&echo_on_pool>(x), x, {n});
        case 1: return check(c.try_call<&echo_on_loop>(x), x, {n});
        case 2: {
            const std::string text(below(3) ? 100 : 300'000, static_cast<char>('a' + x % 26));
            return check(c.try_call<&echo_text>(text), text, {n});
        }
        default: return check(c.try_call<&echo>(x), x, {n});
        }
    }
};

// ---- trial

trial::trial(const shape& plan)
    : plan_(plan), dog_("tree " + std::to_string(plan.seed()) + ": " + plan.text()),
      main_(dog_.add()) {
    keep_log();
    mitogen::router_options options;
    if (plan.hangs()) options.rules.heartbeat = short_beat;
    root_.emplace(loop_, options);
    dog_.show(&*root_);
}

trial::~trial() {
    end();
    mitogen::log::set_sink({});
}

void trial::complain(std::string what) {
    const std::lock_guard lock(mutex_);
    if (complaints_.size() < 20) complaints_.push_back(std::move(what));
}

void trial::build() {
    const doing d(*main_, "building the tree", 60'000'000'000);
    for (std::size_t i = 0; i < plan_.nodes().size(); ++i) {
        const shape::node& n = plan_.nodes()[i];
        const std::string name = std::to_string(i);
        if (n.forked) {
            contexts_.push_back(root_->fork({.name = name}));
        } else if (n.parent < 0) {
            contexts_.push_back(root_->local({.name = name}));
        } else {
            contexts_.push_back(
                contexts_[static_cast<std::size_t>(n.parent)].local({.name = name}));
        }
        pids_.push_back(contexts_.back().call<&process_id>());
    }
    innocents_.assign(contexts_.size(), false);
}

void trial::strike() {
    if (plan_.hangs()) return contexts_[plan_.victim()].call_no_reply<&hang>();
    if (::kill(pids_[plan_.victim()], SIGKILL) != 0) complain("the victim is gone already");
}

void trial::await_loss(instant struck_at) {
    std::promise<void> lost;
    const doing d(*main_, "the root learning that the victim is lost", call_limit());
    contexts_[plan_.victim()].on_disconnect([&](const mitogen::error&) { lost.set_value(); });
    lost.get_future().wait();
    result_.noticed_ms = ms_since(struck_at);
}

/// Whoever was not struck answers; whoever was fails at once.
void trial::check_the_others() {
    for (std::size_t i = 0; i < contexts_.size(); ++i) {
        const doing d(*main_, "a last call of " + std::to_string(i), call_limit());
        const auto answer = contexts_[i].try_call<&echo>(5);
        if (answer && plan_.struck(i))
            complain("context " + std::to_string(i) + " answers from the dead");
        if (!answer && !plan_.struck(i)) {
            if (plan_.hangs()) {
                innocents_[i] = true;
            } else {
                complain("context " + std::to_string(i) +
                         " does not answer: " + answer.error().what());
            }
        }
    }
}

void trial::load() {
    std::vector<std::unique_ptr<worker>> all;
    std::vector<std::thread> threads;
    for (std::uint64_t n = 0; n < 4; ++n)
        all.push_back(std::make_unique<worker>(
            worker{*this, std::mt19937_64(plan_.seed() * 100 + n), dog_.add()}));
    for (const auto& w : all)
        threads.emplace_back([this, &w = *w] {
            while (!over_ && !w.finished) w.one_call();
        });
    while (completed_ < plan_.calls_before()) std::this_thread::yield();
    strike();
    const instant struck_at = now();
    if (plan_.ends_at_once()) {
        ending_ = true;
        const doing d(*main_, "the end of the router, while calls run", 2 * slack);
        root_->close();
        result_.end_ms = ms_since(struck_at);
        over_ = true;
    } else {
        const std::uint32_t so_far = completed_;
        await_loss(struck_at);
        while (completed_ < so_far + 200) std::this_thread::yield(); // life goes on
        over_ = true;
    }
    for (std::thread& thread : threads) thread.join();
    for (const auto& w : all) {
        result_.calls += w->calls;
        result_.lost += w->lost;
        result_.longest_call_ms = std::max(result_.longest_call_ms, w->longest_ms);
    }
    if (!plan_.ends_at_once()) check_the_others();
    if (const std::size_t open = support::open_answers(*root_))
        complain(std::to_string(open) + " calls are open in the root");
    result_.innocents =
        static_cast<std::uint32_t>(std::count(innocents_.begin(), innocents_.end(), true));
}

void trial::end() {
    if (!root_) return;
    const instant begin = now();
    {
        const doing d(*main_, "the end of the router", 2 * slack);
        root_->close();
        dog_.show(nullptr);
        root_.reset();
    }
    result_.end_ms = std::max(result_.end_ms, ms_since(begin));
}

} // namespace killed_tree
