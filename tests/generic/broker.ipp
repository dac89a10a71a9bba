// SPDX-License-Identifier: BSL-1.0
// broker.ipp: what every broker promises. Included with MITOGEN_TEST_IO set to a policy and
// MITOGEN_TEST_NAME to its name in quotes.
#include "inject.hpp"

#include <mitogen/base/log.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/os/call.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <cstring>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace {
namespace broker_test {

using io_type = MITOGEN_TEST_IO;
using broker = mitogen::detail::broker_engine<io_type>;
using waiter = mitogen::detail::waiter<io_type>;
using mitogen::never;
namespace io = mitogen::io;
namespace os = mitogen::os;

/// Keeps what is logged from the terminal, and counts it.
struct quiet {
    std::shared_ptr<std::atomic<int>> records = std::make_shared<std::atomic<int>>(0);
    quiet() {
        mitogen::log::set_sink([n = records](const mitogen::log::record&) { ++*n; });
    }
    ~quiet() { mitogen::log::set_sink({}); }
};

/// A pipe whose read end the loop can watch.
struct watched_pipe : mitogen::detail::event_source {
    os::unique_fd read_end, write_end;
    mitogen::unique_function<void(watched_pipe&)> on_ready;

    watched_pipe() {
        REQUIRE(os::pipe(read_end, write_end) == 0);
        REQUIRE(os::set_nonblocking(read_end.get(), true) == 0);
        fd = read_end.get();
        ready = [](event_source& s, bool, bool) {
            auto& self = static_cast<watched_pipe&>(s);
            self.on_ready(self);
        };
    }
    void ring() {
        // Catch belongs to the test's own thread
        if (os::write(write_end.get(), "x", 1) != 1) std::abort();
    }
    void drain() {
        char bytes[64];
        static_cast<void>(os::read(read_end.get(), bytes, sizeof bytes));
    }
};

/// A broker, and one thing to wait for.
struct world {
    broker loop;
    waiter wake{loop.io()};
    std::atomic<bool> done{false};

