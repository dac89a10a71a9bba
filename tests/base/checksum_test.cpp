// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/checksum.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace {

using mitogen::detail::cksum;
using mitogen::detail::sha256;

std::string digest(std::string_view text, std::size_t piece = SIZE_MAX) {
    sha256 sum;
    while (!text.empty()) {
        const std::string_view now = text.substr(0, piece);
        sum.feed(std::as_bytes(std::span(now.data(), now.size())));
        text.remove_prefix(now.size());
    }
    return sum.finish();
}

std::uint32_t crc(std::string_view text) {
    cksum sum;
    sum.feed(std::as_bytes(std::span(text.data(), text.size())));
    return sum.value();
}

} // namespace

// The first three are NIST's examples for FIPS 180-4, "a" a million times is its fourth; the
// lengths around a block's end were computed with sha256sum of coreutils 9.1.
TEST_CASE("SHA-256 gives the standard's digests") {
    CHECK(digest("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK(digest("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK(digest("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") ==
          "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    CHECK(digest(std::string(1'000'000, 'a')) ==
          "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    CHECK(digest(std::string(55, 'x')) ==
          "d5e285683cd4efc02d021a5c62014694958901005d6f71e89e0989fac77e4072");
    CHECK(digest(std::string(56, 'x')) ==
          "04c26261370ee7541549d16dee320c723e3fd14671e66a099afe0a377c16888e");
    CHECK(digest(std::string(63, 'x')) ==
          "75220b47218278e656f2013bb8f0c455a25eaf01e86c64924e9d48d89776d6f2");
    CHECK(digest(std::string(64, 'x')) ==
          "7ce100971f64e7001e8fe5a51973ecdfe1ced42befe7ee8d5fd6219506b5393c");
    CHECK(digest(std::string(65, 'x')) ==
          "9537c5fdf120482f7d58d25e9ed583f52c02b4e304ea814db1633ad565aed7e9");
}

TEST_CASE("SHA-256 does not depend on how the bytes arrive") {
    std::string text;
    for (int i = 0; i < 300; ++i) text += static_cast<char>(i * 7);
    const std::string whole = digest(text);
    for (std::size_t piece = 1; piece < 200; ++piece) CHECK(digest(text, piece) == whole);
}

// Computed with cksum of coreutils 9.1.
TEST_CASE("cksum gives what the tool prints") {
    CHECK(crc("") == 4294967295u);
    CHECK(crc("abc") == 1219131554u);
    CHECK(crc("123456789") == 930766865u);
    CHECK(crc(std::string(70'000, 'x')) == 4215398528u);
}
