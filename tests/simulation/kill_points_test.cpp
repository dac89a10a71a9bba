// SPDX-License-Identifier: BSL-1.0
// A tree of four contexts, once for each of them killed and each link cut between any two messages:
// every wait ends, with the error that belongs to it, and nothing is left.
#include "kill_points.hpp"

#include "../support/engine.hpp"
#include "seeds.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <mitogen/simulation.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace kill_scenario {

namespace sim = mitogen::simulation;
using sim_io = mitogen::io::simulated;
using kill_points::strike;

/// In the order in which they are made, so that their process ids are 2 to 5. a and b are below the
/// root, c below a, d below c.
enum : std::size_t { a, b, c, d, all };
constexpr std::uint32_t first_pid = 2;
constexpr const char* names[all] = {"a", "b", "c", "d"};
/// The context that each one is below; `all`: the root.
constexpr std::size_t parent[all] = {all, all, a, c};

/// True if `who` is lost with `lost`.
constexpr bool goes_with(std::size_t who, std::size_t lost) {
    for (; who != all; who = parent[who])
        if (who == lost) return true;
    return false;
}

constexpr int items = 4;
constexpr std::int64_t task_ns = 1'000'000;
constexpr std::int64_t settled_ns = 1'000'000'000;
constexpr std::int64_t most_latency = 5'000'000; // of every other world

int add(int x, int y) { return x + y; }
/// Asks another context.
int ask(mitogen::context other, int x) { return other.call<&add>(x, 1); }
mitogen::generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
/// Gives each number back; how many there were.
int echo(mitogen::dialog<int(int, int)>& peer) {
    peer.started(7);
    int seen = 0;
    for (const int x : peer) {
        peer.send(x);
        ++seen;
    }
    return seen;
}
void produce(mitogen::sender<int> out, int from) {
    for (int i = 0; i < items; ++i) out.send(from + i);
}
mitogen::task<int> later(int x) {
    co_await mitogen::sleep_for(std::chrono::nanoseconds(task_ns));
    co_return x;
}

/// What one run has shown.
struct findings {
    std::string trouble{};
    std::int64_t longest_ns = 0; ///< of all waits
    std::string longest{};       ///< which one that was
    int good = 0;                ///< waits that ended with what was asked for
    std::map<std::string, int> lost{}; ///< and with an error, by its reason
    bool struck = false;
    std::int64_t elapsed_ns = 0;
};

/// One run of the program. Its waits are judged as they end.
class scenario {
    using talk_with = decltype(std::declval<mitogen::context&>().open<&echo>());

    mitogen::router& root_;
    const std::optional<std::size_t> victim_; // the context that goes, with those below
    findings& found_;
    sim_io io_;
    std::optional<mitogen::context> made_[all];

    void trouble(const std::string& what) {
        if (found_.trouble.empty()) found_.trouble = what;
    }

    static bool is_loss(const mitogen::error& e) {
        return e.kind() == mitogen::kind::disconnected;
    }

    /// An error that only the loss of one of `who` excuses.
    void judge(const char* what, const mitogen::error& e, std::initializer_list<std::size_t> who) {
        ++found_.lost[std::string(mitogen::reason_name(e.reason()))];
        bool excused = false;
        for (const std::size_t w : who) excused = excused || (victim_ && goes_with(w, *victim_));
        std::string at = what;
        for (const std::size_t w : who) at += std::string(" ") + names[w];
        if (!excused) trouble(at + ": nothing of it was lost, and it failed: " + e.what());
        if (!is_loss(e)) trouble(at + ": an odd error: " + e.what());
    }

    /// Waits, and judges how that ends.
    template <class Wait>
    auto wait(const char* what, std::initializer_list<std::size_t> who, Wait&& waiting) {
        const mitogen::instant begin = io_.now();
        auto r = waiting();
        took(begin, what);
        if (r) {
            ++found_.good;
        } else {
            judge(what, r.error(), who);
        }
        return r;
    }
    void took(mitogen::instant begin, const char* what) {
        const std::int64_t span = io_.now() - begin;
        if (span <= found_.longest_ns) return;
        found_.longest_ns = span;
        found_.longest = what;
    }
    void expect(bool holds, const char* what) {
        if (!holds) trouble(what);
    }

    void make(std::size_t who) {
        const sim::host method{.name = names[who]};
        if (parent[who] != all && !made_[parent[who]]) return;
        const auto up = wait("making", {who}, [&] {
            return parent[who] == all ? root_.try_connect(method)
                                      : made_[parent[who]]->try_connect(method);
        });
        if (up) made_[who] = *up;
    }

