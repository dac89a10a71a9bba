// SPDX-License-Identifier: BSL-1.0
#pragma once
// latch_history.hpp: what threads did with a latch and when, and whether a latch may behave like
// that.

#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/simulation/simulated.hpp>

#include <cstddef>
#include <deque>
#include <set>
#include <stdexcept>
#include <string>
#include <utility>

namespace latch_history {

using mitogen::instant;
using mitogen::never;
using mitogen::reason;
using io_type = mitogen::io::simulated;

/// A latch of numbers, of which every put must be another. Remembers when each call began and
/// ended, in the order in which the world made them happen, and checks at the end that there is no
/// contradiction. Works with anything that looks like basic_latch<int, Io>.
template <class Latch>
class watched {
    struct call {
        unsigned begin = 0;
        unsigned end = 0;
        instant begun = 0; // the same two, in virtual time
        instant ended = 0;
        int item = -1;
        bool ok = false;
    };
    struct taking : call {
        unsigned asleep = 0; // when it was in the queue already; 0: never
        instant deadline = never;
        reason why = reason::none;
    };

    io_type io_;
    Latch latch_;
    unsigned clock_ = 0;
    std::deque<call> puts_;
    std::deque<taking> gets_;
    call close_{};

    static void require(bool holds, const std::string& what) {
        if (!holds) throw std::runtime_error(what);
    }
    const call& put_of(int item) const {
        for (const call& p : puts_)
            if (p.item == item) return p;
        throw std::runtime_error("item " + std::to_string(item) + " was never put");
    }

    void check_each_item_once() {
        std::set<int> seen;
        std::size_t put = 0;
        for (const call& p : puts_) put += p.ok;
        for (const taking& g : gets_) {
            if (!g.ok) continue;
            require(seen.insert(g.item).second,
                    "item " + std::to_string(g.item) + " was delivered twice");
            const call& p = put_of(g.item);
            require(p.ok, "an item was delivered whose put said false");
            require(p.begin < g.end, "an item was delivered before it was put");
        }
        require(seen.size() + latch_.size() == put,
                std::to_string(put) + " items were put, " + std::to_string(seen.size()) +
                    " delivered, " + std::to_string(latch_.size()) + " are left");
    }

    void check_order_of_items() const {
        for (const taking& early : gets_) {
            if (!early.ok) continue;
            for (const call& p : puts_) { // an item that was put before the one that `early` got
                if (!p.ok || p.end >= put_of(early.item).begin) continue;
                bool in_time = false;
                for (const taking& g : gets_)
                    in_time = in_time || (g.ok && g.item == p.item && g.begin < early.end);
                require(in_time, "item " + std::to_string(early.item) + " came out before item " +
                                     std::to_string(p.item));
            }
        }
    }

    void check_nobody_overtakes() const {
        for (const taking& first : gets_) {
            for (const taking& late : gets_) {
                if (first.asleep == 0 || first.asleep > late.begin || !late.ok) continue;
                if (first.ok) {
                    require(put_of(late.item).end > put_of(first.item).begin,
                            "a late comer took item " + std::to_string(late.item) +
                                " from the one that slept before it");
                } else if (first.why == reason::sender_closed) {
                    require(false, "a sleeper got nothing, and a late comer took item " +
                                       std::to_string(late.item));
                } else {
                    require(late.ended >= first.deadline,
                            "a sleeper got nothing, and a late comer took item " +
                                std::to_string(late.item) + " before its deadline");
                }
            }
        }
    }

    void check_timeouts() const {
        for (const taking& g : gets_) {
            if (g.ok || g.why != reason::timeout) continue;
            require(g.deadline <= g.ended, "a timeout came before its deadline");
            // Items that were there all the time, or came in time, less those that somebody else
            // can have taken.
            long there = 0;
            long came = 0;
            for (const call& p : puts_) {
                there += p.ok && p.end < g.begin;
                came += p.ok && g.begun < g.deadline && p.ended < g.deadline;
            }
            for (const taking& other : gets_) {
                there -= &other != &g && other.ok && other.begin < g.end;
                came -= &other != &g && other.ok && other.begun <= g.deadline;
            }
            require(there <= 0, "a get timed out although an item was there");
            require(came <= 0, "a get timed out although an item came in time");
        }
    }

    void check_close() const {
        for (const taking& g : gets_) {
            if (g.why == reason::sender_closed)
                require(close_.begin != 0 && g.end > close_.begin, "closed before close()");
            if (close_.end != 0 && g.begin > close_.end)
                require(g.why == reason::sender_closed,
                        "a get that began after close() had another end");
        }
        for (const call& p : puts_) {
            if (!p.ok)
                require(close_.begin != 0 && p.end > close_.begin,
                        "a put was refused before close()");
            if (close_.end != 0 && p.begin > close_.end)
                require(!p.ok, "a put succeeded after close()");
        }
    }

public:
    explicit watched(io_type io) : io_(io), latch_(io_) {}

    void put(int item) {
        call& c = puts_.emplace_back();
        c.item = item;
        c.begin = ++clock_;
        c.begun = io_.now();
        c.ok = latch_.put(std::move(item));
        c.end = ++clock_;
        c.ended = io_.now();
    }

    /// True with an item.
    bool get(instant deadline = never) {
        taking& g = gets_.emplace_back();
        g.deadline = deadline;
        g.begin = ++clock_;
        g.begun = io_.now();
        const mitogen::result<int> got =
            latch_.try_get_until(deadline, [&](auto& wake, instant until, auto&& ready) {
                g.asleep = ++clock_;
                while (!ready() && wake.sleep_until(until)) {}
            });
        g.end = ++clock_;
        g.ended = io_.now();
        g.ok = got.has_value();
        if (g.ok) {
            g.item = *got;
        } else {
            g.why = got.error().reason();
        }
        return g.ok;
    }

    void close() {
        close_.begin = ++clock_;
        latch_.close();
        close_.end = ++clock_;
    }

    std::size_t size() { return latch_.size(); }

    /// Throws std::runtime_error with what no latch may do. All calls must have returned.
    void check() {
        check_each_item_once();
        check_order_of_items();
        check_nobody_overtakes();
        check_timeouts();
        check_close();
    }
};

} // namespace latch_history
