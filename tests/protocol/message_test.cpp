// SPDX-License-Identifier: BSL-1.0
#include <mitogen/protocol/message.hpp>

#include <array>
#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>

namespace {

using mitogen::header;
using mitogen::detail::header_layout;
using mitogen::detail::message_flags;
using bytes = std::array<std::byte, header_layout::size>;

header sample() {
    return {.dst = 0x01020304,
            .src = 0x11121314,
            .auth = 0x21222324,
            .handle = 0x3132333435363738,
            .reply_to = 0x4142434445464748,
            .length = 0x00515253,
            .stream = 0x61626364,
            .flags = message_flags::fragment | message_flags::last};
}

bytes written(const header& h) {
    bytes out;
    mitogen::detail::write_header(out.data(), h);
    return out;
}

bool same(const header& a, const header& b) {
    return a.dst == b.dst && a.src == b.src && a.auth == b.auth && a.handle == b.handle &&
           a.reply_to == b.reply_to && a.length == b.length && a.stream == b.stream &&
           a.flags == b.flags;
}

TEST_CASE("a header has the documented layout") {
    const bytes b = written(sample());
    const unsigned char expected[] = {0xA6, 2,    5,    0, // the check byte is looked at below
                                      0x53, 0x52, 0x51, 0x00, 0x04, 0x03, 0x02, 0x01, 0x14,
                                      0x13, 0x12, 0x11, 0x24, 0x23, 0x22, 0x21, 0x64, 0x63,
                                      0x62, 0x61, 0x38, 0x37, 0x36, 0x35, 0x34, 0x33, 0x32,
                                      0x31, 0x48, 0x47, 0x46, 0x45, 0x44, 0x43, 0x42, 0x41};
    static_assert(sizeof expected == header_layout::size);
    for (std::size_t i = 0; i < sizeof expected; ++i) {
        INFO("byte " << i);
        if (i != 3) CHECK(static_cast<unsigned char>(b[i]) == expected[i]);
    }
    // Fixed for ever: both ends compute it. (All zero but magic and version gives zero.)
    CHECK(static_cast<unsigned>(written(header{})[3]) == 0);
    CHECK(static_cast<unsigned>(written(header{.dst = 1})[3]) != 0);
}

TEST_CASE("a header is read as it was written") {
    header got;
    REQUIRE(mitogen::detail::read_header(written(sample()).data(), got) == nullptr);
    CHECK(same(got, sample()));
}

TEST_CASE("one changed bit is noticed wherever it is") {
    const unsigned seed = 12345;
    INFO("seed " << seed);
    std::mt19937_64 random(seed);
    int unnoticed = 0;
    for (int round = 0; round < 50; ++round) {
        header h;
        h.dst = static_cast<std::uint32_t>(random());
        h.src = static_cast<std::uint32_t>(random());
        h.auth = static_cast<std::uint32_t>(random());
        h.handle = random();
        h.reply_to = random();
        h.length = static_cast<std::uint32_t>(random());
        h.stream = static_cast<std::uint32_t>(random());
        for (std::size_t bit = 0; bit < 8 * header_layout::size; ++bit) {
            bytes b = written(h);
            b[bit / 8] ^= static_cast<std::byte>(1u << bit % 8);
            header got;
            if (mitogen::detail::read_header(b.data(), got) == nullptr) ++unnoticed;
        }
    }
    CHECK(unnoticed < 50 * 320 / 100); // one byte of check misses 1 in 256
}

TEST_CASE("flags that contradict each other are refused") {
    for (unsigned flags = 0; flags < 256; ++flags) {
        header h = sample();
        h.flags = static_cast<std::uint8_t>(flags);
        const bool first = flags & message_flags::first, last = flags & message_flags::last;
        const bool fragment = flags & message_flags::fragment;
        const bool good = (flags & ~unsigned{message_flags::all}) == 0 && !(first && last) &&
                          (fragment || (!first && !last));
        header got;
        INFO("flags " << flags);
        CHECK((mitogen::detail::read_header(written(h).data(), got) == nullptr) == good);
    }
}

TEST_CASE("what is wrong with a header is said") {
    const auto verdict = [](std::size_t at, unsigned value) {
        bytes b = written(sample());
        b[at] = static_cast<std::byte>(value);
        header got;
        const char* wrong = mitogen::detail::read_header(b.data(), got);
        return std::string(wrong ? wrong : "");
    };
    CHECK(verdict(0, 'x').find("first byte") != std::string::npos);
    CHECK(verdict(1, 3).find("version") != std::string::npos);
    CHECK(verdict(8, 0xff).find("check byte") != std::string::npos);
}

TEST_CASE("a dead message wants no reply") {
    header h;
    CHECK_FALSE(h.wants_reply());
    CHECK_FALSE(h.dead());
    h.reply_to = 1000;
    CHECK(h.wants_reply());
    h.reply_to = mitogen::is_dead;
    CHECK(h.dead());
    CHECK_FALSE(h.wants_reply());
}

} // namespace
