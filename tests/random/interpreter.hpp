// SPDX-License-Identifier: BSL-1.0
#pragma once
// interpreter.hpp: runs programs, each context its part of one, and compares what comes of each
// step with what the oracle says.

#include "program.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mitogen/simulation.hpp>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <unistd.h>
#include <vector>

namespace random_programs {

/// What goes with a program, to every context.
struct order {
    std::int64_t begin_ns = 0; ///< on the clock that all share
    std::int64_t slack_ns = 0; ///< how much later than it is said a step may end
    bool early = false;        ///< and sooner
    /// where complaints go: a pipe that processes inherit; -1: the memory that all share
    int complaints = -1;
};

/// Complaints of a simulated world.
inline std::vector<std::string>& complaints() {
    static std::vector<std::string> all;
    return all;
}

inline bool simulated() noexcept { return sim::kernel::here() != nullptr; }
inline std::int64_t now_ns() {
    if (simulated()) return mitogen::io::simulated().now();
    return std::chrono::duration_cast<std::chrono::nanoseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
}
inline std::chrono::nanoseconds ns(std::int64_t span) { return std::chrono::nanoseconds(span); }

inline void complain(const order& o, std::string text) {
    if (o.complaints < 0) return complaints().push_back(std::move(text));
    text = text.substr(0, 500) + "\n"; // one write, which nothing comes in between
    if (::write(o.complaints, text.data(), text.size()) < 0) ::_exit(99);
}

/// How something has ended.
struct outcome {
    std::uint8_t how = well;
    std::set<int> failures{};
    std::string text{};
};

inline void add(outcome& to, const mitogen::error& e) {
    for (const mitogen::error& one : e.members()) add(to, one);
    if (!e.members().empty()) return;
    const std::string message(e.message());
    if (message.starts_with("boom ")) {
        to.how |= failed;
        to.failures.insert(std::stoi(message.substr(5)));
    } else if (e == mitogen::reason::timeout || e == mitogen::reason::deadline) {
        to.how |= late;
    } else if (e == mitogen::reason::cancelled) {
        to.how |= cancelled;
    } else {
        to.how |= 128; // nothing may end so
    }
}
inline outcome outcome_of(const mitogen::error& e) {
    outcome o{0, {}, e.what()};
    add(o, e);
    if (o.how & failed) o.how &= failed | 128; // beside it nothing counts
    return o;
}

/// Compares; a complaint says what differs.
inline void compare(const order& o, const program& p, std::size_t i, const outcome& came) {
    const step& s = p[i];
    const std::int64_t at = now_ns() - o.begin_ns;
    const std::string name = "step " + std::to_string(s.id) + ": ";
    if (s.ends == 0) return complain(o, name + "was not to be reached");
    if ((s.ends & came.how) != came.how)
        complain(o, name + "ends otherwise: " + std::to_string(came.how) + ", " + came.text);
    if (at > s.by_ns + o.slack_ns || (!o.early && at < s.by_ns))
        complain(o, name + "ends at " + std::to_string(at / 1000) + " us");
}

inline int run(program p, order o, mitogen::router& here);
inline mitogen::task<int> run_as_task(program p, order o, mitogen::router& here);

/// Makes a tree.
inline int grow(int levels, int width, mitogen::router& here) {
    std::vector<mitogen::future<mitogen::context>> coming;
    for (int i = 0; levels > 0 && i < width; ++i)
        coming.push_back(simulated() ? here.connect_async(sim::host{.name = "kin"})
                                     : here.connect_async(mitogen::local{.name = "kin"}));
    int made = 0;
    for (auto& c : coming) made += 1 + c.get().call<&grow>(levels - 1, width);
    return made;
}

inline void produce(mitogen::sender<int> out, int count, std::int64_t each_ns) {
    for (int i = 0; i < count; ++i) {
        mitogen::sleep_for(ns(each_ns));
        out.send(i);
    }
}
inline mitogen::generator<int> counts(int count, std::int64_t each_ns) {
    for (int i = 0; i < count; ++i) {
        mitogen::sleep_for(ns(each_ns));
        co_yield i;
    }
}
inline int echoes(mitogen::dialog<int(int, int)>& peer, std::int64_t each_ns) {
    peer.started(7);
    int seen = 0;
    for (const int x : peer) {
        mitogen::sleep_for(ns(each_ns));
        peer.send(x);
        ++seen;
    }
    return seen;
}

/// The part of the program that `i` has inside, for another context: the oracle's words stay.
inline program inside_of(const program& p, std::size_t i) {
    return {p.begin() + static_cast<std::ptrdiff_t>(i) + 1,
            p.begin() + static_cast<std::ptrdiff_t>(i + p[i].size)};
}

/// Contexts below this one that belong to the tree, and not to a nursery.
inline std::vector<mitogen::context> kin_of(mitogen::router& here) {
    std::vector<mitogen::context> kin;
    for (const mitogen::context& c : here.contexts())
        if (c.path().size() == 1 && c.path().front().starts_with("kin")) kin.push_back(c);
    return kin;
}

/// Runs the steps of one context's thread.
class interpreter {
    const program& p_;
    const order& o_;
    mitogen::router& here_;
    const std::vector<mitogen::context> kin_ = kin_of(here_);