    void finish() {
        done = true;
        wake.notify();
    }
    bool wait(bool lead = true, mitogen::instant until = never) {
        return loop.wait(wake, until, lead, [this] { return done.load(); });
    }
    void watch(watched_pipe& p) {
        long rc = -1;
        loop.run([&] { rc = loop.watch(p, io::interest::read); });
        REQUIRE(rc == 0);
    }
    mitogen::instant in(mitogen::duration_ns span) { return loop.io().now() + span; }
};

TEST_CASE(MITOGEN_TEST_NAME ": deferred work runs on the loop, in order") {
    const bool lead = GENERATE(true, false);
    world w;
    std::vector<int> order;
    bool on_loop = true;
    for (int i = 0; i < 100; ++i) {
        REQUIRE(w.loop.defer([&, i] {
            order.push_back(i);
            on_loop = on_loop && w.loop.on_loop();
        }));
    }
    w.loop.defer([&] { w.finish(); });
    REQUIRE(w.wait(lead));
    REQUIRE(order.size() == 100);
    for (int i = 0; i < 100; ++i) CHECK(order[static_cast<std::size_t>(i)] == i);
    CHECK(on_loop);
    CHECK_FALSE(w.loop.on_loop());
}

std::atomic<int> wakes{0};
long count_wakes(const char* name, int) {
    if (std::strcmp(name, "write") == 0) ++wakes;
    return 0;
}

TEST_CASE(MITOGEN_TEST_NAME ": thousands of defers cost a few wake-ups") {
    world w;
    std::atomic<int> ran{0};
    std::promise<void> begun, go;
    w.loop.defer([&] {
        begun.set_value();
        go.get_future().wait(); // the loop is busy: what comes now coalesces
    });
    begun.get_future().wait();
    wakes = 0;
    os::fault = &count_wakes;
    for (int i = 0; i < 5000; ++i) w.loop.defer([&] { ++ran; });
    w.loop.defer([&] { w.finish(); });
    const int rung = wakes;
    os::fault = nullptr;
    go.set_value();
    REQUIRE(w.wait(false));
    CHECK(ran == 5000);
    CHECK(rung <= 1);
}

TEST_CASE(MITOGEN_TEST_NAME ": work that is deferred by work runs, without a wake-up") {
    world w;
    int depth = 0;
    mitogen::unique_function<void()> deeper;
    deeper = [&] {
        if (++depth == 1000) return w.finish();
        w.loop.defer([&] { deeper(); });
    };
    w.loop.defer([&] { deeper(); });
    REQUIRE(w.wait());
    CHECK(depth == 1000);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": work that makes work without end keeps nobody from the descriptors and timers") {
    world w;
    watched_pipe p;
    std::atomic<bool> stop{false};
    bool timer_fired = false;
    mitogen::detail::timer t;
    t.fire = [&] { timer_fired = true; };
    mitogen::unique_function<void()> again;
    again = [&] {
        if (!stop) w.loop.defer([&] { again(); });
    };
    p.on_ready = [&](watched_pipe& self) {
        self.drain();
        if (!timer_fired) return self.ring(); // later
        stop = true;
        w.loop.unwatch(self);
        w.finish();
    };
    w.loop.run([&] {
        w.loop.watch(p, io::interest::read);
        w.loop.set_timer(t, 0);
    });
    w.loop.defer([&] { again(); });
    p.ring();
    CHECK(w.wait());
    CHECK(timer_fired);
    w.loop.run([] {}); // behind the last of it
}

/// A task that does something.
struct test_task : mitogen::detail::loop_task {
    mitogen::unique_function<void()> what;
    explicit test_task(mitogen::unique_function<void()> f) : what(std::move(f)) {
        run = [](loop_task& t) { static_cast<test_task&>(t).what(); };
    }
};

TEST_CASE(MITOGEN_TEST_NAME ": a task that is posted twice before it ran runs once") {
    world w;
    int ran = 0;
    test_task task([&] { ++ran; });
    w.loop.run([&] {
        for (int i = 0; i < 3; ++i) w.loop.post(task);
    });
    w.loop.run([] {});
    CHECK(ran == 1);
    w.loop.post(task);
    w.loop.run([] {});
    CHECK(ran == 2);
}

TEST_CASE(MITOGEN_TEST_NAME ": a task may post the others again, also itself, and none is lost") {
    world w;
    std::string order;
    std::optional<test_task> a, b, c;
    bool first = true;
    a.emplace([&] {
        order += 'a';
        if (!std::exchange(first, false)) return;
        w.loop.post(*b); // is waiting already
        w.loop.post(*a);
    });
    b.emplace([&] { order += 'b'; });
    c.emplace([&] { order += 'c'; });
    w.loop.run([&] {
        w.loop.post(*a);
        w.loop.post(*b);
        w.loop.post(*c);
    });
    w.loop.run([] {});
    CHECK(order == "abca");
}

TEST_CASE(MITOGEN_TEST_NAME ": a task may withdraw and destroy those behind it") {
    world w;
    std::string order;
    std::optional<test_task> a, b, c;
    a.emplace([&] {
        order += 'a';
        w.loop.withdraw(*b);
        b.reset();
        w.loop.withdraw(*a); // is not waiting: nothing happens
    });
    b.emplace([&] { order += 'b'; });
    c.emplace([&] { order += 'c'; });
    w.loop.run([&] {
        w.loop.post(*a);
        w.loop.post(*b);
        w.loop.post(*c);
    });
    w.loop.run([] {});
    CHECK(order == "ac");
    w.loop.run([&] {
        w.loop.post(*c);
        w.loop.withdraw(*c);
        w.loop.post(*a);
        b.emplace([] {});
    });
    w.loop.run([] {});
    CHECK(order == "aca");
}

TEST_CASE(MITOGEN_TEST_NAME ": tasks that many threads post all run") {
    world w;
    std::atomic<int> ran{0};
    constexpr int tasks = 8, rounds = 2000;
    std::vector<std::unique_ptr<test_task>> all;
    std::vector<std::unique_ptr<std::atomic<int>>> counts;
    for (int i = 0; i < tasks; ++i) {
        counts.push_back(std::make_unique<std::atomic<int>>(0));
        all.push_back(std::make_unique<test_task>([&, n = counts.back().get()] {
            ++*n;
            ++ran;
        }));
    }
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < rounds; ++i)
                w.loop.post(*all[static_cast<std::size_t>((i + t) % tasks)]);
        });
    }
    for (std::thread& t : threads) t.join();
    for (auto& task : all) w.loop.post(*task);
    w.loop.run([] {});
    for (auto& n : counts) CHECK(*n >= 1);
    CHECK(ran <= 3 * rounds + tasks);
    const int before = ran;
    for (auto& task : all) w.loop.post(*task); // none has fallen out of the list
    w.loop.run([] {});
    CHECK(ran == before + tasks);
}

