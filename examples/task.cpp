// SPDX-License-Identifier: BSL-1.0
// Coroutines at both ends: thousands of conversations at once in one child, and no thread for any
// of them.
// expect: 332833500 and 55
#include <mitogen/mitogen.hpp>

#include <chrono>
#include <iostream>
#include <string>
#include <vector>

using namespace std::chrono_literals;

/// Runs on the child's loop, as often as anybody likes at the same time.
mitogen::task<int> slow_square(int n) {
    co_await mitogen::sleep_for(50ms);
    co_return n* n;
}

/// A running total, for as long as the other end has numbers.
mitogen::task<int> total(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    int sum = 0;
    while (const auto n = co_await peer.async_try_receive()) co_await peer.async_send(sum += *n);
    co_return sum;
}

/// This program's end.
mitogen::task<int> ask_for_total(mitogen::context child, int numbers) {
    auto d = co_await child.open_async<&total>();
    for (int n = 1; n <= numbers; ++n) {
        co_await d.async_send(n);
        co_await d.async_receive();
    }
    d.close();
    co_return co_await d.async_result();
}

mitogen::task<std::string> everything(mitogen::router& router, mitogen::context child) {
    std::vector<mitogen::future<int>> squares;
    // together they take 50 ms
    for (int n = 0; n < 1000; ++n) squares.push_back(child.call_async<&slow_square>(n));
    auto other = mitogen::spawn(router, ask_for_total(child, 10));
    long sum = 0;
    for (auto& square : squares) sum += co_await square;
    co_return std::to_string(sum) + " and " + std::to_string(co_await std::move(other));
}

int main(int argc, char** argv) {
    return mitogen::run(argc, argv, [](mitogen::router& router) {
        std::cout << mitogen::block_on(router, everything(router, router.local())) << '\n';
    });
}
