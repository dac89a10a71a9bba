// SPDX-License-Identifier: BSL-1.0
#pragma once
// waits.hpp: one wait of each kind that the library has, none of which ends by itself.

#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <chrono>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <stop_token>
#include <string>

namespace scope_test {

using namespace std::chrono_literals;

inline constexpr int kinds = 18;

inline int listens(mitogen::dialog<int(int, int)>& peer) {
    peer.started(0);
    for (int x : peer) static_cast<void>(x);
    return 1;
}
inline int never_starts(mitogen::dialog<int(int, int)>&, std::stop_token stop) {
    return generic::wait_for_stop(stop);
}
inline int takes_nothing(mitogen::dialog<int(std::string, int)>& peer, std::stop_token stop) {
    peer.started(0);
    return generic::wait_for_stop(stop);
}
inline mitogen::generator<int> yields_nothing(std::stop_token stop) {
    generic::wait_for_stop(stop);
    co_yield 1;
}
inline void keeps_sender(mitogen::sender<std::string>, std::stop_token stop) {
    generic::wait_for_stop(stop);
}
inline mitogen::task<int> sleeps_as_task() {
    co_await mitogen::sleep_for(1h);
    co_return 1;
}
inline void fills(mitogen::sender<std::string> out, int in) {
    generic::shared_pipe::post(in);
    for (;;) out.send(std::string(100'000, 'x'));
}

/// Waits in the way `kind`, for ever; posts to `in` when it is about to.
inline void wait_for_ever(int kind, mitogen::router& here, int in) {
    const auto begins = [in] { generic::shared_pipe::post(in); };
    switch (kind) {
    case 0: {
        auto c = here.local();
        begins();
        c.call<&generic::wait_for_stop>();
        break;
    }
    case 1: {
        auto c = here.local();
        auto f = c.call_async<&generic::wait_for_stop>();
        begins();
        f.get();
        break;
    }
    case 2: {
        auto c = here.local();
        auto d = c.open<&listens>();
        begins();
        d.receive();
        break;
    }
    case 3: {
        auto c = here.local();
        auto d = c.open<&takes_nothing>();
        begins();
        for (;;) d.send(std::string(100'000, 'x'));
    }
    case 4: {
        auto c = here.local();
        begins();
        static_cast<void>(c.open<&never_starts>());
        break;
    }
    case 5: {
        auto c = here.local();
        auto all = c.stream<&yields_nothing>();
        begins();
        for (int x : all) static_cast<void>(x);
        break;
    }
    case 6: {
        mitogen::receiver<int> r{here};
        auto keep = r.to_sender();
        begins();
        r.receive();
        break;
    }
    case 7: {
        mitogen::receiver<std::string> r{here};
        auto out = r.to_sender();
        begins();
        for (;;) out.send(std::string(100'000, 'x'));
    }
    case 8: {
        auto c = here.local();
        auto f = c.call_async<&generic::wait_for_stop>();
        mitogen::receiver<int> r{here};
        auto keep = r.to_sender();
        mitogen::select s{f, r};
        begins();
        s.next();
        f.get(); // it may be late first
        break;
    }
    case 9: {
        mitogen::nursery n{here, {.grace = 100ms}};
        n.start<&generic::wait_for_stop>(n.local());
        begins();
        n.join();
        break;
    }
    case 10: {
        mitogen::nursery n{here, {.grace = 100ms}};
        auto t = n.start<&generic::wait_for_stop>(n.local());
        begins();
        t.get();
        break;
    }
    case 11:
        begins();
        static_cast<void>(here.connect(mitogen::command{.argv = {"sh", "-c", "exec sleep 600"}}));
        break;
    case 12:
        begins();
        mitogen::sleep_for(1h);
        break;
    case 13: {
        mitogen::latch<int> empty;
        begins();
        empty.get();
        break;
    }
    case 14:
        begins();
        mitogen::block_on(here, sleeps_as_task());
        break;
    case 15: {
        mitogen::receiver<int> r{here};
        auto keep = r.to_sender();
        mitogen::broadcast all(here, std::move(r), 4);
        auto reads = all.subscribe();
        begins();
        reads.receive();
        break;
    }
    case 16: {
        mitogen::nursery n{here, {.grace = 100ms}};
        auto t = n.spawn(sleeps_as_task());
        begins();
        t.get();
        break;
    }
    default: {
        auto c = here.local();
        auto d = c.open<&listens>();
        begins();
        d.result(); // which waits for close()
        break;
    }
    }
}

} // namespace scope_test