TEST_CASE(MITOGEN_TEST_NAME ": timers fire in order and not before their time") {
    const bool lead = GENERATE(true, false);
    world w;
    std::string order;
    mitogen::detail::timer a, b, c, cancelled;
    const mitogen::instant start = w.loop.io().now();
    mitogen::instant fired = 0;
    a.fire = [&] { order += 'a'; };
    b.fire = [&] {
        order += 'b';
        w.loop.cancel_timer(cancelled);
        w.loop.set_timer(a, start + 4'000'000);
    };
    c.fire = [&] {
        order += 'c';
        fired = w.loop.io().now();
        w.finish();
    };
    cancelled.fire = [&] { order += 'x'; };
    w.loop.run([&] {
        w.loop.set_timer(c, start + 5'000'000);
        w.loop.set_timer(a, start + 1'000'000);
        w.loop.set_timer(b, start + 2'000'000);
        w.loop.set_timer(cancelled, start + 3'000'000);
    });
    REQUIRE(w.wait(lead));
    // a slow machine may find several due at once
    CHECK((order == "abac" || order == "baac" || order == "bac"));
    CHECK(fired >= start + 5'000'000);
}

TEST_CASE(MITOGEN_TEST_NAME ": a timer that a leading thread has set fires after it has left") {
    world w;
    mitogen::detail::timer t;
    t.fire = [&] { w.finish(); };
    waiter other(w.loop.io());
    std::atomic<bool> set{false};
    w.loop.defer([&] {
        w.loop.set_timer(t, w.in(3'000'000));
        set = true;
        other.notify();
    });
    REQUIRE(w.loop.wait(other, never, true, [&] { return set.load(); }));
    CHECK(w.wait(false)); // the broker's own thread must know of it
}

TEST_CASE(MITOGEN_TEST_NAME ": descriptors may be watched and unwatched inside callbacks") {
    world w;
    watched_pipe a, b;
    std::string order;
    a.on_ready = [&](watched_pipe& self) {
        order += 'a';
        w.loop.unwatch(self);
        if (w.loop.watch(b, io::interest::read) != 0) order += '!';
    };
    b.on_ready = [&](watched_pipe& self) {
        order += 'b';
        w.loop.unwatch(self);
        w.finish();
    };
    a.ring();
    b.ring();
    w.watch(a);
    REQUIRE(w.wait());
    CHECK(order == "ab");
}

