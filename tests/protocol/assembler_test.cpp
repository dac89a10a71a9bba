// SPDX-License-Identifier: BSL-1.0
#include <mitogen/protocol/assembler.hpp>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace {

using mitogen::detail::assembler;
using mitogen::header;
using mitogen::detail::message_flags;
using outcome = assembler::outcome;
using byte_vector = std::vector<std::byte>;

constexpr std::uint64_t no_limit = 1u << 30;

byte_vector size_bytes(std::uint64_t total) {
    byte_vector b(8);
    mitogen::wire::store(b.data(), total);
    return b;
}

header first(std::uint32_t src, std::uint32_t stream) {
    return {.dst = 9,
            .src = src,
            .auth = src,
            .handle = 1000,
            .reply_to = 7,
            .length = 8,
            .stream = stream,
            .flags = message_flags::fragment | message_flags::first};
}

header part(std::uint32_t src, std::uint32_t stream, std::size_t size, bool last) {
    header h = first(src, stream);
    h.length = static_cast<std::uint32_t>(size);
    h.flags = static_cast<std::uint8_t>(message_flags::fragment | (last ? message_flags::last : 0));
    return h;
}

byte_vector text(std::size_t size, int start) {
    byte_vector b(size);
    for (std::size_t i = 0; i < size; ++i)
        b[i] = static_cast<std::byte>(i + static_cast<std::size_t>(start));
    return b;
}

TEST_CASE("fragments become the message that was announced") {
    assembler a;
    CHECK(a.announce(first(1, 1), size_bytes(300), no_limit) == outcome::stored);
    CHECK(a.add(part(1, 1, 100, false), text(100, 0)) == outcome::stored);
    CHECK(a.add(part(1, 1, 0, false), {}) == outcome::stored);
    header end = part(1, 1, 200, true);
    end.flags |= message_flags::failed;
    CHECK(a.add(end, text(200, 100)) == outcome::complete);
    const mitogen::detail::assembled whole = a.take(end);
    CHECK(whole.head.src == 1);
    CHECK(whole.head.reply_to == 7);
    CHECK(whole.head.length == 300);
    CHECK(whole.head.stream == 0);
    CHECK(whole.head.flags == message_flags::failed);
    const byte_vector expected = text(300, 0);
    CHECK(std::equal(whole.payload.begin(), whole.payload.end(), expected.begin(), expected.end()));
    CHECK(a.pending() == 0);
}

TEST_CASE("an empty fragment at the very beginning or end is a fragment") {
    assembler a;
    a.announce(first(1, 1), size_bytes(5), no_limit);
    CHECK(a.add(part(1, 1, 0, false), {}) == outcome::stored);
    CHECK(a.add(part(1, 1, 5, false), text(5, 0)) == outcome::stored);
    CHECK(a.add(part(1, 1, 0, true), {}) == outcome::complete);
    CHECK(a.take(part(1, 1, 0, true)).payload.size() == 5);
}

TEST_CASE("fragments may be read straight into their place") {
    assembler a;
    a.announce(first(1, 1), size_bytes(20), no_limit);
    const header h = part(1, 1, 20, true);
    std::byte* to = a.reserve(h);
    REQUIRE(to);
    std::memcpy(to, text(20, 3).data(), 20);
    CHECK(a.complete(h) == outcome::complete);
    CHECK(a.take(h).payload[19] == std::byte{22});
}

TEST_CASE("messages of several senders and streams do not mix") {
    assembler a;
    for (std::uint32_t src = 1; src <= 3; ++src)
        for (std::uint32_t stream = 1; stream <= 3; ++stream)
            a.announce(first(src, stream), size_bytes(2), no_limit);
    CHECK(a.pending() == 9);
    for (std::uint32_t round = 0; round < 2; ++round)
        for (std::uint32_t src = 1; src <= 3; ++src)
            for (std::uint32_t stream = 1; stream <= 3; ++stream) {
                const header h = part(src, stream, 1, round == 1);
                const auto what = a.add(h, text(1, static_cast<int>(src * 10 + stream + round)));
                CHECK(what == (round ? outcome::complete : outcome::stored));
                if (round) CHECK(a.take(h).payload[0] == static_cast<std::byte>(src * 10 + stream));
            }
    CHECK(a.pending() == 0);
}

TEST_CASE("what was announced too large is swallowed to its end, and costs no memory") {
    assembler a;
    CHECK(a.announce(first(1, 1), size_bytes(1001), 1000) == outcome::too_large);
    CHECK(a.reserve(part(1, 1, 100, false)) == nullptr);
    CHECK(a.add(part(1, 1, 100, false), text(100, 0)) == outcome::stored);
    CHECK(a.add(part(1, 1, 901, true), text(901, 0)) == outcome::stored);
    CHECK(a.pending() == 0);
    CHECK(a.announce(first(1, 1), size_bytes(1000), 1000) == outcome::stored);
}

