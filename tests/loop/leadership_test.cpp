// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/io/poll.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/loop/leadership.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <future>
#include <thread>

namespace {

template <class Io>
struct bare_lead {
    Io io;
    typename Io::poller poller{io};
    mitogen::detail::timers kept;
    mitogen::detail::basic_leadership<Io> leadership{io, poller};
};

TEST_CASE("one thread leads at a time") {
    bare_lead<mitogen::io::native> b;
    if (!mitogen::io::native::poller::has_gate) return;
    CHECK_FALSE(b.leadership.here());
    CHECK(b.leadership.take());
    CHECK(b.leadership.here());
    CHECK_FALSE(b.leadership.take());
    bool there = true, took = true, io_thread = true;
    std::thread([&] {
        there = b.leadership.here();
        took = b.leadership.take();
        io_thread = b.leadership.take_for_io_thread();
    }).join();
    CHECK_FALSE(there);
    CHECK_FALSE(took);
    CHECK_FALSE(io_thread);
    b.leadership.release(b.kept, false);
    CHECK_FALSE(b.leadership.here());
    std::thread([&] {
        io_thread = b.leadership.take_for_io_thread();
        there = b.leadership.here();
        b.leadership.release_from_io_thread();
    }).join();
    CHECK(io_thread);
    CHECK(there);
    CHECK(b.leadership.take());
    b.leadership.release(b.kept, false);
}

TEST_CASE("the broker's thread leaves the time to whoever leads") {
    bare_lead<mitogen::io::native> b;
    if (!mitogen::io::native::poller::has_gate) return;
    mitogen::detail::timer t;
    b.kept.set(t, 1'000);
    CHECK(b.leadership.io_thread_sleeps_until(b.kept) == 1'000);
    REQUIRE(b.leadership.take());
    CHECK(b.leadership.io_thread_sleeps_until(b.kept) == mitogen::never);
    b.leadership.release(b.kept, false); // kicks the gate: nobody else looks at the timer
    CHECK(b.poller.wait_gate(0));
    b.kept.cancel(t);
}

TEST_CASE("what is reserved is claimed once, by the thread that leads") {
    bare_lead<mitogen::io::native> b;
    if (!mitogen::io::native::poller::has_gate) return;
    CHECK_FALSE(b.leadership.claim_reserved());
    REQUIRE(b.leadership.take());
    CHECK_FALSE(b.leadership.claim_reserved());
    b.leadership.set_reserved(true);
    bool other = true;
    std::thread([&] { other = b.leadership.claim_reserved(); }).join();
    CHECK_FALSE(other);
    CHECK(b.leadership.claim_reserved());
    CHECK_FALSE(b.leadership.claim_reserved());
    b.leadership.release(b.kept, false);
}

TEST_CASE("where the poller has no gate only the broker's thread leads") {
    bare_lead<mitogen::io::poll> b;
    CHECK_FALSE(b.leadership.take());
    CHECK(b.leadership.take_for_io_thread());
    CHECK(b.leadership.here());
    b.leadership.release_from_io_thread();
}

TEST_CASE("a lead that is taken reserved serves the wait that follows, or is given back") {
    using broker = mitogen::detail::broker_engine<mitogen::io::native>;
    if (!mitogen::io::native::poller::has_gate) return;
    const int what = GENERATE(0, 1, 2);
    broker loop;
    int ran = 0;
    for (int round = 0; round < 100; ++round) {
        // The broker's thread may be at the end of a turn: then somebody leads, and that is no
        // failure.
        if (!loop.reserve_leadership()) continue;
        CHECK(loop.on_loop());
        CHECK_FALSE(loop.reserve_leadership()); // somebody leads: this thread
        CHECK(loop.defer([&] { ++ran; }));
        const int before = ran;
        if (what == 0) { // a wait
            mitogen::detail::waiter<mitogen::io::native> wake(loop.io());
            CHECK(loop.wait(wake, mitogen::never, true, [&] { return ran > before; }));
        } else if (what == 1) { // a wait for what is there already
            mitogen::detail::waiter<mitogen::io::native> wake(loop.io());
            CHECK(loop.wait(wake, mitogen::never, true, [] { return true; }));
            CHECK(ran == before + 1); // what was posted meanwhile woke nobody, and runs
        } else {
            loop.release_reservation();
            CHECK(ran == before + 1);
        }
        CHECK_FALSE(loop.on_loop());
    }
    CHECK(ran > 0);
    CHECK(loop.run([&] { ran = -1; })); // the loop goes on without this thread
    CHECK(ran == -1);
}

TEST_CASE("a lead reserved that is not kept is given back with its scope") {
    if (!mitogen::io::native::poller::has_gate) return;
    mitogen::detail::broker_engine<mitogen::io::native> loop;
    int led = 0;
    for (int round = 0; round < 100; ++round) {
        {
            const mitogen::detail::broker_engine<mitogen::io::native>::reservation leadership(loop,
                                                                                              true);
            led += loop.on_loop();
        }
        CHECK_FALSE(loop.on_loop());
        {
            mitogen::detail::broker_engine<mitogen::io::native>::reservation leadership(loop, true);
            leadership.keep();
        }
        if (loop.on_loop()) loop.release_reservation();
        CHECK_FALSE(loop.on_loop());
        const mitogen::detail::broker_engine<mitogen::io::native>::reservation unwanted(loop,
                                                                                        false);
        CHECK_FALSE(loop.on_loop());
    }
    CHECK(led > 0);
}

/// A loop whose thread is in a turn, until `go` is set.
struct busy_broker {
    std::promise<void> begun, go;
    mitogen::detail::broker_engine<mitogen::io::native> loop;
    mitogen::detail::waiter<mitogen::io::native> wake{loop.io()};

    busy_broker() {
        loop.defer([this] {
            begun.set_value();
            go.get_future().wait();
        });
        begun.get_future().wait();
    }
};

TEST_CASE("a thread that comes while the broker's thread is in a turn leads after it") {
    if (!mitogen::io::native::poller::has_gate) return;
    busy_broker b;
    int asked = 0;
    bool led = false;
    const auto leads = [&] {
        if (++asked == 3) b.go.set_value(); // it has found the loop led, and has slept
        return led = led || b.loop.on_loop();
    };
    CHECK(b.loop.wait(b.wake, b.loop.io().now() + 20'000'000'000, true, leads));
    if (asked < 3) b.go.set_value();
}

TEST_CASE("a thread that waits for the leadership sleeps as before, however often it is woken") {
    if (!mitogen::io::native::poller::has_gate) return;
    busy_broker b;
    constexpr int woken = 100;
    int asked = 0;
    mitogen::instant last_woken{};
    mitogen::duration_ns slept = 0;
    const auto ready = [&] {
        ++asked;
        if (asked < woken) b.wake.notify();
        if (asked == woken) last_woken = b.loop.io().now();
        if (asked == woken + 2) {
            slept = b.loop.io().now() - last_woken;
            b.go.set_value();
        }
        return asked >= woken + 2;
    };
    CHECK(b.loop.wait(b.wake, b.loop.io().now() + 20'000'000'000, true, ready));
    CHECK(slept > 500'000); // twice, and at least a millisecond each time
}

TEST_CASE("nobody leads reserved of a loop that is led, or that ends") {
    mitogen::detail::broker_engine<mitogen::io::native> loop;
    bool reserved = true;
    loop.run([&] { std::thread([&] { reserved = loop.reserve_leadership(); }).join(); });
    CHECK_FALSE(reserved);
    loop.shutdown();
    CHECK_FALSE(loop.reserve_leadership());
}

} // namespace