TEST_CASE(MITOGEN_TEST_NAME
          ": an event of a descriptor that was unwatched in the same turn is dropped") {
    world w;
    std::vector<std::unique_ptr<watched_pipe>> all;
    watched_pipe next;
    int called = 0;
    next.on_ready = [&](watched_pipe&) { called += 100; };
    for (int i = 0; i < 8; ++i) {
        all.push_back(std::make_unique<watched_pipe>());
        all.back()->ring();
    }
    for (auto& p : all) {
        p->on_ready = [&](watched_pipe&) {
            ++called;
            // slots of events that are still to come
            for (auto& other : all) w.loop.unwatch(*other);
            if (w.loop.watch(next, io::interest::read) != 0) called += 1000; // takes a slot again
            w.loop.defer([&] {
                w.loop.unwatch(next);
                all.clear();
                w.finish();
            });
        };
    }
    w.loop.run([&] {
        for (auto& p : all) w.loop.watch(*p, io::interest::read);
    });
    REQUIRE(w.wait());
    CHECK(called == 1);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": an interest of none silences a descriptor, and it can be woken again") {
    world w;
    watched_pipe p;
    std::atomic<int> called{0};
    p.on_ready = [&](watched_pipe& self) {
        if (++called == 2) {
            w.loop.unwatch(self);
            return w.finish();
        }
        w.loop.change(self, io::interest::none);
    };
    p.ring();
    w.watch(p);
    for (int i = 0; i < 5; ++i) w.loop.run([] {}); // turns in which it must stay silent
    while (called == 0) w.loop.run([] {});
    CHECK(called == 1);
    w.loop.run([&] { w.loop.change(p, io::interest::read); });
    REQUIRE(w.wait());
}

TEST_CASE(MITOGEN_TEST_NAME
          ": a descriptor that can't be watched is reported, and leaves nothing behind") {
    world w;
    mitogen::detail::event_source bad;
    bad.fd = -1;
    long refused = 0;
    w.loop.run([&] {
        refused = w.loop.watch(bad, io::interest::read);
        w.loop.unwatch(bad);
    });
    CHECK(refused < 0);
    CHECK_FALSE(bad.watched);
    watched_pipe p;
    p.on_ready = [&](watched_pipe& self) {
        w.loop.unwatch(self);
        w.finish();
    };
    p.ring();
    w.watch(p);
    CHECK(w.wait());
}

TEST_CASE(MITOGEN_TEST_NAME ": exceptions in callbacks are logged and hurt nobody else") {
    const quiet log;
    world w;
    watched_pipe p;
    mitogen::detail::timer t;
    test_task task([] { throw std::runtime_error("task"); });
    p.on_ready = [&](watched_pipe& self) {
        w.loop.unwatch(self);
        throw std::runtime_error("descriptor");
    };
    t.fire = [] { throw 42; };
    p.ring();
    w.loop.run([&] {
        w.loop.watch(p, io::interest::read);
        w.loop.set_timer(t, 0);
        w.loop.post(task);
        w.loop.defer([] { throw std::runtime_error("deferred"); });
    });
    while (*log.records < 4) w.loop.run([] {});
    // and who waits for it is not left waiting
    CHECK(w.loop.run([] { throw std::runtime_error("run"); }));
    CHECK(*log.records == 5);
    CHECK_THROWS_AS(w.loop.paused([] { throw std::runtime_error("paused"); }), std::runtime_error);
    CHECK(w.loop.run([] {}));
}

