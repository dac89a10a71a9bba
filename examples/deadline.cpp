// SPDX-License-Identifier: BSL-1.0
// Three ways to give up a call: a deadline, a stop token, and cancelling its future. The function
// there is told each time: its own std::stop_token fires.
// expect: too slow: kind overloaded
// expect: stopped from outside
// expect: cancelled
// expect: get_for() only stops waiting: 3
// expect: and the child works on: 5
#include <mitogen/mitogen.hpp>

#include <chrono>
#include <cstdio>
#include <stop_token>
#include <thread>

using namespace std::chrono_literals;

/// The stop token is supplied where the function runs; the caller does not pass it.
static int work(std::stop_token stop, int steps) {
    for (int done = 0; done < steps; ++done) {
        if (stop.stop_requested()) return done;
        std::this_thread::sleep_for(2ms);
    }
    return steps;
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        mitogen::context child = router.local();
        try {
            child.within(30ms).call<&work>(1'000'000);
        } catch (const mitogen::timeout_error& e) {
            std::printf("too slow: kind %s\n",
                        e.kind() == mitogen::kind::overloaded ? "overloaded" : "other");
        }

        std::stop_source user;
        std::jthread impatient([&] { user.request_stop(); });
        if (!child.with(user.get_token()).try_call<&work>(1'000'000))
            std::puts("stopped from outside");

        auto answer = child.call_async<&work>(1'000'000);
        child.ping().get(); // the loop there has seen the call, although its main thread is busy
        answer.cancel();
        if (answer.try_get().error().reason() == mitogen::reason::cancelled) std::puts("cancelled");

        auto slow = child.call_async<&work>(3);
        while (!slow.try_get_for(1ms)) {} // the call goes on
        std::printf("get_for() only stops waiting: %d\n", slow.get());
        std::printf("and the child works on: %d\n", child.call<&work>(5));
    });
}