    const mitogen::context& below(std::size_t i) const {
        if (kin_.empty()) throw std::logic_error("there is nobody below");
        return kin_[p_[i].child % kin_.size()];
    }

    static void give(const mitogen::result<int>& r) { static_cast<void>(r.value()); }

    void channel(std::size_t i) {
        const step& s = p_[i];
        mitogen::receiver<int> in{here_};
        int next = 0;
        const auto take = [&](const mitogen::result<int>& item) {
            if (item && *item != next++) complain(o_, "an item was lost, or came twice");
        };
        try {
            auto call = below(i).call_async<&produce>(in.to_sender(), int{s.number}, s.span_ns);
            for (int turn = 0;; ++turn) {
                const auto item = [&]() -> mitogen::result<int> {
                    if (turn % 3 == 0) return in.try_receive();
                    if (turn % 3 == 1) return in.try_receive_for(ns(s.span_ns / 3));
                    const mitogen::scope soon{ns(s.span_ns / 3)};
                    return in.try_receive();
                }();
                take(item);
                if (item) continue;
                if (item.error() == mitogen::reason::end_of_stream) break;
                // its own time was over, and no more than that
                if (item.error() != mitogen::reason::timeout || !mitogen::check_scope())
                    give(item);
            }
            call.get();
            if (next != s.number) complain(o_, "a channel has ended, and lacks items");
        } catch (const mitogen::error&) {
            const mitogen::shield s1{std::chrono::seconds(1)};
            for (;;) { // what had come is still there
                const auto item = in.try_receive_for(std::chrono::seconds(0));
                if (!item) break;
                take(item);
            }
            throw;
        }
    }
    void stream(std::size_t i) {
        int next = 0;
        for (const int x : below(i).stream<&counts>(int{p_[i].number}, p_[i].span_ns))
            if (x != next++) complain(o_, "an item was lost, or came twice");
        if (next != p_[i].number) complain(o_, "a stream has ended, and lacks items");
    }
    void dialog(std::size_t i) {
        auto d = below(i).open<&echoes>(p_[i].span_ns);
        for (int n = 0; n < p_[i].number; ++n) {
            d.send(n);
            if (d.receive() != n) complain(o_, "an item was lost, or came twice");
        }
        d.close();
        if (d.result() != p_[i].number) complain(o_, "a dialog has ended, and lacks items");
    }

    void call(std::size_t i) {
        const mitogen::context& to = below(i);
        switch (p_[i].form) {
        case 0: to.call<&run>(inside_of(p_, i), o_); break;
        case 1: to.call_async<&run>(inside_of(p_, i), o_).get(); break;
        case 2: give(to.try_call<&run>(inside_of(p_, i), o_)); break;
        case 3: to.within(std::chrono::hours(1)).call<&run>(inside_of(p_, i), o_); break;
        case 4: {
            auto f = to.call_async<&run>(inside_of(p_, i), o_);
            mitogen::select s{f};
            s.next();
            f.get();
            break;
        }
        default:
            if (is_plain(p_, i)) {
                to.call<&run_as_task>(inside_of(p_, i), o_);
            } else {
                to.call<&run>(inside_of(p_, i), o_);
            }
        }
    }
    void within(std::size_t i) {
        const auto to = below(i).within(ns(p_[i].span_ns));
        if (p_[i].form % 2) {
            to.call<&run>(inside_of(p_, i), o_);
        } else {
            to.call_async<&run>(inside_of(p_, i), o_).get();
        }
    }
    void cancel(std::size_t i) {
        auto f = below(i).call_async<&run>(inside_of(p_, i), o_);
        const auto early = f.try_get_for(ns(p_[i].span_ns));
        if (early) return;
        if (f.done()) return give(f.try_get()); // with an error of its own
        mitogen::check_scope().value();
        f.cancel();
        const auto end = f.try_get();
        if (!end && end.error() == mitogen::reason::cancelled && mitogen::check_scope()) return;
        give(end);
    }

    void scope(std::size_t i) {
        {
            const mitogen::scope s{ns(p_[i].span_ns)};
            try {
                return inside(i);
            } catch (const mitogen::error& e) {
                if (!s.late() || outcome_of(e).how & failed) throw;
            }
        }
        mitogen::check_scope().value(); // its own end stays here, that of those around does not
    }
    void shield(std::size_t i) {
        const mitogen::shield s{ns(p_[i].span_ns)};
        inside(i);
    }
    void guard(std::size_t i) {
        try {
            inside(i);
        } catch (const std::exception&) {
            if (!mitogen::check_scope()) throw;
        }
    }