    void use(std::size_t who) {
        const mitogen::context& to = *made_[who];
        const int x = static_cast<int>(who) * 100;
        if (const auto sum = wait("a call", {who}, [&] { return to.try_call<&add>(x, 1); }))
            expect(*sum == x + 1, "a wrong sum");
        auto soon = to.call_async<&later>(x);
        {
            auto range = to.stream<&count>(items);
            for (int next = 0;; ++next) {
                const mitogen::instant begin = io_.now();
                const auto item = range.try_get();
                took(begin, "a stream");
                if (item) {
                    expect(*item == next, "an item came twice, or not in order");
                    continue;
                }
                if (item.error() == mitogen::reason::end_of_stream) {
                    expect(next == items, "a stream has ended, and lacks items");
                    ++found_.good;
                } else {
                    judge("a stream", item.error(), {who});
                }
                break;
            }
        }
        if (const auto x_later = wait("a task", {who}, [&] { return soon.try_get(); }))
            expect(*x_later == x, "another task's value");
        converse(who);
    }

    void converse(std::size_t who) {
        auto opened = wait("opening", {who}, [&] { return made_[who]->try_open<&echo>(); });
        if (!opened) return;
        auto& talk = *opened;
        expect(talk.started() == 7, "another dialog's greeting");
        for (int i = 0; i < items; ++i) {
            if (!wait("sending", {who}, [&] { return talk.try_send(i); })) break;
            const auto back = wait("receiving", {who}, [&] { return talk.try_receive(); });
            if (!back) break;
            expect(*back == i, "another item");
        }
        talk.close();
        if (const auto seen = wait("a result", {who}, [&] { return talk.try_result(); }))
            expect(*seen == items, "a wrong count");
    }

    /// Items of b and d come into one place.
    void gather() {
        mitogen::receiver<int> in(root_);
        std::vector<mitogen::future<void>> calls;
        int next[all] = {};
        bool asked[all] = {};
        for (const std::size_t who : {b, d}) {
            if (!made_[who]) continue;
            asked[who] = true;
            calls.push_back(
                made_[who]->call_async<&produce>(in.to_sender(), static_cast<int>(who) * 100));
        }
        if (calls.empty()) return;
        for (;;) {
            const mitogen::instant begin = io_.now();
            const auto item = in.try_receive();
            took(begin, "a channel");
            if (!item) {
                if (item.error() == mitogen::reason::end_of_stream) break;
                judge("a channel", item.error(), {b, d});
                continue;
            }
            const auto who = static_cast<std::size_t>(*item / 100);
            expect(who < all && *item % 100 == next[who]++, "an item came twice, or out of order");
        }
        for (const std::size_t who : {b, d})
            if (asked[who] && !(victim_ && goes_with(who, *victim_)))
                expect(next[who] == items, "a channel has ended, and lacks items");
        for (auto& call : calls)
            static_cast<void>(wait("producing", {b, d}, [&] { return call.try_get(); }));
    }

    /// A nursery over all of them.
    void together() {
        const mitogen::instant begin = io_.now();
        mitogen::nursery n{root_};
        for (std::size_t who = 0; who < all; ++who)
            if (made_[who]) n.start<&later>(*made_[who], 1);
        const auto end = n.try_join();
        took(begin, "a nursery");
        if (end) {
            ++found_.good;
            return;
        }
        const auto& members = end.error().members();
        for (const mitogen::error& e : members) judge("a nursery", e, {a, b, c, d});
        if (members.empty()) judge("a nursery", end.error(), {a, b, c, d});
    }

public:
    scenario(mitogen::router& root, std::optional<std::size_t> victim, findings& found)
        : root_(root), victim_(victim), found_(found) {}

    void run(const kill_points::striker* strikes) {
        for (std::size_t who = 0; who < all; ++who) make(who);
        std::vector<std::pair<std::size_t, talk_with>> held; // each waits until the end
        for (std::size_t who = 0; who < all; ++who)
            if (made_[who])
                if (auto opened =
                        wait("holding", {who}, [&] { return made_[who]->try_open<&echo>(); }))
                    held.emplace_back(who, std::move(*opened));
        {
            std::vector<sim_io::thread> threads;
            for (std::size_t who = 0; who < all; ++who)
                if (made_[who]) threads.emplace_back(io_, names[who], [this, who] { use(who); });
            if (made_[a] && made_[c])
                threads.emplace_back(io_, "asks", [this] {
                    const auto sum = wait("asking", {a, c},
                                          [&] { return made_[a]->try_call<&ask>(*made_[c], 1); });
                    if (sum) expect(*sum == 2, "a wrong sum");
                });
            threads.emplace_back(io_, "gathers", [this] { gather(); });
            threads.emplace_back(io_, "nursery", [this] { together(); });
        }
        for (auto& [who, talk] : held) {
            talk.close();
            static_cast<void>(wait("a held result", {who}, [&t = talk] { return t.try_result(); }));
        }
        held.clear();
        io_.sleep_for(settled_ns); // what is lost is known everywhere
        if (strikes && strikes->struck())
            for (std::size_t who = 0; who < all; ++who)
                if (made_[who])
                    expect(made_[who]->alive() != goes_with(who, *victim_),
                           "alive() is wrong about a context");
        for (std::size_t who = all; who-- > 0;)
            if (made_[who])
                static_cast<void>(wait("ending", {who}, [&] {
                    return made_[who]->shutdown().try_get();
                }));
        expect(root_.contexts().empty(), "contexts are left");
        expect(support::open_answers<sim_io>(root_) == 0, "answers are still awaited");
    }
};

} // namespace kill_scenario

