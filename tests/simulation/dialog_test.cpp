// SPDX-License-Identifier: BSL-1.0
// Dialogs, streams and channels between simulated contexts, while everything goes wrong: every
// operation returns, items come in order and once, up to a loss, and nothing is left.
#include "../support/engine.hpp"
#include "seeds.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <memory>
#include <mitogen/simulation.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace dialog_workload {

namespace sim = mitogen::simulation;
using sim_io = mitogen::io::simulated;
using namespace std::chrono_literals;
constexpr std::int64_t ms = 1'000'000;

using talk = mitogen::dialog<std::uint32_t(std::uint32_t, std::vector<std::byte>)>;
using sender = mitogen::sender<std::uint32_t>;
using receiver = mitogen::receiver<std::uint32_t>;

/// Answers each number with as many bytes.
std::uint32_t sizes(talk& peer, std::uint32_t greeting, std::int64_t nap) {
    peer.started(greeting + 1);
    std::uint32_t count = 0;
    for (const std::uint32_t v : peer) {
        if (nap) sim::sleep_for(nap);
        peer.send(std::vector<std::byte>(v));
        ++count;
    }
    return count;
}
std::uint32_t throws(talk& peer, std::uint32_t greeting) {
    peer.started(greeting);
    throw std::runtime_error("as ordered");
}
mitogen::generator<std::uint32_t> count(std::uint32_t n, std::int64_t nap) {
    for (std::uint32_t i = 0; i < n; ++i) {
        if (nap && i % 16 == 0) sim::sleep_for(nap);
        co_yield i;
    }
}
mitogen::generator<std::vector<std::byte>> large(std::uint32_t bytes) {
    for (;;) co_yield std::vector<std::byte>(bytes);
}
void produce(sender out, std::uint32_t from, std::uint32_t n) {
    for (std::uint32_t i = 0; i < n; ++i) out.send(from + i);
}
/// Has it produced further down, through itself.
void produce_below(sender out, mitogen::router& here, std::uint32_t from, std::uint32_t n) {
    const mitogen::context below = here.connect(sim::host{.name = "below"});
    below.call<&produce>(out, from, n);
    (void)below.shutdown().try_get_for(60s);
}

} // namespace dialog_workload

// Side by side: else one would wait for another one's opener.
template <>
inline constexpr auto mitogen::run_on<&dialog_workload::sizes> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&dialog_workload::large> = mitogen::on::pool;

namespace {
using namespace dialog_workload;

struct outcome {
    std::string trouble{};
    std::uint64_t items = 0; // that came
    std::uint64_t whole = 0; // uses that ended as they should
    void expect(bool holds, const char* what) {
        if (!holds && trouble.empty()) trouble = what;
    }
};

/// Whether an error may come of a use while things go wrong.
bool excusable(const mitogen::error& e, bool calm) {
    switch (e.reason()) {
    case mitogen::reason::cancelled: return true; // if this test did it
    case mitogen::reason::timeout: return true;
    case mitogen::reason::remote_exception: // what a function met when it sent, or connected
    case mitogen::reason::respondent_lost:
    case mitogen::reason::sender_closed:
    case mitogen::reason::broker_exited:
    case mitogen::reason::no_route:
    case mitogen::reason::link_corrupt: return !calm && e.reason() != mitogen::reason::link_corrupt;
    default:
        return !calm &&
               (e.kind() == mitogen::kind::disconnected || e.kind() == mitogen::kind::overloaded ||
                e.reason() == mitogen::reason::connect);
    }
}

/// One thread's uses of one context after another.
class user {
    mitogen::router& root_;
    const std::vector<mitogen::context>& all_;
    sim::random dice_;
    outcome& o_;
    bool disabled_;

    void fail(const mitogen::error& e) {
        if (!excusable(e, disabled_) && o_.trouble.empty())
            o_.trouble = std::string("an odd error: ") + e.what();
    }

