// SPDX-License-Identifier: BSL-1.0
#include <mitogen/connect/boot/handshake.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace {

namespace handshake = mitogen::handshake;
using finding = handshake::listener::finding;

std::span<const std::byte> bytes(std::string_view text) { return std::as_bytes(std::span(text.data(), text.size())); }
std::string text_of(std::span<const std::byte> b) { return {reinterpret_cast<const char*>(b.data()), b.size()}; }
std::string hello_text() {
    const mitogen::buffer b = handshake::encode_hello({"build", "Linux x86_64", 77});
    return text_of(b);
}

TEST_CASE("a hello is found behind noise, byte by byte, and what follows is kept") {
    const std::string all = "motd: welcome\r\n\xF5\xA6mito" + hello_text() + "frames";
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, all.size()}) {
        handshake::listener l;
        finding last = finding::nothing;
        std::size_t at = 0;
        while (at < all.size() && last == finding::nothing) {
            const std::size_t n = std::min(step, all.size() - at);
            l.feed(bytes(all).subspan(at, n));
            at += n;
            last = l.look();
        }
        REQUIRE(last == finding::hello);
        l.feed(bytes(all).subspan(at));
        REQUIRE(l.look() == finding::hello);
        handshake::hello h;
        REQUIRE(handshake::decode_hello(l.payload(), h));
        CHECK(h.build == "build");
        CHECK(h.machine == "Linux x86_64");
        CHECK(h.pid == 77);
        CHECK(text_of(l.rest()) == "frames");
        CHECK(l.noise().starts_with("motd: welcome\r\n\xF5\xA6mito"));
    }
}

TEST_CASE("the shell speaks first, then the program") {
    handshake::listener l;
    const std::string stage = "noise" + std::string(handshake::mark) + "1 Linux x86_64\n";
    l.feed(bytes(stage.substr(0, stage.size() - 1)));
    CHECK(l.look() == finding::nothing);
    l.feed(bytes("\n"));
    REQUIRE(l.look() == finding::stage);
    CHECK(l.text() == " Linux x86_64");
    CHECK(l.look() == finding::nothing);
    l.feed(bytes("more noise" + hello_text()));
    CHECK(l.look() == finding::hello);
}

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
    w.rules = {.heartbeat = {6, 7}, .unidirectional = true};
    handshake::listener l;
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
}

TEST_CASE("a welcome that is cut short or too long does not decode") {
    handshake::listener l;
    l.feed(handshake::encode_welcome({}));
    REQUIRE(l.look() == finding::hello);
    const auto whole = l.payload();
    handshake::welcome got;
    for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(handshake::decode_welcome(whole.first(n), got));
    mitogen::buffer longer(whole);
    longer.append("x", 1);
    CHECK_FALSE(handshake::decode_welcome(longer, got));
}

TEST_CASE("noise without end is refused, and little of it is kept") {
    handshake::listener l;
    finding last = finding::nothing;
    std::size_t fed = 0;
    while (last == finding::nothing && fed < 2 * handshake::noise_limit) {
        l.feed(bytes(std::string(5000, 'n')));
        fed += 5000;
        last = l.look();
    }
    CHECK(last == finding::wrong);
    CHECK(fed > handshake::noise_limit);
    CHECK(l.noise().size() <= 4096);
}

TEST_CASE("what makes no sense behind the mark is refused") {
    const std::string mark(handshake::mark);
    SECTION("another speaker") {
        handshake::listener l;
        l.feed(bytes(mark + "9"));
        CHECK(l.look() == finding::wrong);
        CHECK_FALSE(l.wrong_protocol());
    }
    SECTION("another protocol") {
        handshake::listener l;
        l.feed(bytes(mark + "2\x7f" + std::string(4, '\0')));
        CHECK(l.look() == finding::wrong);
        CHECK(l.wrong_protocol());
    }
    SECTION("a hello over the limit") {
        handshake::listener l;
        l.feed(bytes(mark + "2\x01\xff\xff\xff\xff"));
        CHECK(l.look() == finding::wrong);
    }
    SECTION("a shell's line without end") {
        handshake::listener l;
        l.feed(bytes(mark + "1" + std::string(2000, 's')));
        CHECK(l.look() == finding::wrong);
    }
}

} // namespace
