// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <string>

namespace {

using generic::tree;

char program[] = "program";
char* arguments[] = {program, nullptr};

TEST_CASE("run gives its body a router, and ends the children behind it") {
    int pid = 0;
    CHECK(mitogen::run(1, arguments, [&](mitogen::router& router) {
              mitogen::context child = router.local();
              pid = child.call<&generic::process_id>();
          }) == 0);
    CHECK(pid > 0);
    CHECK(mitogen::run(1, arguments, [](mitogen::router&) { return 7; }) == 7);
}

TEST_CASE("an exception of the body leaves run after everything is shut down") {
    CHECK_THROWS_AS(mitogen::run(1, arguments,
                                 [](mitogen::router& router) {
                                     router.local();
                                     throw std::runtime_error("from the body");
                                 }),
                    std::runtime_error);
}

TEST_CASE("a local child has a name, a place in the tree, and its own process") {
    tree t;
    mitogen::context one = t.root.local();
    mitogen::context two = t.root.connect(mitogen::local{.name = "two"});
    CHECK(one.id() != two.id());
    CHECK(two.name() == "two");
    CHECK(two.path() == std::vector<std::string>{"two"});
    CHECK(one.call<&generic::process_id>() != two.call<&generic::process_id>());
    CHECK(t.root.contexts().size() == 2);
    CHECK(t.root.context_by_id(two.id()) == two);
    CHECK(t.root.myself().alive());
}

TEST_CASE("a closed router makes no children") {
    tree t;
    t.root.close();
    const auto r = t.root.try_local();
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error().reason() == mitogen::reason::broker_exited);
    CHECK_FALSE(t.root.try_fork().has_value());
    t.root.close(); // once more: nothing happens
}

} // namespace
