// SPDX-License-Identifier: BSL-1.0
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/protocol/hello_reader.hpp>

#include <catch2/catch.hpp>
#include <cstddef>

namespace {

namespace handshake = mitogen::handshake;
using finding = handshake::hello_reader::finding;

TEST_CASE("a welcome arrives as it was sent") {
    handshake::welcome w;
    w.id = 12;
    w.ancestors = {3, 1, 0};
    w.name = "web1";
    w.title = "mitogen:web1";
    w.build = "abc";
    w.log_level = 2;
    w.pool_threads = 9;
    w.grace_ns = 5;
    w.bounds.message_bytes = 1000;
    w.bounds.queue_bytes = 2000;
    w.bounds.nesting = 3;
    w.bounds.elements = 4;
    w.bounds.open_calls = 5;
    w.bounds.window_bytes = 6;
    w.bounds.routes = 7;
    w.rules = {.heartbeat = {6, 7}, .unidirectional = true, .debug = true};
    w.above = {"rack3", "host7"};
    handshake::hello_reader l;
    const mitogen::buffer sent = handshake::encode_welcome(w);
    l.feed(sent);
    REQUIRE(l.look() == finding::hello);
    handshake::welcome got;
    REQUIRE(handshake::decode_welcome(l.payload(), got));
    CHECK(got.id == w.id);
    CHECK(got.ancestors == w.ancestors);
    CHECK(got.name == w.name);
    CHECK(got.title == w.title);
    CHECK(got.build == w.build);
    CHECK(got.log_level == w.log_level);
    CHECK(got.pool_threads == w.pool_threads);
    CHECK(got.grace_ns == w.grace_ns);
    CHECK(got.bounds == w.bounds);
    CHECK(got.rules == w.rules);
    CHECK(got.above == w.above);
}

TEST_CASE("a welcome that is cut short or too long does not decode") {
    handshake::hello_reader l;
    l.feed(handshake::encode_welcome({}));
    REQUIRE(l.look() == finding::hello);
    const auto whole = l.payload();
    handshake::welcome got;
    for (std::size_t n = 0; n < whole.size(); ++n)
        CHECK_FALSE(handshake::decode_welcome(whole.first(n), got));
    mitogen::buffer longer(whole);
    longer.append("x", 1);
    CHECK_FALSE(handshake::decode_welcome(longer, got));
}

} // namespace
