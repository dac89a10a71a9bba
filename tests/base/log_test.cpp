// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/log.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace log = mitogen::log;

/// Puts the default sink and level back.
struct restore {
    log::level least = log::threshold();
    ~restore() {
        log::set_sink({});
        log::set_level(least);
    }
};

TEST_CASE("records below the level are not made") {
    const restore back;
    std::vector<std::string> seen;
    log::set_sink([&](const log::record& r) { seen.emplace_back(r.text); });
    log::set_level(log::level::warning);
    CHECK_FALSE(log::enabled(log::level::info));
    log::write(log::level::info, "quiet");
    log::write(log::level::warning, "loud");
    log::set_level(log::level::debug);
    log::write(log::level::debug, "all");
    CHECK(seen == std::vector<std::string>{"loud", "all"});
}

TEST_CASE("a record of this process says so") {
    const restore back;
    std::string logger;
    mitogen::context_id where = 0;
    log::set_sink([&](const log::record& r) {
        logger = r.logger;
        where = r.context;
    });
    log::write(log::level::error, "x");
    CHECK(logger == "mitogen");
    CHECK(where == mitogen::no_context);
}

TEST_CASE(
    "what a sink throws is caught and counted, and what it logs itself does not come back to it") {
    const restore back;
    const auto before = log::sink_failures();
    int calls = 0;
    log::set_sink([&](const log::record&) {
        ++calls;
        log::write(log::level::error, "from inside the sink");
        throw 1;
    });
    log::write(log::level::error, "x");
    log::write(log::level::error, "y");
    CHECK(calls == 2);
    CHECK(log::sink_failures() == before + 2);
    log::set_sink([&](const log::record&) { ++calls; });
    log::write(log::level::error, "z");
    CHECK(calls == 3);
}

TEST_CASE("a record may be made under a name of the program's own") {
    const restore back;
    std::vector<std::string> seen;
    log::set_sink([&](const log::record& r) {
        seen.push_back(std::string(r.logger) + ": " + std::string(r.text));
    });
    log::set_level(log::level::warning);
    log::write(log::level::info, "shop.cart", "quiet");
    log::write(log::level::error, "shop.cart", "loud");
    CHECK(seen == std::vector<std::string>{"shop.cart: loud"});
}

TEST_CASE("bounds are what was set last, in each simulated process") {
    const log::bounds usual;
    CHECK(log::current_bounds() == usual);
    const log::bounds other{
        .lines_per_second = 1, .bytes_per_second = 2, .seconds_at_once = 3, .queue_bytes = 4};
    log::set_bounds(other);
    CHECK(log::current_bounds() == other);
    {
        log::detail::owned_state one;
        log::detail::state* const before = std::exchange(log::detail::ambient, &one);
        CHECK(log::current_bounds() == usual);
        log::detail::ambient = before;
    }
    log::set_bounds(usual);
}

TEST_CASE("emitted records pass whatever the level") {
    const restore back;
    int seen = 0;
    log::set_sink([&](const log::record&) { ++seen; });
    log::set_level(log::level::error);
    log::emit({log::level::debug, 3, "child", "stdout", "line"});
    CHECK(seen == 1);
}

TEST_CASE("a sink may be replaced while others log through it") {
    const restore back;
    static std::atomic<int> seen{0};
    seen = 0;
    log::set_sink([](const log::record&) { ++seen; });
    constexpr int each = 2000;
    std::vector<std::thread> threads;
    for (int t = 0; t < 3; ++t) {
        threads.emplace_back([] {
            for (int i = 0; i < each; ++i) log::write(log::level::error, "x");
        });
    }
    for (int i = 0; i < 50; ++i) log::set_sink([](const log::record&) { ++seen; });
    for (std::thread& t : threads) t.join();
    CHECK(seen == 3 * each);
}

/// Makes this thread one of a simulated process, as a scheduler does.
struct inside {
    log::detail::state* before = log::detail::ambient;
    explicit inside(log::detail::state& process) { log::detail::ambient = &process; }
    ~inside() { log::detail::ambient = before; }
};

TEST_CASE("a simulated process has a sink and a level of its own") {
    const restore back;
    std::vector<std::string> here, there;
    log::set_sink([&](const log::record& r) { here.emplace_back(r.text); });
    log::set_level(log::level::error);
    log::detail::owned_state one;
    {
        const inside process(one);
        CHECK(log::threshold() == log::level::warning); // the default, not what is outside
        log::set_sink([&](const log::record& r) { there.emplace_back(r.text); });
        log::set_level(log::level::debug);
        log::write(log::level::debug, "inside");
        std::thread([] { log::write(log::level::error, "another thread is outside"); }).join();
    }
    CHECK(log::threshold() == log::level::error);
    log::write(log::level::debug, "not made");
    log::write(log::level::error, "outside");
    {
        const inside process(one);
        CHECK(log::enabled(log::level::debug));
        log::emit({log::level::info, 4, "child", "stderr", "a line"});
    }
    CHECK(here == std::vector<std::string>{"another thread is outside", "outside"});
    CHECK(there == std::vector<std::string>{"inside", "a line"});
}

TEST_CASE("a simulated process's sinks go with it, all of them") {
    const auto counter = std::make_shared<int>(0);
    {
        log::detail::owned_state process;
        const inside here(process);
        for (int i = 0; i < 3; ++i) log::set_sink([counter](const log::record&) { ++*counter; });
        log::write(log::level::error, "x");
        CHECK(counter.use_count() == 4);
    }
    CHECK(*counter == 1);
    CHECK(counter.use_count() == 1);
}

} // namespace
