// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/node/handed_out.hpp>
#include <mitogen/node/route_table.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

struct test_link {};
using table = mitogen::detail::basic_route_table<test_link, mitogen::io::native>;
using mitogen::context_id;

TEST_CASE("routes lead to the link they were added with, whatever the order of adding") {
    mitogen::io::native io;
    table t(io);
    const auto a = std::make_shared<test_link>(), b = std::make_shared<test_link>();
    for (const context_id id : {5u, 1u, 9u, 3u})
        CHECK(t.add({id, 0, "c" + std::to_string(id), id * 10, id > 4 ? a : b}));
    CHECK(t.find(5) == a);
    CHECK(t.find(1) == b);
    CHECK(t.find(2) == nullptr);
    CHECK(t.leads(9, a.get()));
    CHECK_FALSE(t.leads(9, b.get()));
    CHECK_FALSE(t.leads(4, nullptr));
    CHECK(t.build_of(3) == 30);
    CHECK(t.build_of(4) == 0);
    CHECK(t.get(9).name == "c9");
    CHECK(t.get(7).id == mitogen::no_context);
    const auto all = t.all();
    REQUIRE(all.size() == 4);
    CHECK(std::is_sorted(all.begin(), all.end(),
                         [](const auto& x, const auto& y) { return x.id < y.id; }));
}

TEST_CASE("a build is common to all contexts or to none") {
    mitogen::io::native io;
    table t(io);
    const auto a = std::make_shared<test_link>();
    CHECK(t.common_build() == 0);
    t.add({1, 0, "", 7, a});
    t.add({2, 0, "", 7, a});
    CHECK(t.common_build() == 7);
    t.add({3, 0, "", 8, a});
    CHECK(t.common_build() == 0);
    t.add({4, 0, "", 7, a});
    CHECK(t.common_build() == 0);
    t.remove_via(a.get());
    t.add({5, 0, "", 8, a});
    CHECK(t.common_build() == 8);
}

TEST_CASE("an id is taken once, and given back only by the link that leads there") {
    mitogen::io::native io;
    table t(io);
    const auto a = std::make_shared<test_link>(), b = std::make_shared<test_link>();
    CHECK(t.add({4, 0, "first", 0, a}));
    CHECK_FALSE(t.add({4, 0, "second", 0, b}));
    CHECK(t.get(4).name == "first");
    CHECK_FALSE(t.remove(4, b.get()));
    CHECK_FALSE(t.remove(5, a.get()));
    CHECK(t.remove(4, a.get()));
    CHECK_FALSE(t.remove(4, a.get()));
    CHECK(a.use_count() == 1);
}

TEST_CASE("all that a link led to go with it") {
    mitogen::io::native io;
    table t(io);
    const auto a = std::make_shared<test_link>(), b = std::make_shared<test_link>();
    for (context_id id = 1; id <= 6; ++id) t.add({id, 0, "", 0, id % 2 ? a : b});
    CHECK(t.ids_via(a.get()) == std::vector<context_id>{1, 3, 5});
    t.remove_via(a.get());
    CHECK(t.ids_via(a.get()).empty());
    CHECK(t.all().size() == 3);
}

TEST_CASE("steps are counted upwards, and only if they lead there") {
    mitogen::io::native io;
    table t(io);
    const auto a = std::make_shared<test_link>();
    for (const auto& [id, parent] : {std::pair{1u, 0u}, {5u, 1u}, {3u, 5u}, {7u, 8u}, {8u, 7u}})
        t.add({id, parent, "", 0, a});
    CHECK(t.steps_up(1, 1, 9) == 0);
    CHECK(t.steps_up(5, 1, 9) == 1);
    CHECK(t.steps_up(3, 1, 9) == 2);
    CHECK(t.steps_up(3, 1, 2) == 2);
    CHECK(t.steps_up(3, 1, 1) == 0);
    CHECK(t.steps_up(7, 1, 1000) == 0); // a circle
    CHECK(t.steps_up(9, 1, 9) == 0);
}

TEST_CASE("what was handed out over a link is held by that link until it ends") {
    mitogen::detail::basic_lease_table<test_link> leases;
    const test_link a, b;
    CHECK_FALSE(leases.holds(0, &a));
    leases.grant(1000, 2000, &a);
    leases.grant(2000, 3000, &b);
    leases.grant(3000, 4000, &b);
    leases.grant(9000, 10'000, &a);
    CHECK_FALSE(leases.holds(999, &a));
    CHECK(leases.holds(1000, &a));
    CHECK(leases.holds(1999, &a));
    CHECK_FALSE(leases.holds(2000, &a));
    CHECK_FALSE(leases.holds(1999, &b));
    CHECK(leases.holds(2000, &b));
    CHECK(leases.holds(3999, &b));
    CHECK_FALSE(leases.holds(4000, &b));
    leases.remove_via(&a);
    CHECK_FALSE(leases.holds(9000, &a));
    CHECK(leases.holds(3500, &b));
}

} // namespace
