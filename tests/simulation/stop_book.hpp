// SPDX-License-Identifier: BSL-1.0
#pragma once
// stop_book.hpp: what becomes of each stop of a simulated tree, and what must not.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mitogen/simulation.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace stops {

namespace sim = mitogen::simulation;

constexpr std::int64_t ms = 1'000'000;
constexpr std::int64_t second = 1'000 * ms;

enum class typed : std::uint8_t { nothing, go_on, quit };

/// One stop, from its request to its return.
struct record {
    std::size_t number = 0;
    std::vector<std::uint32_t> way{}; ///< processes, from its own to the root
    mitogen::instant deadline = mitogen::never;
    bool arrived = false;  ///< the root knows of it
    bool left = false;     ///< and was told that it waits no more
    bool prompted = false; ///< somebody has seen it
    bool over = false;     ///< its session
    bool gave_up = false;  ///< a scope has ended it while it waited
    bool returned = false;
    typed said = typed::nothing;
    bool told_to_go_on = false; ///< by any terminal, which may not be the one that attends to it
    bool told_to_quit = false;
    mitogen::instant said_at = 0;
};

/// Of one world. All is checked as it happens; the first that is wrong stays.
class book {
    std::deque<record> all_;
    std::vector<record*> arrived_; // in that order
    record* at_prompt_ = nullptr;
    std::set<std::uint32_t> struck_;
    std::string wrong_;

public:
    std::size_t begun = 0; ///< terminals
    std::size_t ended = 0;
    std::size_t sessions = 0;
    std::size_t longest_queue = 0;
    bool without_terminal = false; ///< now and then there is none
    bool passes_by = false;        ///< who does not answer
    bool has_clients = false;      ///< second terminals come and go
    bool ends_contexts = false;    ///< some are ended by the program itself
    std::int64_t slowness = 0;     ///< how long a message may take, beside its way

    static book*& here() {
        static thread_local book* current = nullptr;
        return current;
    }
    static sim::kernel& kernel() { return mitogen::io::simulated().kernel(); }
    static mitogen::instant now() { return mitogen::io::simulated().now(); }

    const std::string& wrong() const { return wrong_; }
    const std::deque<record>& all() const { return all_; }
    static void say(const record& r, const std::string& what) {
        kernel().say("stop " + std::to_string(r.number) + " " + what);
    }
    void fail(const std::string& what) {
        if (wrong_.empty()) wrong_ = what;
    }
    void fail(const record& r, const std::string& what) {
        fail("stop " + std::to_string(r.number) + " of process " + std::to_string(r.way.front()) +
             ": " + what);
    }

    // ---- what goes wrong on purpose

    void strike(std::uint32_t pid) { struck_.insert(pid); }
    /// It, or one that leads to it, was killed or cut off.
    bool struck(const record& r) const {
        return r.way.back() != 1 || std::any_of(r.way.begin(), r.way.end(), [this](auto pid) {
                   return struck_.contains(pid);
               });
    }

    // ---- where it stops

    record& open() {
        record& r = all_.emplace_back();
        r.number = all_.size() - 1;
        std::uint32_t pid = kernel().self().pid;
        while (pid != 0) {
            r.way.push_back(pid);
            const sim::process_state* p = kernel().find(pid);
            pid = p && !p->ended ? p->parent : 0;
        }
        return r;
    }

    void returns(record& r, const mitogen::result<void>& how) {
        r.returned = true;
        say(r, how ? "goes on" : std::string("ends: ") + how.error().what());
        const std::int64_t bound = second + slowness;
        const bool excused = struck(r);
        if (has_clients) return returns_beside_clients(r, how, excused);
        if (r.said != typed::nothing && !excused && now() - r.said_at > bound)
            fail(r, "goes on " + std::to_string((now() - r.said_at) / ms) + " ms later");
        if (how) {
            if (excused || without_terminal || passes_by || r.said == typed::go_on) return;
            if (r.said == typed::quit) fail(r, "goes on, and somebody has typed quit");
            if (r.prompted || !ends_contexts) fail(r, "goes on, and nobody has said so");
            return;
        }
        if (how.error().reason() == mitogen::reason::debugger_quit) {
            if (r.said != typed::quit) fail(r, "quits, and nobody has said so");
            return;
        }
        r.gave_up = true;
        if (r.prompted && !excused)
            fail(r, std::string("has the terminal, and is ended: ") + how.error().what());
        if (r.deadline != mitogen::never && now() - r.deadline > bound)
            fail(r, "is late, and is told so " + std::to_string((now() - r.deadline) / ms) +
                        " ms later");
    }

