// SPDX-License-Identifier: BSL-1.0
#include <mitogen/io/native.hpp>
#include <mitogen/node/lost_peers.hpp>

#include <catch2/catch.hpp>
#include <string>

namespace {

using io_type = mitogen::io::native;
using lost_peers = mitogen::detail::basic_lost_peers<io_type>;
using mitogen::error;
using mitogen::reason;

const error cut(reason::respondent_lost, "cut");

TEST_CASE("whoever watches a context is handed out once, when it is lost") {
    io_type io;
    lost_peers d(io);
    int told = 0;
    lost_peers::watcher a = [&](const error&) { told += 1; };
    lost_peers::watcher b = [&](const error&) { told += 10; };
    CHECK_FALSE(d.watch(5, a));
    CHECK_FALSE(d.watch(6, b));
    CHECK_FALSE(d.why_lost(5));
    d.add(5, cut);
    CHECK(told == 0); // not before its route is gone
    for (auto& call : d.take_watchers(5)) call(cut);
    CHECK(told == 1);
    CHECK(d.take_watchers(5).empty());
    REQUIRE(d.why_lost(5));
    CHECK(d.why_lost(5)->message() == "cut");
    d.close();
    d.add(6, cut);
    CHECK(d.take_watchers(6).empty());
}

TEST_CASE("who comes too late is told why, and keeps what it brought") {
    io_type io;
    lost_peers d(io);
    d.add(5, cut);
    lost_peers::watcher late = [](const error&) {};
    const auto why = d.watch(5, late);
    REQUIRE(why);
    CHECK(why->message() == "cut");
    CHECK(late);
}

TEST_CASE("only so many departures are remembered, the latest") {
    io_type io;
    lost_peers d(io);
    for (mitogen::context_id id = 0; id <= lost_peers::kept; ++id) d.add(id, cut);
    CHECK_FALSE(d.why_lost(0));
    CHECK(d.why_lost(1));
    CHECK(d.why_lost(lost_peers::kept));
}

TEST_CASE("the parent's end is remembered apart") {
    io_type io;
    lost_peers d(io);
    CHECK_FALSE(d.why_parent_lost());
    d.add_parent(cut);
    REQUIRE(d.why_parent_lost());
    CHECK(d.why_parent_lost()->message() == "cut");
}

} // namespace
