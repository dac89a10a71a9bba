// SPDX-License-Identifier: BSL-1.0
// Where functions run that do not say: what the options of a context say.
#include "../support/engine.hpp"

#include <catch2/catch.hpp>
#include <mitogen/mitogen.hpp>
#include <string>
#include <support/refusal.hpp>
#include <sys/syscall.h>
#include <unistd.h>
#include <vector>

namespace executor_test {

std::string place(mitogen::router& here) {
    if (support::engine(here).loop().on_loop()) return "loop";
    return ::syscall(SYS_gettid) == ::getpid() ? "main" : "pool";
}
std::string place_main(mitogen::router& here) { return place(here); }
std::string place_pool(mitogen::router& here) { return place(here); }
std::string place_loop(mitogen::router& here) { return place(here); }
mitogen::task<std::string> place_task(mitogen::router& here) { co_return place(here); }

} // namespace executor_test

template <>
inline constexpr auto mitogen::run_on<&executor_test::place_main> = mitogen::on::main;
template <>
inline constexpr auto mitogen::run_on<&executor_test::place_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&executor_test::place_loop> = mitogen::on::loop;

namespace {

using namespace executor_test;
using mitogen::on;

/// Where `place` runs there; where those run that say where is no question of that.
std::string place_in(const mitogen::context& c) {
    CHECK(c.call<&place_main>() == "main");
    CHECK(c.call<&place_pool>() == "pool");
    CHECK(c.call<&place_loop>() == "loop");
    CHECK(c.call<&place_task>() == "loop");
    return c.call<&place>();
}

TEST_CASE("functions that do not say where they run do so where the options of the context say") {
    mitogen::broker broker;
    mitogen::router router(broker);
    CHECK(place_in(router.local()) == "main");
    CHECK(place_in(router.local({.executor = on::main})) == "main");
    CHECK(place_in(router.local({.executor = on::pool})) == "pool");
    const mitogen::context child = router.fork({.executor = on::loop});
    CHECK(place_in(child) == "loop");
    CHECK(place_in(child.local()) == "main"); // not inherited
    CHECK(place_in(child.local({.executor = on::pool})) == "pool");
    CHECK(place_in(child.command({.argv = {"env"}, .executor = on::pool, .keep_program = false})) ==
          "pool");
}

TEST_CASE("a context can be told to run its functions on main, pool or loop, and nowhere else") {
    mitogen::broker broker;
    mitogen::router router(broker);
    for (const on nowhere : {on::task, on::context, static_cast<on>(77)}) {
        const mitogen::error why = support::refusal(router, mitogen::local{.executor = nowhere});
        CHECK(why.reason() == mitogen::reason::misuse);
        CHECK(std::string(why.what())
                  .find("local child: .executor must be on::main, on::pool or on::loop") == 0);
    }
    CHECK_THROWS_AS(router.fork({.executor = on::task}), mitogen::logic_error);
}

} // namespace
