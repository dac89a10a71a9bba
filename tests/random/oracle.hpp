// SPDX-License-Identifier: BSL-1.0
#pragma once
// oracle.hpp: says of each step of a program when it ends, and how, from the rules of
// docs/concurrency.md alone.

#include "program.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <set>
#include <utility>
#include <vector>

namespace random_programs {

/// How something ends.
struct ending {
    std::int64_t at = 0;
    std::uint8_t how = well;     ///< bits: one of them
    std::set<int> failures{};    ///< their numbers, if it has failed
};

/// Goes through a program in a world in which calls, messages and processes take no time, so that
/// only spans count. Where two events come at nearly one moment, other ends than the one it says
/// are right as well: see gap().
class oracle {
    static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

    /// One scope that a wait is in. Those of the caller, elsewhere, are one for the callee.
    struct scope {
        const scope* outer = nullptr;
        std::int64_t cancelled_at = never;
        std::int64_t late_at = never;
        std::int64_t shields_until = 0;
    };
    struct cut {
        std::int64_t at = never;
        std::uint8_t how = 0;
    };

    program& p_;
    std::int64_t gap_ = never;
    bool exact_ = true;
    int trying_ = 0; // what it finds is not written down

    /// When a wait that begins at `t` is ended by its scopes.
    static cut cut_of(const scope* s, std::int64_t t) {
        cut first;
        for (; s; s = s->outer) {
            const std::int64_t at = std::max(t, std::min(s->cancelled_at, s->late_at));
            if (at < first.at) first = {at, 0};
            if (at == first.at && at != never) {
                if (s->late_at <= at) first.how |= late;
                if (s->cancelled_at <= at) first.how |= cancelled;
            }
            t = std::max(t, s->shields_until);
        }
        return first;
    }

    /// The deadline that a call carries which is made at `t`.
    static std::int64_t deadline_of(const scope* s, std::int64_t t) {
        std::int64_t first = never;
        for (; s; s = s->outer) {
            first = std::min(first, s->late_at);
            if (s->shields_until > t) break;
        }
        return first;
    }

    void race(std::int64_t a, std::int64_t b) {
        if (a != b && a != never && b != never) gap_ = std::min(gap_, std::abs(a - b));
    }

    /// A wait that would end well at a moment, were it not for its scopes.
    ending wait(std::int64_t t, std::int64_t at, const scope* s) {
        const cut c = cut_of(s, t);
        race(at, c.at);
        return c.at <= t || c.at < at ? ending{c.at, c.how} : ending{at};
    }

    ending block(std::size_t from, std::size_t to, std::int64_t t, const scope* s) {
        ending e{t};
        for (std::size_t i = from; i < to && e.how == well; i += p_[i].size) e = one(i, e.at, s);
        return e;
    }
    ending inside(std::size_t i, std::int64_t t, const scope* s) {
        return block(i + 1, i + p_[i].size, t, s);
    }

    ending one(std::size_t i, std::int64_t t, const scope* s) {
        const ending e = end_of(i, t, s);
        if (trying_ == 0) {
            p_[i].ends = e.how;
            p_[i].by_ns = e.at;
        }
        return e;
    }

    /// What is no failure if the scopes around still last.
    ending absorbed(ending e, const scope* s) {
        const cut c = cut_of(s, e.at);
        race(c.at, e.at);
        if (c.at > e.at) return {e.at};
        if (e.how != failed) e.how |= c.how;
        return e;
    }

    ending end_of(std::size_t i, std::int64_t t, const scope* s) {
        const step& now = p_[i];
        switch (now.kind) {
        case what::sleep: return wait(t, t + now.span_ns, s);
        case what::fail: {
            const ending e = wait(t, t + now.span_ns, s);
            return e.how == well ? ending{e.at, failed, {now.number}} : e;
        }
        case what::items: return wait(t, t + now.number * now.span_ns, s);
        case what::call: return below(i, t, s, never, never);
        case what::within: return below(i, t, s, t + now.span_ns, never);
        case what::cancel: return below(i, t, s, never, t + now.span_ns);
        case what::scope: {
            const scope own{s, never, t + now.span_ns};
            const ending e = inside(i, t, &own);
            const bool is_late = own.late_at <= e.at;
            if (e.how == well || e.how == failed || !is_late) return e;
            return absorbed({e.at, 0}, s); // its own: if those around have ended too, so say they
        }
        case what::shield: {
            const scope own{s, never, never, t + now.span_ns};
            return inside(i, t, &own);
        }
        case what::guard: {
            const ending e = inside(i, t, s);
            return e.how == well ? e : absorbed(e, s);
        }
        case what::nursery: return nursery(i, t, s);
        case what::block: break;
        }
        return inside(i, t, s);
    }

    static bool does_not_wait(const step& s) {
        switch (s.kind) {
        case what::call: return s.form == 1 || s.form == 4;
        case what::within: return s.form % 2 == 0;
        default: return s.kind == what::cancel;
        }
    }

    bool shields(std::size_t i) const {
        return std::any_of(p_.begin() + static_cast<std::ptrdiff_t>(i),
                           p_.begin() + static_cast<std::ptrdiff_t>(i + p_[i].size),
                           [](const step& s) { return s.kind == what::shield; });
    }

