// SPDX-License-Identifier: BSL-1.0
// Many threads, many calls, and everything that may go wrong at once. Each test takes a few seconds
// at most.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <mitogen/mitogen.hpp>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace calls_stress {

int echo(int x) { return x; }
int echo_on_pool(int x) { return x; }
int echo_on_loop(int x) { return x; }
std::string echo_text(std::string_view text) { return std::string(text); }
void throw_it(int x) { throw std::runtime_error(std::to_string(x)); }

} // namespace calls_stress

template <>
inline constexpr auto mitogen::run_on<&calls_stress::echo_on_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&calls_stress::echo_on_loop> = mitogen::on::loop;

namespace {
using namespace calls_stress;
using namespace std::chrono_literals;
using generic::tree;

constexpr unsigned seed = 20260104;

/// Makes one random call and says whether what came back is right.
bool one_call(mitogen::context& c, std::mt19937& random) {
    const int x = static_cast<int>(random() % 1000);
    switch (random() % 7) {
    case 0: return c.call<&echo>(x) == x;
    case 1: return c.call<&echo_on_pool>(x) == x;
    case 2: return c.call<&echo_on_loop>(x) == x;
    case 3: {
        const std::string text(random() % 300'000, static_cast<char>('a' + x % 26));
        return c.call<&echo_text>(text) == text;
    }
    case 4: return generic::thrown_by([&] { c.call<&throw_it>(x); }).message() == std::to_string(x);
    case 5: {
        std::vector<mitogen::future<int>> many;
        for (int i = 0; i < 20; ++i) many.push_back(c.call_async<&echo>(i));
        bool right = true;
        for (int i = 19; i >= 0; --i) right = many[static_cast<std::size_t>(i)].get() == i && right;
        return right;
    }
    default: return c.within(generic::plenty).call<&echo>(x) == x;
    }
}

void hammer(std::vector<mitogen::context> children, int threads, int calls) {
    std::atomic<int> wrong{0};
    std::vector<std::thread> all;
    for (int n = 0; n < threads; ++n) {
        all.emplace_back([&, n] {
            std::mt19937 random(seed + static_cast<unsigned>(n));
            for (int i = 0; i < calls; ++i)
                if (!one_call(children[random() % children.size()], random)) ++wrong;
        });
    }
    for (auto& t : all) t.join();
    CHECK(wrong == 0);
}

TEST_CASE("many threads call over one link") {
    const int threads = GENERATE(8, 32);
    tree t;
    hammer({t.root.local()}, threads, 1200 / threads);
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("many threads call over several links") {
    const int threads = GENERATE(8, 32);
    tree t;
    hammer({t.root.local(), t.root.local(), t.root.fork()}, threads, 1200 / threads);
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("calls are cancelled, time out and are dropped at random") {
    INFO("seed " << seed);
    tree t;
    std::vector<mitogen::context> children{t.root.local(), t.root.local()};
    std::atomic<int> completed{0};
    std::atomic<int> wrong{0};
    std::vector<std::thread> all;
    constexpr int threads = 8;
    constexpr int rounds = 400;
    for (unsigned n = 0; n < threads; ++n) {
        all.emplace_back([&, n] {
            std::mt19937 random(seed + n);
            for (int i = 0; i < rounds; ++i) {
                mitogen::context& c = children[random() % 2];
                std::stop_source source;
                auto f = [&] {
                    switch (random() % 3) {
                    case 0:
                        return c.within(std::chrono::microseconds(random() % 500))
                            .call_async<&echo>(i);
                    case 1: return c.with(source.get_token()).call_async<&echo_on_pool>(i);
                    default: return c.call_async<&echo_on_loop>(i);
                    }
                }();
                std::atomic<int> told{0};
                f.then([&] { ++told; });
                switch (random() % 5) {
                case 0: f.cancel(); break;
                case 1: source.request_stop(); break;
                case 2: {
                    std::thread other([&] { source.request_stop(); });
                    f.wait_until(mitogen::never);
                    other.join();
                    break;
                }
                default: break;
                }
                const auto r = f.try_get();
                if (r && *r != i) ++wrong;
                if (!r && r.error().reason() != mitogen::reason::cancelled &&
                    r.error().reason() != mitogen::reason::timeout)
                    ++wrong;
                while (told == 0) std::this_thread::yield();
                if (told != 1) ++wrong;
                ++completed;
            }
        });
    }
    for (auto& thread : all) thread.join();
    CHECK(completed == threads * rounds);
    CHECK(wrong == 0);
    for (auto& c : children) CHECK(c.call<&echo>(1) == 1);
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("children are killed while calls run: every call ends, and nothing is left") {
    INFO("seed " << seed);
    mitogen::router_options options;
    options.timeouts = {.grace = 200'000'000,
                        .after_term = 200'000'000,
                        .for_status = 200'000'000,
                        .for_link = 200'000'000};
    tree t(options);
    std::mutex mutex;
    std::vector<mitogen::context> children{t.root.local(), t.root.local(), t.root.fork()};
    std::atomic<bool> over{false};
    std::atomic<int> answered{0};
    std::atomic<int> lost{0};
    std::atomic<int> wrong{0};
    std::vector<std::thread> callers;
    for (unsigned n = 0; n < 6; ++n) {
        callers.emplace_back([&, n] {
            std::mt19937 random(seed + n);
            while (!over) {
                mitogen::context c = [&] {
                    const std::lock_guard lock(mutex);
                    return children[random() % children.size()];
                }();
                const std::string text(random() % 3 ? 10 : 200'000, 'k');
                const auto r = c.try_call<&echo_text>(text);
                if (r) {
                    if (*r != text) ++wrong;
                    ++answered;
                } else {
                    if (r.error().kind() != mitogen::kind::disconnected) ++wrong;
                    ++lost;
                }
            }
        });
    }
    for (int round = 0; round < 12; ++round) {
        const int before = answered;
        while (answered < before + 20) std::this_thread::yield(); // it is busy
        const std::size_t victim = static_cast<std::size_t>(round) % children.size();
        ::kill(t.root.child_pid(children[victim].id()), round % 4 == 3 ? SIGTERM : SIGKILL);
        mitogen::context fresh = round % 3 == 2 ? t.root.fork() : t.root.local();
        const std::lock_guard lock(mutex);
        children[victim] = fresh;
    }
    over = true;
    for (auto& c : callers) c.join();
    CHECK(wrong == 0);
    CHECK(answered > 0);
    t.root.close();
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("routers come and go while their calls run") {
    for (int round = 0; round < 15; ++round) {
        std::vector<mitogen::future<int>> left;
        {
            tree t;
            mitogen::context child = t.root.local();
            std::vector<std::thread> callers;
            std::mutex mutex;
            for (int n = 0; n < 3; ++n) {
                callers.emplace_back([&] {
                    for (int i = 0; i < 20; ++i) {
                        auto f = child.within(1h).call_async<&echo>(i);
                        const std::lock_guard lock(mutex);
                        left.push_back(std::move(f));
                    }
                });
            }
            for (auto& c : callers) c.join();
        }
        for (auto& f : left) {
            CHECK(f.done());
            const auto r = f.try_get();
            if (!r) CHECK(r.error().kind() == mitogen::kind::disconnected);
        }
    }
}

} // namespace