TEST_CASE(MITOGEN_TEST_NAME ": a wait ends at its deadline, leading or following") {
    const bool lead = GENERATE(true, false);
    world w;
    const mitogen::instant until = w.in(3'000'000);
    CHECK_FALSE(w.wait(lead, until));
    CHECK(w.loop.io().now() >= until);
    CHECK_FALSE(w.wait(lead, 0));
    w.loop.defer([&] { w.finish(); });
    CHECK(w.wait(lead, w.in(60'000'000'000)));
    CHECK(w.wait(lead, 0)); // is done already
}

TEST_CASE(MITOGEN_TEST_NAME ": several threads may wait at once, each for its own") {
    const bool lead = GENERATE(true, false);
    broker loop;
    constexpr int count = 6, rounds = 300;
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int n = 0; n < count; ++n) {
        threads.emplace_back([&] {
            for (int i = 0; i < rounds; ++i) {
                struct one {
                    waiter wake;
                    std::atomic<bool> done{false};
                    explicit one(io_type& io) : wake(io) {}
                };
                const auto mine = std::make_shared<one>(loop.io());
                loop.defer([mine] {
                    mine->done = true;
                    mine->wake.notify();
                });
                good += loop.wait(mine->wake, never, lead, [&] { return mine->done.load(); });
            }
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(good == count * rounds);
}

TEST_CASE(MITOGEN_TEST_NAME ": what a third thread reports ends a wait, leading or following") {
    const bool lead = GENERATE(true, false);
    for (int i = 0; i < 200; ++i) {
        world w;
        std::thread other([&] { w.finish(); });
        CHECK(w.wait(lead));
        other.join();
    }
}

TEST_CASE(MITOGEN_TEST_NAME
          ": what was accepted before the end runs, what comes later is refused") {
    for (int round = 0; round < 30; ++round) {
        auto loop = std::make_unique<broker>();
        std::atomic<int> accepted{0}, ran{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 3; ++t) {
            threads.emplace_back([&] {
                while (loop->defer([&] { ++ran; })) ++accepted;
            });
        }
        while (accepted < 100) std::this_thread::yield();
        loop->shutdown();
        for (std::thread& t : threads) t.join();
        loop->join();
        CHECK(ran == accepted);
        test_task task([] {});
        CHECK_FALSE(loop->post(task));
        CHECK_FALSE(loop->run([] {}));
        CHECK(loop->stopping());
    }
}

TEST_CASE(MITOGEN_TEST_NAME ": the loop ends while a thread leads it") {
    for (int round = 0; round < 30; ++round) {
        broker loop;
        waiter wake(loop.io());
        std::atomic<bool> inside{false};
        std::atomic<bool> done{false};
        std::thread waits([&] {
            loop.wait(wake, never, true, [&] {
                inside = true;
                inside.notify_one();
                return done.load();
            });
        });
        inside.wait(false);
        bool late = false;
        loop.defer([&] { late = true; });
        loop.shutdown();
        loop.join();
        CHECK(late);
        done = true;
        wake.notify();
        waits.join();
    }
}

TEST_CASE(MITOGEN_TEST_NAME
          ": run() brings its result back, from any thread and from the loop itself") {
    broker loop;
    int value = 0;
    CHECK(loop.run([&] {
        if (loop.run([&] { value = 5; })) value *= 2; // at once
    }));
    CHECK(value == 10);
    std::vector<std::thread> threads;
    int sum = 0;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&] {
            for (int i = 0; i < 200; ++i) loop.run([&] { ++sum; });
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(sum == 800);
}

TEST_CASE(MITOGEN_TEST_NAME ": while the loop is paused nothing runs on it") {
    broker loop;
    int shared = 0; // no lock: the sanitizer sees whoever touches it beside us
    std::atomic<bool> stop{false};
    std::thread busy([&] {
        while (!stop) loop.run([&] { ++shared; });
    });
    std::thread second([&] {
        for (int i = 0; i < 100; ++i) loop.paused([&] { ++shared; });
    });
    for (int i = 0; i < 100; ++i) {
        loop.paused([&] {
            const int before = shared;
            for (int spin = 0; spin < 100; ++spin) loop.io().relax();
            if (shared != before) shared = -1'000'000'000;
        });
    }
    second.join();
    stop = true;
    busy.join();
    CHECK(shared > 0);
    loop.shutdown();
    loop.join();
    bool ran = false;
    loop.paused([&] { ran = true; }); // a loop that has ended stands still
    CHECK(ran);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": a broker that cannot have its descriptors says so and leaves nothing") {
    int failures = 0;
    bool made = false;
    for (int n = 0; !made && n < 30; ++n) {
        std::unique_ptr<broker> loop; // ends when calls succeed again
        const generic::inject fault(nullptr, -EMFILE, n, 1);
        try {
            loop = std::make_unique<broker>();
            made = failures > 0; // whatever failed in it then, it can do without
        } catch (const mitogen::error& e) {
            ++failures;
            CHECK(std::string_view(e.what()).find("EMFILE") != std::string_view::npos);
        }
    }
    CHECK(failures > 0);
}

} // namespace broker_test
} // namespace