    /// What is inside runs elsewhere, in the scope of that call alone.
    ending below(std::size_t i, std::int64_t t, const scope* s, std::int64_t late_at,
                 std::int64_t cancelled_at) {
        const cut c = cut_of(s, t);
        if (c.at <= t) { // what waits is not sent; what does not is cancelled, and may have begun
            if (does_not_wait(p_[i])) exact_ = false;
            return {t, c.how};
        }
        race(late_at, c.at);
        race(cancelled_at, c.at);
        const std::int64_t first = std::min({c.at, late_at, cancelled_at});
        const scope there{nullptr, first, std::min(late_at, deadline_of(s, t))};
        ending e = inside(i, t, &there);
        race(e.at, first);
        if (e.at < first) return e;
        const bool same = e.at == first;
        if (same && e.how == failed) exact_ = false;
        if (cancelled_at == first) return {first};
        if (late_at == first) return {first, late};
        return {first, static_cast<std::uint8_t>(c.how | (same ? e.how : 0))};
    }

    ending nursery(std::size_t i, std::int64_t t, const scope* s) {
        const cut c = cut_of(s, t);
        if (c.at <= t) return {t, c.how};
        std::vector<std::size_t> parts; // the last is the body
        for_each_step(p_, i + 1, i + p_[i].size, [&](std::size_t at) { parts.push_back(at); });
        const std::size_t body = parts.back();
        parts.pop_back();
        const std::int64_t deadline = deadline_of(s, t);
        std::int64_t due = never; // the deadline, if a task has not ended by then
        const auto of_task = [&](std::size_t at, std::int64_t stop) {
            const scope there{nullptr, std::min(stop, c.at), deadline};
            ending e = one(at, t, &there);
            race(e.at, deadline);
            if (e.at >= deadline && deadline != never) due = deadline;
            if (e.at > deadline && e.how != failed)
                e.how = late; // and it puts things right behind a shield
            return e;
        };
        const auto of_body = [&](std::int64_t stop) {
            const scope own{s, std::min(stop, due)};
            return one(body, t, &own);
        };
        // What would be, did nothing stop it?
        ++trying_;
        std::int64_t stop = never;
        std::size_t cause = 0;
        for (const std::size_t at : parts) {
            const ending e = of_task(at, never);
            const std::int64_t fails = std::min(e.at, deadline);
            if (e.how == well || fails >= c.at) continue;
            race(fails, stop);
            if (fails < stop) stop = fails, cause = at;
        }
        const ending free = of_body(stop);
        if (free.how != well && free.at < std::min(stop, c.at)) stop = free.at, cause = body;
        race(free.at, stop);
        --trying_;
        // What is.
        const ending own = of_body(cause == body ? never : stop);
        ending all{own.at};
        std::uint8_t how = 0;
        for (const std::size_t at : parts) {
            const ending e = of_task(at, at == cause ? never : stop);
            race(e.at, own.at);
            all.at = std::max(all.at, e.at);
            if (e.how & failed) all.failures.insert(e.failures.begin(), e.failures.end());
            if (at == cause) how |= e.how;
            // late, in what it does once it is cancelled
            if (at != cause && (e.how & late) && e.at > std::min(stop, c.at)) exact_ = false;
        }
        // Behind a shield the body does not notice that the scopes around end.
        if (c.at <= all.at && shields(body)) exact_ = false;
        if (own.how != well) { // it goes first, if it has failed itself
            if (own.how == failed || all.failures.empty()) {
                all.how = static_cast<std::uint8_t>(own.how | (own.how == failed ? 0 : how));
                all.failures = own.failures;
                return all;
            }
            all.how = failed;
            return all;
        }
        const cut at_join = cut_of(s, own.at);
        race(at_join.at, all.at);
        all.how = !all.failures.empty()            ? std::uint8_t{failed}
                  : how                            ? how
                  : at_join.at <= all.at && c.at <= all.at ? at_join.how
                                                   : std::uint8_t{well};
        return all;
    }

public:
    explicit oracle(program& p) : p_(p) {
        for (step& s : p_) s.ends = 0;
    }

    /// Writes into each step how it ends; returns how the program does.
    ending tell() { return block(0, p_.size(), 0, nullptr); }

    /// The shortest time between two events of which the first decides: a world in which other
    /// things take longer than that may go another way.
    std::int64_t gap() const { return gap_; }
    /// False: two events come at one moment.
    bool exact() const { return exact_; }
};

/// For worlds that may go another way: how each step may end at all, and that it does in time.
inline void tell_bounds(program& p, std::int64_t slack_ns) {
    std::int64_t all = 0;
    for (const step& s : p) all += s.span_ns * std::max(1, s.number);
    bool fails = false;
    bool ends = false; // by a scope
    for (const step& s : p) {
        fails = fails || s.kind == what::fail;
        ends = ends || s.kind == what::within || s.kind == what::cancel ||
               s.kind == what::scope || s.kind == what::nursery;
    }
    for (step& s : p) {
        s.ends = static_cast<std::uint8_t>(well | (fails ? failed : 0) |
                                           (ends ? late | cancelled : 0));
        s.by_ns = all + slack_ns;
    }
}

} // namespace random_programs