    void one_dialog(const mitogen::context& to) {
        const auto greeting = static_cast<std::uint32_t>(dice_.below(1000));
        const std::int64_t nap = dice_.chance(0.3) ? dice_.between(1 * ms, 30 * ms) : 0;
        auto opened = to.within(60s).try_open<&sizes>(greeting, nap);
        if (!opened) return fail(opened.error());
        auto& d = *opened;
        o_.expect(d.started() == greeting + 1, "started() has another dialog's value");
        const auto rounds = static_cast<std::uint32_t>(dice_.below(12));
        std::vector<std::uint32_t> asked;
        std::size_t got = 0;
        for (std::uint32_t i = 0; i < rounds; ++i) {
            const auto wanted = static_cast<std::uint32_t>(dice_.chance(0.1) ? dice_.below(400'000)
                                                                             : dice_.below(2000));
            if (!d.try_send(wanted)) break;
            asked.push_back(wanted);
            if (dice_.chance(0.5)) continue; // not now
            const auto item =
                dice_.chance(0.3)
                    ? d.try_receive_for(std::chrono::nanoseconds(dice_.below(20 * ms)))
                    : d.try_receive();
            if (item) {
                o_.expect(got < asked.size() && item->size() == asked[got],
                          "an item came twice, or not in order");
                ++got;
            } else if (item.error().reason() != mitogen::reason::timeout) {
                break;
            }
        }
        switch (dice_.below(4)) {
        case 0: d.cancel(); break;
        case 1: return; // the end of the scope
        default:
            d.close();
            while (const auto item = d.try_receive()) {
                o_.expect(got < asked.size() && item->size() == asked[got],
                          "an item came twice, or not in order");
                ++got;
            }
        }
        o_.items += got;
        const auto& end = d.outcome();
        o_.expect(d.try_receive_for(0s).error().reason() != mitogen::reason::timeout,
                  "a dialog that has ended has no end");
        if (!end) return fail(end.error());
        o_.expect(*end <= asked.size(), "more was received than was sent");
        ++o_.whole;
    }

    void one_stream(const mitogen::context& to) {
        const auto n = static_cast<std::uint32_t>(dice_.below(3000));
        const std::int64_t nap = dice_.chance(0.3) ? dice_.between(1 * ms, 5 * ms) : 0;
        const auto leave =
            static_cast<std::uint32_t>(dice_.chance(0.3) ? dice_.below(n + 1) : n + 1);
        auto range = to.within(60s).stream<&count>(n, nap);
        std::uint32_t next = 0;
        for (;;) {
            const auto item = range.try_get();
            if (!item) {
                if (item.error().reason() != mitogen::reason::end_of_stream)
                    return fail(item.error());
                o_.expect(next == n, "a stream has ended, and lacks items");
                break;
            }
            o_.expect(*item == next, "an item came twice, or not in order");
            if (++next == leave) break;
        }
        o_.items += next;
        ++o_.whole;
    }

    void one_large_stream(const mitogen::context& to) {
        const auto bytes = static_cast<std::uint32_t>(dice_.below(600'000));
        auto range = to.within(60s).stream<&large>(bytes);
        for (std::uint64_t left = dice_.below(4); left > 0; --left) {
            const auto item = range.try_get();
            if (!item) return fail(item.error());
            o_.expect(item->size() == bytes, "an item came changed");
        }
        ++o_.whole;
    }

    void one_channel() {
        receiver in(root_);
        std::vector<mitogen::future<void>> calls;
        const auto senders = static_cast<std::uint32_t>(1 + dice_.below(4));
        const auto n = static_cast<std::uint32_t>(dice_.below(1500));
        for (std::uint32_t s = 0; s < senders; ++s) {
            const mitogen::context& to = all_[dice_.below(all_.size())];
            if (dice_.chance(0.25)) {
                calls.push_back(
                    to.within(60s).call_async<&produce_below>(in.to_sender(), s << 16, n));
            } else {
                calls.push_back(to.within(60s).call_async<&produce>(in.to_sender(), s << 16, n));
            }
        }
        std::vector<std::uint32_t> next(senders, 0);
        std::uint32_t lost = 0;
        const bool leaves = dice_.chance(0.2);
        for (;;) {
            // a call that did not run leaves its sender open
            const auto item = in.try_get_for(120s);
            if (!item) {
                if (item.error().reason() == mitogen::reason::end_of_stream) break;
                if (item.error().reason() == mitogen::reason::timeout) {
                    o_.expect(!disabled_, "a channel did not end");
                    break;
                }
                ++lost;
                fail(item.error());
                o_.expect(lost <= senders, "the loss of one sender was told twice");
                continue;
            }
            std::uint32_t& expected = next.at(*item >> 16);
            o_.expect((*item & 0xFFFF) == expected, "an item came twice, or not in order");
            ++expected;
            ++o_.items;
            if (leaves && dice_.chance(0.01)) in.close();
        }
        for (auto& c : calls)
            if (const auto end = c.try_get(); !end && !leaves) fail(end.error());
        if (disabled_ && !leaves)
            for (const std::uint32_t got : next)
                o_.expect(got == n, "a channel has ended, and lacks items");
        ++o_.whole;
    }

public:
    user(mitogen::router& root, const std::vector<mitogen::context>& all, std::uint64_t seed,
         outcome& o, bool calm)
        : root_(root), all_(all), dice_(seed), o_(o), disabled_(calm) {}

    void run(int uses) {
        for (int i = 0; i < uses; ++i) {
            const mitogen::context& to = all_[dice_.below(all_.size())];
            switch (dice_.below(6)) {
            case 0:
            case 1: one_dialog(to); break;
            case 2: one_stream(to); break;
            case 3: one_large_stream(to); break;
            case 4: one_channel(); break;
            default: {
                const auto d = to.within(60s).try_open<&throws>(1u);
                if (!d) fail(d.error());
            }
            }
        }
    }
};

sim::faults faults_of(const std::string& which) {
    sim::faults f;
    if (which != "none") f.most_latency = 10 * ms;
    const bool all = which == "all";
    if (which == "io" || all) f.interrupt = 0.1, f.partial_transfer = 0.3;
    if (which == "kill" || all) f.kills_per_second = 0.5;
    if (which == "cut" || all) f.cuts_per_second = 0.5;
    if (which == "silence") f.silences_per_second = 0.2;
    return f;
}

outcome run(const std::string& which, std::uint64_t seed) {
    const sim::faults f = faults_of(which);
    const bool calm =
        f.kills_per_second == 0 && f.cuts_per_second == 0 && f.silences_per_second == 0;
    outcome o;
    sim::fleet fleet({.seed = seed, .faults = f});
    mitogen::router_options options;
    options.rules.heartbeat = f.silences_per_second > 0
                                  ? mitogen::heartbeat{5'000 * ms, 20'000 * ms}
                                  : mitogen::heartbeat{0, 0};
    const sim::outcome world = fleet.run(
        [&](mitogen::router& root) {
            mitogen::log::set_sink([](const mitogen::log::record&) {});
            sim_io io;
            sim::random dice(seed);
            std::vector<mitogen::context> all;
            for (int i = 0; i < 3; ++i)
                if (auto up = root.try_connect(sim::host{.name = "h" + std::to_string(i)}))
                    all.push_back(*up);
            if (!all.empty())
                if (auto below = all[0].try_connect(sim::host{.name = "h3"})) all.push_back(*below);
            if (all.empty()) return;
            {
                std::vector<sim_io::thread> threads;
                for (int t = 0; t < 3; ++t)
                    threads.emplace_back(io, "user", [&, own = dice.next()] {
                        user(root, all, own, o, calm).run(5);
                    });
            }
            fleet.world().disable();
            io.sleep_for(90'000 * ms);
            o.expect(support::open_answers<mitogen::io::simulated>(root) == 0,
                     "answers are still awaited");
            for (const mitogen::context& c : all)
                if (c.alive())
                    o.expect(c.ping().try_get_for(30s).has_value(),
                             "a context does not answer any more");
        },
        options);
    if (!world.completed && o.trouble.empty()) o.trouble = world.trouble;
    return o;
}

} // namespace

TEST_CASE("dialogs, streams and channels end, in order and once, whatever goes wrong") {
    const std::string which = GENERATE("none", "latency", "io", "kill", "cut", "silence", "all");
    std::uint64_t items = 0, whole = 0;
    for (std::uint64_t seed = 1; seed <= seeds(150); ++seed) {
        CAPTURE(which, seed);
        const outcome o = run(which, seed);
        REQUIRE(o.trouble == "");
        items += o.items;
        whole += o.whole;
    }
    CAPTURE(which);
    CHECK(items > seeds(10'000));
    CHECK(whole > seeds(500));
}
