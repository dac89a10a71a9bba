// SPDX-License-Identifier: BSL-1.0
// libuv's loop drives the router: one thread does both, and no callback needs a lock.
// expect: a timer of libuv
// expect: 5 from a child
// expect: done
#include <mitogen/mitogen.hpp>
#include <uv.h>

#include <chrono>
#include <iostream>

int add(int a, int b) { return a + b; }

mitogen::task<void> ask(mitogen::router& router, uv_poll_t* last) {
    const mitogen::local method;
    auto child = co_await router.connect_async(method);
    co_await mitogen::sleep_for(std::chrono::milliseconds(100));
    std::cout << co_await child.call_async<&add>(2, 3) << " from a child\n";
    uv_poll_stop(last); // nothing is left that uv_run would wait for
}

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    mitogen::broker loop{mitogen::broker_options{.thread = false}};
    mitogen::router router{loop};
    uv_loop_t* uv = uv_default_loop();

    uv_poll_t descriptor;
    descriptor.data = &router;
    uv_poll_init(uv, &descriptor, router.fd());
    uv_poll_start(&descriptor, UV_READABLE,
                  [](uv_poll_t* p, int, int) { static_cast<mitogen::router*>(p->data)->poll(); });

    uv_timer_t timer;
    uv_timer_init(uv, &timer);
    uv_timer_start(
        &timer, [](uv_timer_t*) { std::cout << "a timer of libuv\n"; }, 10, 0);

    const auto asking = mitogen::spawn(router, ask(router, &descriptor));
    uv_run(uv, UV_RUN_DEFAULT);
    std::cout << (asking.done() ? "done\n" : "not done\n");
}
