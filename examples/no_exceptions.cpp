// SPDX-License-Identifier: BSL-1.0
// Without exceptions and run-time type information: every function that may fail has a form that
// returns result<T>.
// flags: -fno-exceptions -fno-rtti
// expect: 2 + 3 = 5
// expect: sum: 15
// expect: late: 1
// expect: lost: context 1 is lost
#include <mitogen/mitogen.hpp>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <stop_token>
#include <thread>
#include <vector>

using namespace std::chrono_literals;

static int add(int a, int b) { return a + b; }
static int sum(std::vector<int> all) {
    int total = 0;
    for (const int one : all) total += one;
    return total;
}
static void idle(std::stop_token stop) {
    while (!stop.stop_requested()) std::this_thread::sleep_for(1ms);
}
static void die() { std::raise(SIGKILL); }

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        mitogen::result<mitogen::context> child = router.try_local();
        if (!child) {
            std::fprintf(stderr, "%s\n", child.error().what());
            return 1;
        }
        if (const mitogen::result<int> five = child->try_call<&add>(2, 3))
            std::printf("2 + 3 = %d\n", *five);
        auto coming = child->call_async<&sum>(std::vector<int>{1, 2, 3, 4, 5});
        std::printf("sum: %d\n", coming.try_get().value_or(-1));
        const mitogen::result<void> late = child->within(20ms).try_call<&idle>();
        std::printf("late: %d\n", late.error().reason() == mitogen::reason::timeout);
        const mitogen::result<void> lost = child->try_call<&die>();
        std::printf("lost: %.17s\n", lost.error().what());
        return 0;
    });
}
