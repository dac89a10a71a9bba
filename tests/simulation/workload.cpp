// SPDX-License-Identifier: BSL-1.0
#include "workload.hpp"

#include "../support/engine.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <memory>

namespace workload {
namespace {

using namespace std::chrono_literals;
using mitogen::kind;

constexpr std::int64_t second = 1'000'000'000;
/// Only where links fall silent: else they would heal what must not happen, a wake-up that is
/// lost.
mitogen::heartbeat beat_for(const sim::faults& f) {
    return f.silences_per_second > 0 ? mitogen::heartbeat{5 * second, 20 * second}
                                     : mitogen::heartbeat{0, 0};
}

/// Whether an error may come of a call while such things go wrong.
bool excusable(const mitogen::error& e, const sim::faults& f, bool bounded) {
    const bool peers_vanish =
        f.kills_per_second > 0 || f.cuts_per_second > 0 || f.silences_per_second > 0;
    if (e.reason() == mitogen::reason::link_corrupt) return false;
    switch (e.kind()) {
    case kind::disconnected: return peers_vanish;
    case kind::overloaded: return bounded; // it took longer than it was given
    default: return false;
    }
}

/// One run's state: what the threads of the root share.
class load {
    const settings& settings_;
    const sim::faults faults_; // as they were in the beginning
    mitogen::router& root_;
    ledger& ledger_;
    std::vector<mitogen::context> contexts_;

    struct asked {
        std::uint32_t call;
        mitogen::future<std::uint32_t> answer;
    };

    order next(std::uint32_t thread, const mitogen::context& to, std::uint32_t& sequence,
               sim::random& dice) {
        return {ledger_.open(), thread, to.id(), ++sequence,
                dice.chance(0.3) ? dice.between(1000, 20'000'000) : 0};
    }

    void check(std::uint32_t call, const mitogen::result<std::uint32_t>& answer, bool bounded) {
        if (answer) {
            if (*answer != call * 3 + 1)
                fail("call " + std::to_string(call) + " gave another call's answer");
            if (std::exchange(ledger_.calls[call].answered, true))
                fail("call " + std::to_string(call) + " was answered twice");
        } else if (!excusable(answer.error(), faults_, bounded)) {
            fail("call " + std::to_string(call) + " failed: " + answer.error().what());
        }
    }

