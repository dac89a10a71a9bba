// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/route/departures.hpp>

#include <catch2/catch.hpp>
#include <string>

namespace {

using io_type = mitogen::io::native;
using departures = mitogen::basic_departures<io_type>;
using mitogen::error;
using mitogen::reason;

const error cut(reason::respondent_lost, "cut");

TEST_CASE("whoever watches a context is handed out once, when it is lost") {
    io_type io;
    departures d(io);
    int told = 0;
    departures::watcher a = [&](const error&) { told += 1; };
    departures::watcher b = [&](const error&) { told += 10; };
    CHECK_FALSE(d.watch(5, a));
    CHECK_FALSE(d.watch(6, b));
    CHECK_FALSE(d.why_lost(5));
    for (auto& call : d.lose(5, cut)) call(cut);
    CHECK(told == 1);
    CHECK(d.lose(5, cut).empty());
    REQUIRE(d.why_lost(5));
    CHECK(d.why_lost(5)->message() == "cut");
    d.close();
    CHECK(d.lose(6, cut).empty());
}

TEST_CASE("who comes too late is told why, and keeps what it brought") {
    io_type io;
    departures d(io);
    d.lose(5, cut);
    departures::watcher late = [](const error&) {};
    const auto why = d.watch(5, late);
    REQUIRE(why);
    CHECK(why->message() == "cut");
    CHECK(late);
}

TEST_CASE("only so many departures are remembered, the latest") {
    io_type io;
    departures d(io);
    for (mitogen::context_id id = 0; id <= departures::kept; ++id) d.lose(id, cut);
    CHECK_FALSE(d.why_lost(0));
    CHECK(d.why_lost(1));
    CHECK(d.why_lost(departures::kept));
}

TEST_CASE("the parent's end is remembered apart") {
    io_type io;
    departures d(io);
    CHECK_FALSE(d.why_parent_lost());
    d.lose_parent(cut);
    REQUIRE(d.why_parent_lost());
    CHECK(d.why_parent_lost()->message() == "cut");
}

} // namespace
