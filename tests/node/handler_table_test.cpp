// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/node/handler_table.hpp>

#include <catch2/catch.hpp>
#include <set>
#include <string>

namespace {

using io_type = mitogen::io::native;
using table = mitogen::detail::basic_handler_table<io_type>;
using mitogen::header;
using mitogen::message;
using mitogen::reason;
using mitogen::senders;

constexpr auto authorised = [] { return true; };
constexpr auto stranger = [] { return false; };

std::string refusal(const table::verdict& v) {
    return v.call ? "taken" : v.refusal ? v.refusal : "nobody";
}

TEST_CASE("a message goes to whoever is registered for its number, if the policy lets it") {
    io_type io;
    table t(io);
    REQUIRE(t.add(1200, {}, [](const message&) {}));
    REQUIRE(t.add(1100, {.from = senders::anyone}, [](const message&) {}));
    REQUIRE(t.add(1300, {.from = senders::anyone, .respondent = 5}, [](const message&) {}));
    CHECK(refusal(t.select({.handle = 1150}, authorised)) == "nobody");
    CHECK(refusal(t.select({.handle = 1200}, authorised)) == "taken");
    CHECK(refusal(t.select({.handle = 1200}, stranger)) == "it takes messages from parents only");
    CHECK(refusal(t.select({.handle = 1100}, stranger)) == "taken");
    CHECK(refusal(t.select({.src = 4, .handle = 1300}, authorised)) ==
          "it takes messages from another context only");
    CHECK(refusal(t.select({.src = 5, .handle = 1300}, stranger)) == "taken");
    t.remove(1200);
    t.remove(1200);
    CHECK(refusal(t.select({.handle = 1200}, authorised)) == "nobody");
}

TEST_CASE(
    "a dead message for a handler that is bound to a context comes from a hop on the way there") {
    io_type io;
    table t(io);
    REQUIRE(t.add(1300, {.from = senders::anyone, .respondent = 5}, [](const message&) {}));
    const auto on_the_way = [](mitogen::context_id to) { return to == 5; };
    const auto elsewhere = [](mitogen::context_id) { return false; };
    const header dead{.src = 4, .handle = 1300, .reply_to = mitogen::is_dead};
    CHECK(refusal(t.select(dead, stranger, on_the_way)) == "taken");
    CHECK(refusal(t.select(dead, stranger, elsewhere)) ==
          "it takes messages from another context only");
    CHECK(refusal(t.select({.src = 4, .handle = 1300}, stranger, on_the_way)) ==
          "it takes messages from another context only");
}

TEST_CASE("the handlers for all contexts that are lost at once go together") {
    io_type io;
    table t(io);
    REQUIRE(t.add(1100, {.respondent = 5}, [](const message&) {}));
    REQUIRE(t.add(1200, {.respondent = 6}, [](const message&) {}));
    REQUIRE(t.add(1300, {.respondent = 7}, [](const message&) {}));
    REQUIRE(t.add(1400, {}, [](const message&) {}));
    t.remove(1300);
    CHECK(t.take_bound_if([](mitogen::context_id id) { return id != 6; }).size() == 1);
    CHECK(refusal(t.select({.src = 6, .handle = 1200}, authorised)) == "taken");
    CHECK(refusal(t.select({.handle = 1400}, authorised)) == "taken");
}

TEST_CASE("a handler for one message is gone with it, but not with one that it refuses") {
    io_type io;
    table t(io);
    REQUIRE(t.add(1100, {.persist = false}, [](const message&) {}));
    CHECK(refusal(t.select({.handle = 1100}, stranger)) == "it takes messages from parents only");
    CHECK(refusal(t.select({.handle = 1100}, authorised)) == "taken");
    CHECK(refusal(t.select({.handle = 1100}, authorised)) == "nobody");
}

TEST_CASE("ports are given once, look like no other number, and cannot be guessed") {
    io_type io;
    table t(io), other(io);
    std::set<mitogen::handle_id> seen, halves;
    for (int i = 0; i < 1000; ++i) {
        const mitogen::handle_id port = t.new_port();
        CHECK(mitogen::detail::is_port(port));
        CHECK_FALSE(mitogen::detail::is_reply_handle(port));
        CHECK(seen.insert(port).second);
        halves.insert(port >> 32);
        CHECK(t.add(port, {}, [](const message&) {}));
        CHECK(t.add(port, {}, [](const message&) {}).error().reason() == reason::misuse);
        CHECK_FALSE(other.add(port, {}, [](const message&) {})); // it has never given it
        CHECK(refusal(t.select({.handle = port}, authorised)) == "taken");
        CHECK(refusal(t.select({.handle = port ^ mitogen::handle_id{1} << 40}, authorised)) ==
              "nobody");
    }
    CHECK(halves.size() > 990);
    CHECK(*halves.rbegin() - *halves.begin() > 0x4000'0000u);
    for (const mitogen::handle_id port : seen) t.remove(port);
    CHECK(refusal(t.select({.handle = *seen.begin()}, authorised)) == "nobody");
    CHECK(t.add(mitogen::handle_id{1} << 32, {}, [](const message&) {}).error().reason() ==
          reason::misuse);
}

TEST_CASE("the handlers of a context go with it, and all at the end") {
    io_type io;
    table t(io);
    REQUIRE(t.add(1100, {.respondent = 5}, [](const message&) {}));
    REQUIRE(t.add(1200, {.respondent = 6}, [](const message&) {}));
    REQUIRE(t.add(1300, {}, [](const message&) {}));
    const auto bound = t.take_bound(5);
    REQUIRE(bound.size() == 1);
    CHECK(bound[0].number == 1100);
    CHECK(t.take_bound(5).empty());
    bool first = false;
    CHECK(t.close(first).size() == 2);
    CHECK(first);
    CHECK(t.close(first).empty());
    CHECK_FALSE(first);
    CHECK(t.add(1400, {}, [](const message&) {}).error().reason() == reason::broker_exited);
}

} // namespace