TEST_CASE("an announcement of the largest number there is does not wrap") {
    assembler a;
    CHECK(a.announce(first(1, 1), size_bytes(UINT64_MAX), UINT64_MAX) == outcome::stored);
    CHECK(a.add(part(1, 1, 3, false), text(3, 0)) == outcome::stored);
}

TEST_CASE("fragments that do not fit what was announced are strays") {
    assembler a;
    CHECK(a.add(part(1, 1, 3, false), text(3, 0)) == outcome::stray);       // never announced
    CHECK(a.announce(first(1, 1), text(7, 0), no_limit) == outcome::stray); // no size
    a.announce(first(1, 1), size_bytes(10), no_limit);
    CHECK(a.announce(first(1, 1), size_bytes(10), no_limit) == outcome::stray); // twice
    // more than announced
    CHECK(a.add(part(1, 1, 11, false), text(11, 0)) == outcome::stray);
    CHECK(a.pending() == 0);
    a.announce(first(1, 2), size_bytes(10), no_limit);
    CHECK(a.add(part(1, 2, 9, true), text(9, 0)) == outcome::stray); // ends too early
    a.drop(part(1, 2, 9, true));
    CHECK(a.pending() == 0);
}

TEST_CASE("the messages of a sender that is gone are forgotten") {
    assembler a;
    a.announce(first(1, 1), size_bytes(10), no_limit);
    a.announce(first(2, 1), size_bytes(10), no_limit);
    a.drop_sender(1);
    CHECK(a.pending() == 1);
    CHECK(a.add(part(1, 1, 3, false), text(3, 0)) == outcome::stray);
    CHECK(a.add(part(2, 1, 3, false), text(3, 0)) == outcome::stored);
}

TEST_CASE("nobody can announce messages without end") {
    assembler a;
    outcome last = outcome::stored;
    std::uint32_t n = 0;
    while (last == outcome::stored && n < 100'000)
        last = a.announce(first(1, n++), size_bytes(10), no_limit);
    CHECK(last == outcome::too_many);
    CHECK(a.pending() == assembler::most_messages);
    a.add(part(1, 0, 10, true), text(10, 0));
    static_cast<void>(a.take(part(1, 0, 10, true)));
    CHECK(a.announce(first(1, n), size_bytes(10), no_limit) == outcome::stored);
}

TEST_CASE("messages that are under way together hold no more than they may") {
    assembler a;
    const bool in_place = GENERATE(false, true);
    const auto put = [&](std::uint32_t stream, std::size_t size, bool last) {
        const header h = part(1, stream, size, last);
        if (in_place && a.reserve(h, 1000)) return a.complete(h);
        return a.add(h, text(size, 0), 1000);
    };
    for (std::uint32_t stream = 1; stream <= 3; ++stream)
        a.announce(first(1, stream), size_bytes(2000), no_limit);
    CHECK(put(1, 600, false) == outcome::stored);
    CHECK(put(2, 300, false) == outcome::stored);
    CHECK(a.stored() == 900);
    CHECK(put(3, 101, false) == outcome::too_many);
    CHECK(put(3, 1899, true) == outcome::stored); // swallowed
    CHECK(a.pending() == 2);
    CHECK(put(2, 200, false) == outcome::too_many); // what it held is free
    CHECK(a.stored() == 600);
    CHECK(put(1, 1400, true) == outcome::complete); // one alone may hold more
    CHECK(a.take(part(1, 1, 0, true)).payload.size() == 2000);
    CHECK(a.stored() == 0);
    a.announce(first(4, 1), size_bytes(2000), no_limit);
    CHECK(a.add(part(4, 1, 10, false), text(10, 0), 1000) == outcome::stored);
    a.drop_sender(4);
    a.drop_sender(1);
    CHECK(a.stored() == 0);
    CHECK(a.pending() == 0);
}

TEST_CASE("memory grows with what arrives, not with what is announced") {
    assembler a;
    a.announce(first(1, 1), size_bytes(no_limit), no_limit);
    for (int i = 0; i < 40; ++i)
        REQUIRE(a.add(part(1, 1, 128 * 1024, false), text(128 * 1024, i)) == outcome::stored);
    const mitogen::detail::assembled held = a.take(part(1, 1, 0, true));
    CHECK(held.payload.size() == 40u * 128 * 1024);
    CHECK(held.payload.capacity() <= 2 * held.payload.size() + (1u << 20));
}

} // namespace
