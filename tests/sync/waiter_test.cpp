// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/io/poll.hpp>
#include <mitogen/sync/waiter.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <thread>

namespace {

using io_type = mitogen::io::native;
using waiter = mitogen::detail::waiter<io_type>;

struct world {
    io_type io{};
    io_type::poller poller{io};
    io_type::waker waker{io};
    waiter wake{io};

    world() { REQUIRE(poller.add(waker.fd(), 1, mitogen::io::interest::read) == 0); }
    ~world() { poller.remove(waker.fd()); }
    bool waker_rang() {
        mitogen::io::event e[1];
        return poller.wait(e, 1, 0) == 1;
    }
};

TEST_CASE("a notification before the sleep ends it at once") {
    world w;
    w.wake.notify();
    CHECK(w.wake.sleep_until(mitogen::never));
    CHECK_FALSE(w.wake.sleep_until(w.io.now() + 1000));
}

TEST_CASE("a sleep ends at its deadline") {
    world w;
    const mitogen::instant until = w.io.now() + 2'000'000;
    CHECK_FALSE(w.wake.sleep_until(until));
    CHECK(w.io.now() >= until);
    CHECK_FALSE(w.wake.sleep_until(0));
}

TEST_CASE("who sleeps in the poller is woken through its waker") {
    world w;
    w.wake.begin_driving(w.waker);
    std::thread([&] { w.wake.notify(); }).join();
    CHECK(w.waker_rang());
    w.waker.drain();
    w.wake.end_driving();
    std::thread([&] { w.wake.notify(); }).join();
    CHECK_FALSE(w.waker_rang());
    CHECK(w.wake.sleep_until(mitogen::never));
}

TEST_CASE("who drives the loop does not wake itself") {
    world w;
    w.wake.begin_driving(w.waker);
    w.wake.notify();
    CHECK_FALSE(w.waker_rang());
    w.wake.end_driving();
}

TEST_CASE("no notification is lost between sleeping on the parker and in the poller") {
    world w;
    constexpr int rounds = 20'000;
    std::atomic<int> said{0}, heard{0};
    std::thread speaker([&] {
        for (int i = 1; i <= rounds; ++i) {
            said.store(i, std::memory_order_release);
            w.wake.notify();
            while (heard.load(std::memory_order_acquire) < i) std::this_thread::yield();
        }
    });
    for (int i = 1; i <= rounds; ++i) {
        const auto ready = [&] { return said.load(std::memory_order_acquire) >= i; };
        while (!ready()) {
            if (i % 3 == 0) {
                w.wake.sleep_until(mitogen::never);
                continue;
            }
            w.wake.begin_driving(w.waker);
            mitogen::io::event e[1];
            if (!ready() && w.poller.wait(e, 1, -1) == 1) w.waker.drain();
            w.wake.end_driving();
        }
        heard.store(i, std::memory_order_release);
    }
    speaker.join();
    CHECK(heard == rounds);
}

} // namespace
