// SPDX-License-Identifier: BSL-1.0
// Asio's loop drives the router: one thread does both, and no callback needs a lock.
// expect: a timer of asio
// expect: 5 from a child
// expect: done
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/steady_timer.hpp>
#include <mitogen/mitogen.hpp>

#include <chrono>
#include <iostream>

int add(int a, int b) { return a + b; }

mitogen::task<void> ask(mitogen::router& router) {
    const mitogen::local method;
    auto child = co_await router.connect_async(method);
    co_await mitogen::sleep_for(std::chrono::milliseconds(100));
    std::cout << co_await child.call_async<&add>(2, 3) << " from a child\n";
}

/// Lets `io` call router.poll() whenever there is something to do.
void drive(asio::posix::stream_descriptor& descriptor, mitogen::router& router) {
    descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                          [&](const asio::error_code& failed) {
                              if (failed) return;
                              router.poll();
                              drive(descriptor, router);
                          });
}

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop{mitogen::broker_options{.thread = false}};
    mitogen::router router{loop};
    asio::io_context io;
    asio::posix::stream_descriptor descriptor{io, router.fd()};
    drive(descriptor, router);

    asio::steady_timer timer{io, std::chrono::milliseconds(10)};
    timer.async_wait([](const asio::error_code&) { std::cout << "a timer of asio\n"; });
    const auto asking = mitogen::spawn(router, ask(router));
    while (!asking.done()) io.run_one();
    descriptor.release(); // it is the router's
    std::cout << "done\n";
}