    void one_round(std::uint32_t thread, std::uint32_t& sequence, sim::random& dice) {
        const mitogen::context to = contexts_[dice.below(contexts_.size())];
        const bool bounded = dice.chance(0.2);
        const auto within = bounded ? std::chrono::nanoseconds(dice.between(second / 2, 5 * second))
                                    : std::chrono::nanoseconds(3600 * second);
        switch (dice.below(7)) {
        case 0: { // one after the other
            const order o = next(thread, to, sequence, dice);
            check(o.call, to.within(within).try_call<&in_order>(o), bounded);
            break;
        }
        case 1: { // pipelined
            std::vector<asked> all;
            for (std::uint64_t n = 1 + dice.below(8); n > 0; --n) {
                const order o = next(thread, to, sequence, dice);
                all.push_back({o.call, to.within(within).call_async<&in_order>(o)});
            }
            for (asked& a : all) check(a.call, a.answer.try_get(), bounded);
            break;
        }
        case 2: {
            const order o = next(thread, to, sequence, dice);
            check(o.call, to.within(within).try_call<&in_pool>(o), bounded);
            break;
        }
        case 3: {
            const order o = next(thread, to, sequence, dice);
            check(o.call, to.within(within).try_call<&on_the_loop>(o), bounded);
            break;
        }
        case 4: { // abandoned
            const order o = next(thread, to, sequence, dice);
            auto answer = to.within(within).call_async<&in_pool>(o);
            if (dice.chance(0.5)) answer.cancel();
            break;
        }
        case 5: { // large, in fragments
            const order o = next(thread, to, sequence, dice);
            std::vector<std::byte> bytes(dice.below(400'000));
            for (std::size_t i = 0; i < bytes.size(); i += 97)
                bytes[i] = static_cast<std::byte>(o.call + i);
            const auto back = to.within(within).try_call<&reflect>(o, bytes);
            if (back && *back != bytes)
                fail("call " + std::to_string(o.call) + " came back changed");
            if (!back && !excusable(back.error(), faults_, bounded))
                fail(std::string("reflect failed: ") + back.error().what());
            break;
        }
        case 6: { // an exception
            const order o = next(thread, to, sequence, dice);
            const auto r = to.within(within).try_call<&throws>(o);
            if (r) fail("an exception did not arrive");
            const bool arrived =
                std::string(r.error().what()).find("as ordered") != std::string::npos;
            if (!arrived && !excusable(r.error(), faults_, bounded))
                fail(std::string("throws failed: ") + r.error().what());
            break;
        }
        }
    }

public:
    load(const settings& s, const sim::faults& f, mitogen::router& root, ledger& l)
        : settings_(s), faults_(f), root_(root), ledger_(l) {}

    /// Makes children of another context. If its link has fallen silent nobody answers: they are
    /// then given up.
    static std::vector<mitogen::context> grow_below(const mitogen::context& parent,
                                                    std::uint32_t first, std::uint32_t count) {
        return grow_at(parent, first, count, [](auto& coming) { return coming.try_get_for(60s); });
    }

    /// A tree of random shape. Connecting may fail where things go wrong; at least one attempt is
    /// made for each context.
    void build(sim::random& dice) {
        std::uint32_t made = 0;
        const auto count = [&] {
            return static_cast<std::uint32_t>(1 + dice.below(std::max(1u, settings_.contexts / 2)));
        };
        const bool calm = faults_.spawn_failure == 0 && faults_.out_of_descriptors == 0 &&
                          faults_.kills_per_second == 0 && faults_.cuts_per_second == 0 &&
                          faults_.silences_per_second == 0 && faults_.freezes_per_second == 0;
        const auto add = [&](const std::vector<mitogen::context>& more, std::uint32_t wanted) {
            made += wanted;
            if (calm && more.size() != wanted)
                fail("a child did not come up although nothing went wrong");
            contexts_.insert(contexts_.end(), more.begin(), more.end());
        };
        const std::uint32_t first = std::min(settings_.contexts, count());
        add(grow(root_, 0, first), first);
        while (made < settings_.contexts && !contexts_.empty()) {
            const std::uint32_t more = std::min(settings_.contexts - made, count());
            const mitogen::context parent = contexts_[dice.below(contexts_.size())];
            // asked for from here, if the other half is made by a function there
            if (dice.chance(0.5)) {
                add(grow_below(parent, made, more), more);
                continue;
            }
            const auto below = parent.within(60s).try_call<&grow>(made, more);
            if (!below && calm) fail(std::string("grow failed: ") + below.error().what());
            add(below ? *below : std::vector<mitogen::context>{}, more);
        }
    }

    void call_all(sim::random& dice) {
        if (contexts_.empty()) return;
        mitogen::io::simulated io;
        std::vector<mitogen::io::simulated::thread> threads;
        for (std::uint32_t t = 0; t < settings_.threads; ++t) {
            threads.emplace_back(io, "caller", [this, t, seed = dice.next()] {
                sim::random own(seed);
                std::uint32_t sequence = 0;
                for (unsigned round = 0; round < settings_.rounds; ++round)
                    one_round(t, sequence, own);
            });
        }
    }

    /// Nothing goes wrong any more: what is known must now be true.
    void settle(mitogen::io::simulated io) {
        // whoever was stopped goes on; whoever lost its parent ends; who is silent is lost
        io.sleep_for(90 * second);
        if (!ledger_.disorder.empty()) fail(ledger_.disorder);
        for (std::size_t call = 0; call < ledger_.calls.size(); ++call) {
            const ledger::entry& e = ledger_.calls[call];
            if (e.executed > 1) fail("call " + std::to_string(call) + " ran twice");
            if (e.answered && e.executed != 1)
                fail("call " + std::to_string(call) + " was answered and never ran");
        }
        for (const mitogen::context& c : root_.contexts())
            if (const auto alive = c.ping().try_get_for(30s); !alive)
                fail("there is a route to context " + std::to_string(c.id()) +
                     ", which does not answer");
        for (const mitogen::context& c : contexts_) {
            if (c.alive()) continue;
            const auto r = c.try_call<&in_pool>(order{ledger_.open(), 0, 0, 0, 0});
            if (r || r.error().kind() != kind::disconnected)
                fail("a lost context was called, and the call did not say so");
        }
        if (const std::size_t open = support::open_answers<mitogen::io::simulated>(root_))
            fail(std::to_string(open) + " answers are still awaited");
    }
};

} // namespace

sim::faults faults_of(std::string_view profile) {
    sim::faults f;
    const auto add = [&](std::string_view name) {
        const bool all = name == "all";
        bool known = all || name == "none";
        const auto with = [&](std::string_view one) {
            if (name == one) known = true;
            return all || name == one;
        };
        if (with("io")) {
            f.partial_transfer = 0.3;
            f.spurious_readiness = 0.1;
            f.early_wait = 0.05;
            f.pipe_bytes = 16 * 1024;
        }
        if (with("latency")) {
            f.most_latency = 20'000'000;
            f.bytes_per_second = 50'000'000;
        }
        if (with("spawn")) {
            f.spawn_failure = 0.1;
            f.out_of_descriptors = 0.02;
        }
        if (with("kill")) f.kills_per_second = all ? 2 : 15;
        if (with("freeze")) f.freezes_per_second = all ? 4 : 15;
        if (with("clock")) f.jumps_per_second = all ? 1 : 15;
        if (with("cut")) f.cuts_per_second = all ? 2 : 10;
        if (name == "silence") {
            known = true;
            f.silences_per_second = 5;
        }
        if (!known)
            fail("no such fault profile: " + std::string(name) +
                 "; there are none, io, latency, spawn, kill, freeze, clock, cut, silence, all; "
                 "several are joined by +");
    };
    while (!profile.empty()) {
        const std::size_t plus = profile.find('+');
        add(profile.substr(0, plus));
        profile = plus == std::string_view::npos ? std::string_view() : profile.substr(plus + 1);
    }
    return f;
}

sim::outcome run(const settings& s, std::string* trace) {
    const sim::faults f = faults_of(s.profile);
    ledger notes;
    ledger::here() = &notes;
    sim::fleet fleet({.seed = s.seed, .faults = f, .trace_lines = s.trace_lines});
    const auto tell = [&] {
        if (!trace) return;
        for (const std::string& line : fleet.world().log().lines()) *trace += line + "\n";
    };
    sim::outcome o;
    try {
        o = fleet.run(
            [&](mitogen::router& root) {
                // refusals are expected here
                mitogen::log::set_sink([](const mitogen::log::record&) {});
                sim::random dice(s.seed ^ 0x10AD'0000u);
                load work(s, f, root, notes);
                work.build(dice);
                work.call_all(dice);
                fleet.world().disable();
                work.settle(mitogen::io::simulated());
            },
            {.rules = {.heartbeat = beat_for(f)}});
    } catch (...) {
        tell();
        throw;
    }
    tell();
    return o;
}

} // namespace workload
