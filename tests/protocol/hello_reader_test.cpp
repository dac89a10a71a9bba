// SPDX-License-Identifier: BSL-1.0
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/protocol/hello_reader.hpp>
#include <mitogen/protocol/join_handshake.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace {

namespace handshake = mitogen::handshake;
namespace joining = mitogen::joining;
using handshake::hello_reader;
using finding = hello_reader::finding;

std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
std::string text_of(std::span<const std::byte> b) {
    return {reinterpret_cast<const char*>(b.data()), b.size()};
}
std::string hello_text() {
    const mitogen::buffer b = handshake::encode_hello({"build", "Linux x86_64", 77});
    return text_of(b);
}

TEST_CASE("a hello is found behind noise, byte by byte, and what follows is kept") {
    const std::string all = "motd: welcome\r\n\xF5\xA6mito" + hello_text() + "frames";
    for (const std::size_t step : {std::size_t{1}, std::size_t{3}, all.size()}) {
        hello_reader l;
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
    hello_reader l;
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

TEST_CASE("noise without end is refused, and little of it is kept") {
    hello_reader l;
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
        hello_reader l;
        l.feed(bytes(mark + "9"));
        CHECK(l.look() == finding::wrong);
    }
    SECTION("another protocol") {
        hello_reader l;
        l.feed(bytes(mark + "2\x7f" + std::string(4, '\0')));
        CHECK(l.look() == finding::wrong_version);
    }
    SECTION("a hello over the limit") {
        hello_reader l;
        l.feed(bytes(mark + "2\x02\xff\xff\xff\xff"));
        CHECK(l.look() == finding::wrong);
    }
    SECTION("a shell's line without end") {
        hello_reader l;
        l.feed(bytes(mark + "1" + std::string(2000, 's')));
        CHECK(l.look() == finding::wrong);
    }
}

TEST_CASE("who reads no more than is missing reads nothing behind the hello") {
    const std::string request = text_of(joining::encode_request({"build", 5, "name"}));
    for (const bool joins : {false, true}) {
        const std::string all = (joins ? request : hello_text()) + "frames";
        hello_reader l(joins ? joining::request_rules : handshake::hello_rules{});
        std::size_t at = 0;
        while (l.look() == finding::nothing) {
            const std::size_t n = std::min(l.missing(), all.size() - at);
            REQUIRE(n > 0);
            l.feed(bytes(all).subspan(at, n));
            at += n;
        }
        REQUIRE(l.look() == finding::hello);
        CHECK(l.rest().empty());
    }
}

TEST_CASE("a program that joins is understood, byte by byte") {
    const std::string all = text_of(joining::encode_request({"build", 5, "name"}));
    hello_reader l(joining::request_rules);
    for (std::size_t at = 0; at + 1 < all.size(); ++at) {
        l.feed(bytes(all).subspan(at, 1));
        REQUIRE(l.look() == finding::nothing);
    }
    l.feed(bytes(all).last(1));
    REQUIRE(l.look() == finding::hello);
    joining::request asked;
    REQUIRE(joining::decode_request(l.payload(), asked));
    CHECK(asked.build == "build");
    CHECK(asked.pid == 5);
    CHECK(asked.name == "name");
}

TEST_CASE("of a program that joins the first wrong byte is noticed") {
    const std::string mark(handshake::mark);
    const auto look = [](const std::string& text) {
        hello_reader l(joining::request_rules);
        l.feed(bytes(text));
        return l.look();
    };
    CHECK(look("") == finding::nothing);
    CHECK(look(mark.substr(0, 3)) == finding::nothing);
    CHECK(look("G") == finding::wrong);
    CHECK(look(mark.substr(0, 3) + "G") == finding::wrong);
    CHECK(look(mark + "j") == finding::nothing);
    CHECK(look(mark + "j\x7f") == finding::wrong_version);
    CHECK(look(mark + "2\x02") == finding::wrong);            // a child
    CHECK(look(mark + "1 Linux x86_64\n") == finding::wrong); // a shell
    CHECK(look(mark + "j\x02" + std::string("\x01\x10\0\0", 4)) ==
          finding::wrong); // a byte more than may come
    CHECK(look(mark + "j\x02" + std::string("\x00\x10\0\0", 4)) == finding::nothing);
}

} // namespace
