// SPDX-License-Identifier: BSL-1.0
#pragma once
// latch_programs.hpp: small programs around a latch, for every order of their threads. Each throws
// if the latch is wrong, or hangs.

#include "latch_history.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <utility>

namespace latch_programs {

using io_type = latch_history::io_type;
using mitogen::detail::after;
using mitogen::instant;
using mitogen::never;

constexpr mitogen::duration_ns ms = 1'000'000;

/// Threads that have all ended when join() returns.
class crew {
    io_type io_;
    std::deque<io_type::thread> threads_;

public:
    explicit crew(io_type io) : io_(io) {}
    void add(std::function<void()> work) {
        threads_.emplace_back(io_, ("t" + std::to_string(threads_.size())).c_str(),
                              std::move(work));
    }
    void join() { threads_.clear(); }
};

/// One puts, one takes: nothing is lost between looking and sleeping.
template <class Latch>
void one_each(io_type io) {
    latch_history::watched<Latch> l(io);
    crew all(io);
    all.add([&] {
        l.put(1);
        l.put(2);
    });
    l.get();
    l.get();
    all.join();
    l.check();
}

/// Two sleepers and two items that come at once.
template <class Latch>
void two_sleepers_two_puts(io_type io) {
    latch_history::watched<Latch> l(io);
    crew all(io);
    for (int i = 0; i < 2; ++i) all.add([&] { l.get(); });
    io.sleep_for(ms); // both sleep
    l.put(1);
    l.put(2);
    all.join();
    l.check();
}

/// Two sleepers, of which one gives up in the moment in which the only item comes.
template <class Latch>
void two_sleepers_one_put(io_type io) {
    latch_history::watched<Latch> l(io);
    const instant moment = after(io.now(), 2 * ms);
    crew all(io);
    all.add([&] { l.get(moment); });
    all.add([&] { l.get(after(moment, ms)); });
    all.add([&, io] {
        io.sleep_for(2 * ms);
        l.put(1);
    });
    all.join();
    l.check();
}

/// A deadline and an item in the same moment.
template <class Latch>
void put_against_timeout(io_type io) {
    latch_history::watched<Latch> l(io);
    crew all(io);
    all.add([&, io] { l.get(after(io.now(), ms)); });
    all.add([&, io] {
        io.sleep_for(ms);
        l.put(1);
        l.put(2);
    });
    all.join();
    l.get(0);
    l.check();
}

/// Somebody comes while an item is on its way to a sleeper.
template <class Latch>
void late_comer(io_type io) {
    latch_history::watched<Latch> l(io);
    crew all(io);
    all.add([&] { l.get(); });
    all.add([&, io] {
        io.sleep_for(ms);
        l.put(1);
        l.put(2);
    });
    io.sleep_for(ms);
    l.get();
    all.join();
    l.check();
}

/// The same with deadlines that have passed: those take what is there, and nothing that is
/// promised.
template <class Latch>
void late_comer_without_time(io_type io) {
    latch_history::watched<Latch> l(io);
    crew all(io);
    all.add([&] { l.get(); });
    all.add([&] { l.put(1); });
    l.get(0);
    l.put(2);
    l.get(0);
    l.put(3); // if both went to us
    all.join();
    l.check();
}

template <class Latch>
void close_against_put(io_type io) {
    latch_history::watched<Latch> l(io);
    crew all(io);
    all.add([&] { l.get(); });
    all.add([&] {
        l.put(1);
        l.put(2);
    });
    l.close();
    l.get();
    l.put(3);
    all.join();
    l.check();
}

template <class Latch>
void close_against_sleepers(io_type io) {
    latch_history::watched<Latch> l(io);
    crew all(io);
    for (int i = 0; i < 2; ++i) all.add([&] { l.get(); });
    all.add([&, io] { l.get(after(io.now(), ms)); });
    io.sleep_for(ms);
    l.close();
    all.join();
    l.check();
}

/// Several takers, some of which give up all the time, several givers, then the end.
template <class Latch>
void many(io_type io, int takers, int givers, int each) {
    latch_history::watched<Latch> l(io);
    crew take(io);
    crew give(io);
    int taken = 0;
    const int items = givers * each;
    for (int t = 0; t < takers; ++t)
        take.add([&, io, t] {
            while (taken < items) {
                const instant deadline =
                    t % 2 ? after(io.now(), (t + 1) * 10'000) : after(io.now(), 50 * ms);
                if (l.get(deadline)) ++taken;
            }
        });
    for (int g = 0; g < givers; ++g)
        give.add([&, io, g] {
            for (int i = 0; i < each; ++i) {
                l.put(g * each + i);
                if (i % 3 == 0) io.sleep_for((g + 1) * 10'000);
            }
        });
    give.join();
    take.join();
    l.check();
}

/// Each of the small ones: its name, what it does, and how many interruptions leave few enough
/// orders to try them all.
template <class Latch, class Do>
void for_each_small(Do&& run) {
    run("one each", &one_each<Latch>, 4);
    run("two sleepers, two puts", &two_sleepers_two_puts<Latch>, 2);
    run("two sleepers, one put", &two_sleepers_one_put<Latch>, 2);
    run("put against timeout", &put_against_timeout<Latch>, 3);
    run("late comer", &late_comer<Latch>, 3);
    run("late comer without time", &late_comer_without_time<Latch>, 3);
    run("close against put", &close_against_put<Latch>, 3);
    run("close against sleepers", &close_against_sleepers<Latch>, 1);
}

} // namespace latch_programs
