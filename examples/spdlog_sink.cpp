// SPDX-License-Identifier: BSL-1.0
// The log of a whole tree in spdlog: each record under its own logger and level, with the context
// that it comes from.
// expect: [info] [stdout] worker.1#1: hello
// expect: [warning] [shop.stock] worker.2#2: 7 left
// expect: [error] [shop.till] root: closed
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <memory>
#include <mutex>
#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <string>

static void greet() { std::puts("hello"); }
static void count_stock(int left) {
    mitogen::log::write(mitogen::log::level::warning, "shop.stock", std::to_string(left) + " left");
}

/// Hands records to a thread of spdlog's that writes them: the tree never waits for a disk.
static void to_spdlog(const mitogen::log::record& r) {
    using namespace spdlog::level;
    static constexpr level_enum levels[] = {debug, info, warn, err};
    static std::mutex one_at_a_time; // records come on any thread
    const std::lock_guard lock(one_at_a_time);
    const std::string name(r.logger);
    std::shared_ptr<spdlog::logger> to = spdlog::get(name);
    if (!to) {
        // in a real program: a file, syslog, ...
        to = spdlog::create_async_nb<spdlog::sinks::stdout_sink_mt>(name);
        // what arrives here was let through at its source
        to->set_level(trace);
    }
    const bool own = r.context == mitogen::no_context;
    const std::string place = own ? "root" : std::string(r.place) + "#" + std::to_string(r.context);
    to->log(levels[static_cast<int>(r.level)], place + ": " + std::string(r.text));
}

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    spdlog::set_pattern("[%l] [%n] %v");
    spdlog::init_thread_pool(8192, 1);
    mitogen::log::set_sink(&to_spdlog);
    {
        mitogen::broker loop;
        mitogen::router router(loop);
        auto one = router.local({.name = "worker.1"});
        one.call<&greet>();
        one.shutdown().get(); // all that it has printed has arrived
        router.local({.name = "worker.2"}).call<&count_stock>(7);
    }
    mitogen::log::write(mitogen::log::level::error, "shop.till", "closed");
    mitogen::log::set_sink({});
    spdlog::shutdown();
}
