// SPDX-License-Identifier: BSL-1.0
#pragma once
// program.hpp: structured programs as values, which contexts send to each other, and how random
// ones are made.

#include <mitogen/simulation.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace random_programs {

namespace sim = mitogen::simulation;

enum class what : std::uint8_t {
    sleep,   ///< for its span
    fail,    ///< throws "boom" and its number after its span
    items,   ///< takes as many items as its number, each of which takes its span
    call,    ///< what is inside runs in a context below
    within,  ///< the same, and is late after its span
    cancel,  ///< the same, and is cancelled after its span, which is no failure
    scope,   ///< what is inside runs here, in a scope that is late after its span: no failure
    shield,  ///< what is inside runs here, behind a shield for its span
    guard,   ///< what is inside runs here, and its failure is none
    nursery, ///< blocks: the last one runs here as its body, the others are tasks below
    block,   ///< one after the other
};

/// How a step may end: bits.
enum : std::uint8_t { well = 1, failed = 2, late = 4, cancelled = 8, anyhow = 15 };

/// One step, in front of those inside it.
struct step {
    what kind = what::sleep;
    std::uint8_t form = 0;    ///< which of several ways to do it
    std::uint8_t child = 0;   ///< which one of the contexts below
    std::uint8_t ends = 0;    ///< what the oracle says; 0: it is not reached
    std::uint32_t id = 0;     ///< its place in the whole program
    std::uint32_t size = 1;   ///< how many steps it is, with those inside
    std::int32_t number = 0;
    std::int64_t span_ns = 0;
    std::int64_t by_ns = 0; ///< what the oracle says: when it ends, from the program's beginning
};
using program = std::vector<step>;

inline constexpr std::int64_t ms = 1'000'000;

/// Calls `visit(index)` for each of the steps from `from` to `to`, not for those inside them.
template <class Visit>
void for_each_step(const program& p, std::size_t from, std::size_t to, Visit&& visit) {
    for (std::size_t i = from; i < to; i += p[i].size) visit(i);
}

/// True if a coroutine can run what is inside step `i`: it calls, sleeps and fails, no more.
inline bool is_plain(const program& p, std::size_t i) {
    bool plain = true;
    for_each_step(p, i + 1, i + p[i].size, [&](std::size_t at) {
        plain = plain && (p[at].kind == what::sleep || p[at].kind == what::fail ||
                          p[at].kind == what::call);
    });
    return plain;
}

/// Makes random programs.
class author {
    sim::random& dice_;
    program out_;
    int left_; // steps that it still has
    int failures_ = 0;

    std::int64_t span(std::int64_t most_ms) { return dice_.between(ms, most_ms * ms); }

    std::size_t begin(what kind, std::int64_t span_ns = 0) {
        step s;
        s.kind = kind;
        s.span_ns = span_ns;
        s.form = static_cast<std::uint8_t>(dice_.below(6));
        s.child = static_cast<std::uint8_t>(dice_.below(16));
        s.id = static_cast<std::uint32_t>(out_.size());
        out_.push_back(s);
        --left_;
        return out_.size() - 1;
    }
    void end(std::size_t at) { out_[at].size = static_cast<std::uint32_t>(out_.size() - at); }

    /// `below`: how many levels of contexts there are.
    void steps(int below, int nesting) {
        for (std::uint64_t n = 1 + dice_.below(3); n > 0 && left_ > 0; --n) one(below, nesting);
    }

    void leaf(int below) {
        if (dice_.chance(0.15)) {
            out_[begin(what::fail, span(40))].number = ++failures_;
        } else if (below > 0 && dice_.chance(0.3)) {
            out_[begin(what::items, span(6))].number = static_cast<std::int32_t>(dice_.below(9));
        } else {
            begin(what::sleep, span(60));
        }
    }

    void tasks(std::size_t at, int below, int nesting) {
        const std::uint64_t count = 1 + dice_.below(4);
        for (std::uint64_t n = 0; n < count; ++n) {
            const std::size_t block = begin(what::block);
            // form 5: in a context of its own, which has none below it
            steps(out_[block].form == 5 ? 0 : below - 1, nesting - 1);
            end(block);
        }
        const std::size_t body = begin(what::block);
        if (dice_.chance(0.7)) steps(below, nesting - 1);
        end(body);
        end(at);
    }

    void one(int below, int nesting) {
        if (nesting == 0 || left_ < 3 || dice_.chance(0.25)) return leaf(below);
        switch (dice_.below(below > 0 ? 10 : 3)) {
        case 0: return inside(what::scope, span(120), below, nesting);
        case 1: return inside(what::shield, span(300), below, nesting);
        case 2: return inside(what::guard, 0, below, nesting);
        case 3:
        case 4: return inside(what::call, 0, below - 1, nesting);
        case 5: return inside(what::within, span(120), below - 1, nesting);
        case 6: return inside(what::cancel, span(120), below - 1, nesting);
        default: return tasks(begin(what::nursery), below, nesting);
        }
    }

    void inside(what kind, std::int64_t span_ns, int below, int nesting) {
        const std::size_t at = begin(kind, span_ns);
        steps(below, nesting - 1);
        end(at);
    }

public:
    author(sim::random& dice, int most_steps) : dice_(dice), left_(most_steps) {}

    /// A program for a context that has so many levels of contexts below it.
    program write(int below, int nesting = 6) {
        while (left_ > 0) one(below, nesting);
        return std::move(out_);
    }
};

/// The program as text, with what the oracle says.
inline std::string text_of(const program& p, std::size_t from, std::size_t to, int depth = 0) {
    static constexpr const char* names[] = {"sleep",  "fail",    "items", "call",
                                            "within", "cancel",  "scope", "shield",
                                            "guard",  "nursery", "block"};
    std::string text;
    for_each_step(p, from, to, [&](std::size_t i) {
        const step& s = p[i];
        text += std::string(2 * static_cast<std::size_t>(depth), ' ') + std::to_string(i) + " " +
                names[static_cast<std::size_t>(s.kind)];
        if (s.number) text += " " + std::to_string(s.number);
        if (s.span_ns) text += " " + std::to_string(s.span_ns / 1000) + " us";
        text += ", form " + std::to_string(s.form) + ": ";
        if (s.ends == 0) text += "not reached";
        if (s.ends & well) text += "well ";
        if (s.ends & failed) text += "failed ";
        if (s.ends & late) text += "late ";
        if (s.ends & cancelled) text += "cancelled ";
        if (s.ends) text += "at " + std::to_string(s.by_ns / 1000) + " us";
        text += "\n" + text_of(p, i + 1, i + s.size, depth + 1);
    });
    return text;
}

} // namespace random_programs
