// SPDX-License-Identifier: BSL-1.0
#include <mitogen/codec/codec.hpp>

#include <catch2/catch.hpp>

#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

using mitogen::limits;
using mitogen::reader;

namespace {
const std::byte four[] = {std::byte{1}, std::byte{2}, std::byte{3}, std::byte{4}};

// Counts its living objects.
struct counted {
    static inline int living = 0;
    int value = 0;
    counted() { ++living; }
    counted(const counted& other) : value(other.value) { ++living; }
    counted& operator=(const counted&) = default;
    ~counted() { --living; }
};
} // namespace

template <>
struct mitogen::codec<counted> {
    static std::size_t size(const counted&) { return 4; }
    static void encode(writer& w, const counted& c) { mitogen::encode(w, c.value); }
    static bool decode(reader& r, counted& c) { return mitogen::decode(r, c.value); }
    static void signature(signature_sink& s) { s.put("counted"); }
};

TEST_CASE("a reader hands out bytes in order and says where it is") {
    reader r(four);
    CHECK(r.remaining() == 4);
    CHECK(*r.take(1) == std::byte{1});
    std::uint16_t two = 0;
    REQUIRE(r.take_scalar(two));
    CHECK(two == 0x0302);
    CHECK(r.offset() == 3);
    CHECK_FALSE(r.take(2));
    CHECK_FALSE(r.ok());
}

TEST_CASE("the first failure of a reader stays and nothing can be taken afterwards") {
    reader r(four);
    REQUIRE(r.take(1));
    CHECK_FALSE(r.fail("first"));
    CHECK_FALSE(r.fail("second", 7, 1));
    CHECK(r.remaining() == 0);
    CHECK_FALSE(r.take(1));
    CHECK_FALSE(r.finish());
    CHECK(r.failure_text() == "cannot decode: first at byte 1 of 4");
    CHECK(r.failure().reason() == mitogen::reason::codec);
}

TEST_CASE("a reader names the missing bytes, the position and the expected type") {
    reader r(four);
    std::string s;
    std::uint64_t n = 0;
    CHECK_FALSE(mitogen::decode(r, n));
    CHECK(r.failure_text(&mitogen::codec<std::tuple<std::uint64_t, std::string>>::signature) ==
          "cannot decode (u64,string): the bytes end too early, missing 4 at byte 0 of 4, expected "
          "u64");
}

TEST_CASE("bytes left over are a failure of a reader that is finished") {
    reader r(four);
    REQUIRE(r.take(3));
    CHECK_FALSE(r.finish());
    CHECK(r.failure_text() == "cannot decode: bytes left over: 1 at byte 3 of 4");
}

TEST_CASE("depth is given back when a guard ends") {
    limits bounds;
    bounds.nesting = 1;
    reader r(four, bounds);
    {
        const mitogen::depth_guard outer(r);
        CHECK(outer);
    }
    {
        const mitogen::depth_guard again(r);
        CHECK(again);
        const mitogen::depth_guard inner(r);
        CHECK_FALSE(inner);
    }
    CHECK(r.failure_text() ==
          "cannot decode: nested deeper than limits::nesting allows at byte 0 of 4");
}

TEST_CASE("a count that the remaining bytes cannot back is refused before anything is allocated") {
    const mitogen::buffer bytes = mitogen::encode(std::uint32_t{0xffff'fff0}, std::uint32_t{0});
    limits bounds;
    bounds.elements = std::numeric_limits<std::uint32_t>::max();
    reader r(bytes, bounds);
    std::vector<std::uint64_t> values;
    CHECK_FALSE(mitogen::decode(r, values));
    CHECK(values.capacity() == 0);
    CHECK(r.failure_text() == "cannot decode: more elements than the bytes that follow can hold: "
                              "4294967280 at byte 0 of 8, expected [u64]");
}

TEST_CASE("elements that take no bytes are counted over the whole message") {
    limits bounds;
    bounds.elements = 10;
    const std::vector<std::vector<std::monostate>> fits{std::vector<std::monostate>(6),
                                                        std::vector<std::monostate>(4)};
    CHECK(mitogen::decode<std::vector<std::vector<std::monostate>>>(mitogen::encode(fits), bounds)
              .has_value());
    const std::vector<std::vector<std::monostate>> many{std::vector<std::monostate>(6),
                                                        std::vector<std::monostate>(5)};
    CHECK_FALSE(
        mitogen::decode<std::vector<std::vector<std::monostate>>>(mitogen::encode(many), bounds)
            .has_value());
    const auto refused =
        mitogen::decode<std::vector<std::monostate>>(mitogen::encode(std::uint32_t{65'537}));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message() == "cannot decode [()]: more elements that take no bytes than "
                                       "one message may have: 65537 at byte 0 of 4");
    CHECK(mitogen::decode<std::vector<std::monostate>>(mitogen::encode(std::uint32_t{65'536}))
              ->size() == 65'536);
}

TEST_CASE("what a reader holds is destroyed with it, also after a failure half way") {
    const mitogen::buffer bytes = mitogen::encode(std::vector<int>{5, 6, 7});
    {
        reader r(bytes);
        std::span<const counted> view;
        REQUIRE(mitogen::decode(r, view));
        REQUIRE(view.size() == 3);
        CHECK(view[2].value == 7);
        CHECK(counted::living == 3);
    }
    CHECK(counted::living == 0);
    {
        reader r(std::span<const std::byte>(bytes).first(10));
        std::span<const counted> view;
        CHECK_FALSE(mitogen::decode(r, view));
    }
    CHECK(counted::living == 0);
}

TEST_CASE("a reader passes its environment on") {
    int place = 0;
    CHECK(reader(four, {}, &place).environment() == &place);
    CHECK(reader(four).environment() == nullptr);
}