    /// What is typed at a terminal that has just lost it to another does not count.
    void returns_beside_clients(record& r, const mitogen::result<void>& how, bool excused) {
        if (how) {
            if (excused || r.told_to_go_on || without_terminal || passes_by) return;
            if (r.prompted || !ends_contexts) fail(r, "goes on, and nobody has said so");
            return;
        }
        if (how.error().reason() == mitogen::reason::debugger_quit) {
            if (!r.told_to_quit) fail(r, "quits, and nobody has said so");
            return;
        }
        r.gave_up = true;
        if (r.prompted && !excused)
            fail(r, std::string("is attended to, and ended: ") + how.error().what());
    }

    /// Those who still stand or wait, as far as they can.
    std::vector<const record*> standing() const {
        std::vector<const record*> found;
        for (const record& r : all_) {
            const sim::process_state* p = kernel().find(r.way.front());
            if (!r.returned && p && !p->ended) found.push_back(&r);
        }
        return found;
    }

    // ---- at the root

    void arrives(std::size_t number) {
        record& r = all_.at(number);
        r.arrived = true;
        say(r, "arrives");
        arrived_.push_back(&r);
        longest_queue = std::max(longest_queue, arrived_.size());
    }
    void leaves(std::size_t number) {
        all_.at(number).left = true;
        say(all_.at(number), "leaves");
    }

    void begins(std::size_t number) {
        record& r = all_.at(number);
        ++sessions;
        say(r, "has the terminal");
        if (at_prompt_) fail(r, "a second one stands at the terminal");
        at_prompt_ = &r;
        if (has_clients) return attended(r);
        if (r.prompted) fail(r, "it is shown twice");
        r.prompted = true;
        if (!r.arrived) fail(r, "nobody has asked for it");
        if (r.gave_up) fail(r, "gets the terminal, and waits no more");
        if (r.deadline != mitogen::never && now() - r.deadline > second + slowness)
            fail(r, "gets the terminal long after its time");
        for (const record* other : arrived_) {
            if (other == &r) break;
            if (!without_terminal && !passes_by && !struck(*other) && !other->prompted &&
                !other->left && !other->returned)
                fail(r, "gets the terminal before stop " + std::to_string(other->number));
        }
    }

    /// At whichever terminal.
    void attended(record& r) {
        r.prompted = true;
        if (!r.arrived) fail(r, "nobody has asked for it");
        if (r.gave_up) fail(r, "is attended to, and waits no more");
    }

    /// At a second terminal.
    void client_attends(std::size_t number) {
        say(all_.at(number), "is attended to");
        attended(all_.at(number));
    }
    void client_types(std::size_t number, typed what) { tell(all_.at(number), what); }
    void client_casts(typed what) {
        for (record* r : arrived_) tell(*r, what);
    }
    static void tell(record& r, typed what) {
        if (what == typed::go_on) r.told_to_go_on = true;
        if (what == typed::quit) r.told_to_quit = true;
    }

    /// A line, or the like, is typed.
    void types(typed what) {
        record* const r = at_prompt_;
        if (!r) return fail("somebody types, and nobody stands there");
        say(*r, "is told " + std::to_string(static_cast<int>(what)));
        if (!struck(*r)) {
            if (r->returned) fail(*r, "has the terminal, and does not stand there");
            for (const std::uint32_t pid : r->way)
                if (const sim::process_state* p = kernel().find(pid); !p || p->ended)
                    fail(*r, "has the terminal, and process " + std::to_string(pid) + " was ended");
        }
        tell(*r, what);
        if (what == typed::nothing) return;
        r->said = what;
        r->said_at = now();
    }

    void ends_session() {
        record* const r = std::exchange(at_prompt_, nullptr);
        if (!r) return;
        r->over = true;
        say(*r, "has it no more");
        if (r->said == typed::nothing && !struck(*r) && !has_clients)
            fail(*r, "its session ends, and nobody has said so");
    }

    /// The world is over.
    void close(const sim::kernel&) {
        if (begun != ended)
            fail(std::to_string(begun) + " terminals were begun, and " + std::to_string(ended) +
                 " ended");
        if (at_prompt_) fail(*at_prompt_, "still stands at the terminal");
        for (const record& r : all_)
            if (!r.returned && r.way.front() == 1) fail(r, "never goes on");
    }
};

} // namespace stops