namespace {
using namespace kill_scenario;

/// One world. `what`: what happens there; null: nothing does, and `to` writes down what is said.
findings run(sim::world_options options, const strike* what, kill_points::recorder* to) {
    findings found;
    sim::fleet fleet(options);
    std::optional<kill_points::striker> strikes;
    std::optional<std::size_t> victim;
    if (what) {
        victim = (what->killed ? what->killed : what->where.child) - first_pid;
        strikes.emplace(fleet.world().kernel(), *what);
        fleet.world().kernel().observer = &*strikes;
    } else {
        fleet.world().kernel().observer = to;
    }
    const sim::outcome o = fleet.run([&](mitogen::router& root) {
        mitogen::log::set_sink([](const mitogen::log::record&) {});
        scenario(root, victim, found).run(strikes ? &*strikes : nullptr);
    });
    if (!o.completed && found.trouble.empty()) found.trouble = o.trouble;
    found.elapsed_ns = o.elapsed;
    found.struck = strikes && strikes->struck();
    if (strikes && !strikes->done() && found.trouble.empty())
        found.trouble = "it did not come to that place";
    return found;
}

} // namespace

TEST_CASE("four contexts and their links, lost between any two messages") {
    // All places of one world on a quick machine; a part of them if seeds() says so; of ten worlds
    // in the long run.
    const std::uint64_t share = seeds(10'000);
    const std::uint64_t step = share >= 1000 ? 1 : 1000 / share + 1;
    std::uint64_t places = 0, kills = 0, cuts = 0, waits = 0;
    std::int64_t longest[2] = {};     // of waits, without and with latencies
    std::int64_t longest_run[2] = {}; // of worlds
    std::string which[2];
    std::uint64_t wrong = 0;
    std::map<std::string, int> lost;
    for (std::uint64_t seed = 1; seed <= std::max<std::uint64_t>(1, share / 1000); ++seed) {
        sim::world_options options{.seed = seed};
        const std::size_t slow = seed % 2 == 0;
        if (slow) options.faults.most_latency = most_latency;
        kill_points::recorder said;
        const findings calm = run(options, nullptr, &said);
        REQUIRE(calm.trouble == "");
        std::uint64_t number = 0;
        for (const kill_points::place& where : said.boundaries()) {
            ++places;
            for (std::uint32_t killed = 0; killed < first_pid + all; ++killed) {
                if (killed != 0 && killed < first_pid) continue;
                if (number++ % step) continue;
                const strike what{where, killed};
                const findings f = run(options, &what, nullptr);
                if (f.trouble != "" && ++wrong <= 20)
                    UNSCOPED_INFO("seed " << seed << ", pipe " << where.pipe << ", byte "
                                          << where.offset << ", kills " << killed << ", child "
                                          << where.child << ": " << f.trouble);
                if (!f.struck) continue; // that one was not there yet, or no more
                ++(killed ? kills : cuts);
                waits += static_cast<std::uint64_t>(f.good);
                if (f.longest_ns > longest[slow])
                    longest[slow] = f.longest_ns, which[slow] = f.longest;
                longest_run[slow] = std::max(longest_run[slow], f.elapsed_ns);
                for (const auto& [reason, n] : f.lost) lost[reason] += n;
            }
        }
    }
    std::printf("%llu places between messages, %llu kills, %llu cuts: %llu waits ended well",
                static_cast<unsigned long long>(places), static_cast<unsigned long long>(kills),
                static_cast<unsigned long long>(cuts), static_cast<unsigned long long>(waits));
    for (const auto& [reason, n] : lost) std::printf(", %d: %s", n, reason.c_str());
    for (int slow = 0; slow < 2; ++slow)
        std::printf("; the longest: %.3f ms, %s; a world: %.3f s",
                    static_cast<double>(longest[slow]) / 1e6, which[slow].c_str(),
                    static_cast<double>(longest_run[slow]) / 1e9);
    std::printf("\n");
    CHECK(wrong == 0);
    for (int slow = 0; slow < 2; ++slow) { // nothing takes time but that one task, and links
        CHECK(longest[slow] <= task_ns + slow * 20 * most_latency);
        CHECK(longest_run[slow] <= settled_ns + task_ns + slow * 200 * most_latency);
    }
}