    void nursery(std::size_t i) {
        mitogen::check_scope().value();
        mitogen::nursery n{here_};
        std::vector<mitogen::nursery_task<int>> tasks;
        std::size_t body = 0;
        for_each_step(p_, i + 1, i + p_[i].size, [&](std::size_t at) {
            body = at;
            if (at + p_[at].size == i + p_[i].size) return; // the last
            tasks.push_back(task(n, at));
        });
        std::exception_ptr own;
        outcome how;
        try {
            one(body);
        } catch (const mitogen::error& e) {
            own = std::current_exception(), how = outcome_of(e);
        } catch (const std::exception&) {
            own = std::current_exception(), how.how = failed;
        }
        if (own) n.cancel();
        const auto joined = n.try_join();
        // No failure of a task is hidden.
        const outcome all = joined ? outcome{} : outcome_of(joined.error());
        for (const auto& t : tasks) {
            const auto end = t.try_get_for(std::chrono::seconds(0));
            if (!end && !t.done()) complain(o_, "a task has outlived its nursery");
            if (end) continue;
            for (const int number : outcome_of(end.error()).failures)
                if (all.failures.count(number) == 0)
                    complain(o_, "a nursery hides failure " + std::to_string(number));
        }
        if (own && (how.how & failed || !(all.how & failed))) std::rethrow_exception(own);
        joined.value();
    }
    mitogen::nursery_task<int> task(mitogen::nursery& n, std::size_t at) {
        // the block itself goes with it
        program part(p_.begin() + static_cast<std::ptrdiff_t>(at),
                     p_.begin() + static_cast<std::ptrdiff_t>(at + p_[at].size));
        if (p_[at].form == 5)
            return simulated() ? n.start<&run>(sim::host{.name = "own"}, part, o_)
                               : n.start<&run>(mitogen::local{.name = "own"}, part, o_);
        if (p_[at].form == 4 && is_plain(p_, at)) {
            return n.start<&run_as_task>(below(at), inside_of(p_, at), o_);
        }
        return n.start<&run>(below(at), part, o_);
    }

    void act(std::size_t i) {
        switch (p_[i].kind) {
        case what::sleep: mitogen::sleep_for(ns(p_[i].span_ns)); break;
        case what::fail:
            mitogen::sleep_for(ns(p_[i].span_ns));
            throw std::runtime_error("boom " + std::to_string(p_[i].number));
        case what::items:
            if (p_[i].form % 3 == 0) channel(i);
            if (p_[i].form % 3 == 1) stream(i);
            if (p_[i].form % 3 == 2) dialog(i);
            break;
        case what::call: call(i); break;
        case what::within: within(i); break;
        case what::cancel: cancel(i); break;
        case what::scope: scope(i); break;
        case what::shield: shield(i); break;
        case what::guard: guard(i); break;
        case what::nursery: nursery(i); break;
        case what::block: inside(i);
        }
    }
    void one(std::size_t i) {
        try {
            act(i);
        } catch (const mitogen::error& e) {
            compare(o_, p_, i, outcome_of(e));
            throw;
        } catch (const std::exception& e) {
            compare(o_, p_, i, {failed, {}, e.what()});
            throw;
        }
        compare(o_, p_, i, {});
    }
    void inside(std::size_t i) {
        for_each_step(p_, i + 1, i + p_[i].size, [this](std::size_t at) { one(at); });
    }

public:
    interpreter(const program& p, const order& o, mitogen::router& here)
        : p_(p), o_(o), here_(here) {}

    void all() {
        for_each_step(p_, 0, p_.size(), [this](std::size_t at) { one(at); });
    }
};

inline int run(program p, order o, mitogen::router& here) {
    interpreter(p, o, here).all();
    return 1;
}

/// As run(), of what is plain, and as a coroutine.
inline mitogen::task<int> run_as_task(program p, order o, mitogen::router& here) {
    const std::vector<mitogen::context> kin = kin_of(here);
    for (std::size_t i = 0; i < p.size(); i += p[i].size) {
        std::optional<mitogen::error> ended;
        try {
            if (p[i].kind == what::sleep || p[i].kind == what::fail) {
                co_await mitogen::sleep_for(ns(p[i].span_ns));
            } else if (p[i].kind == what::call) {
                auto part = inside_of(p, i);
                static_cast<void>(
                    co_await kin.at(p[i].child % kin.size()).call_async<&run>(part, o));
            }
        } catch (const mitogen::error& e) {
            ended = e;
        }
        if (ended) {
            compare(o, p, i, outcome_of(*ended));
            static_cast<void>(mitogen::result<int>(*ended).value());
        }
        if (p[i].kind == what::fail) {
            compare(o, p, i, {failed, {}, "boom"});
            throw std::runtime_error("boom " + std::to_string(p[i].number));
        }
        compare(o, p, i, {});
    }
    co_return 1;
}

} // namespace random_programs

// What waits must not keep anything else waiting.
template <>
inline constexpr auto mitogen::run_on<&random_programs::run> = mitogen::on::thread;
template <>
inline constexpr auto mitogen::run_on<&random_programs::produce> = mitogen::on::thread;
