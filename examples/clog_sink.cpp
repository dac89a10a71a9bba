// SPDX-License-Identifier: BSL-1.0
// The log of a whole tree on std::clog: what children print, what they log under names of their
// own, and the library's records.
// expect: info    stdout      worker.1 (context 1): hello
// expect: warning shop.stock  worker.2 (context 2): 7 left
// expect: error   shop.till   this program: closed
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <iomanip>
#include <iostream>
#include <mutex>
#include <string>

static void greet() { std::puts("hello"); }
static void count_stock(int left) {
    mitogen::log::write(mitogen::log::level::warning, "shop.stock", std::to_string(left) + " left");
}

/// A sink is called on any thread, and must not block for long: the tree's messages wait for it.
static void to_clog(const mitogen::log::record& r) {
    static std::mutex one_at_a_time;
    static const char* const names[] = {"debug", "info", "warning", "error"};
    const std::lock_guard lock(one_at_a_time);
    std::clog << std::left << std::setw(8) << names[static_cast<int>(r.level)] << std::setw(12)
              << r.logger;
    if (r.context == mitogen::no_context) {
        std::clog << "this program";
    } else {
        std::clog << r.place << " (context " << r.context << ")";
    }
    std::clog << ": " << r.text << '\n';
}

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    std::clog.rdbuf(std::cout.rdbuf()); // only for the test of this example, which reads stdout
    mitogen::log::set_sink(&to_clog);
    {
        mitogen::broker loop;
        mitogen::router router(loop);
        auto one = router.local({.name = "worker.1"});
        one.call<&greet>();
        one.shutdown().get(); // all that it has printed has arrived
        router.local({.name = "worker.2"}).call<&count_stock>(7);
    }
    mitogen::log::write(mitogen::log::level::error, "shop.till", "closed");
}
