// SPDX-License-Identifier: BSL-1.0
// What the codec refuses, and what it says about it.
#include "codec_samples.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <initializer_list>
#include <memory>
#include <random>

using namespace samples;

namespace {

std::vector<std::byte> raw(std::initializer_list<unsigned> values) {
    std::vector<std::byte> out;
    for (unsigned value : values) out.push_back(static_cast<std::byte>(value));
    return out;
}

template <class T>
std::string refusal(std::span<const std::byte> bytes, const mitogen::limits& bounds = {}) {
    const auto decoded = mitogen::decode<T>(bytes, bounds);
    if (decoded) return "accepted";
    CHECK(decoded.error().reason() == mitogen::reason::codec);
    return std::string(decoded.error().message());
}

template <class T>
std::string refusal(std::initializer_list<unsigned> values, const mitogen::limits& bounds = {}) {
    const auto bytes = raw(values);
    return refusal<T>(std::span<const std::byte>(bytes), bounds);
}

// Decodes through a block of exactly the right size, so that the sanitizer sees every byte read
// beyond it.
template <class T>
bool accepted(std::span<const std::byte> bytes) {
    const mitogen::buffer exact(bytes);
    return mitogen::decode<T>(exact).has_value();
}

// Counts the bytes that containers ask for.
template <class T>
struct counting {
    using value_type = T;

    counting() = default;
    template <class U>
    counting(const counting<U>&) {}

    T* allocate(std::size_t n) {
        allocated() += n * sizeof(T);
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* p, std::size_t n) { std::allocator<T>().deallocate(p, n); }
    friend bool operator==(counting, counting) { return true; }

    static std::size_t& allocated() {
        static std::size_t& sum = counting<char>::allocated();
        return sum;
    }
};
template <>
std::size_t& counting<char>::allocated() {
    static std::size_t sum = 0;
    return sum;
}

} // namespace

TEST_CASE("bytes that end too early are refused with what is missing") {
    CHECK(refusal<std::int32_t>({1, 2, 3}) ==
          "cannot decode i32: the bytes end too early, missing 1 at byte 0 of 3");
    CHECK(refusal<std::pair<bool, std::int64_t>>({1, 2}) ==
          "cannot decode (bool,i64): the bytes end too early, missing 7 at byte 1 of 2, expected "
          "i64");
    // Both members at once, or one by one.
    CHECK(refusal<point>({}).starts_with(
        "cannot decode {x:f64,y:f64}: the bytes end too early, missing "));
    CHECK(refusal<std::bitset<9>>({1}) ==
          "cannot decode [bit;9]: the bytes end too early, missing 1 at byte 1 of 1");
    CHECK(refusal<std::vector<bool>>({9, 0, 0, 0, 1}) ==
          "cannot decode [bit]: the bytes end too early, missing 1 at byte 4 of 5");
}

TEST_CASE("bytes left over are refused") {
    CHECK(refusal<std::int8_t>({1, 2}) == "cannot decode i8: bytes left over: 1 at byte 1 of 2");
    CHECK(refusal<std::tuple<>>({1, 2, 3}) ==
          "cannot decode (): bytes left over: 3 at byte 0 of 3");
}

TEST_CASE("a bool that is neither 0 nor 1 is refused") {
    CHECK(refusal<bool>({2}) ==
          "cannot decode bool: a bool that is neither 0 nor 1: 2 at byte 0 of 1");
    CHECK(refusal<std::tuple<std::int16_t, bool>>({0, 0, 255}) ==
          "cannot decode (i16,bool): a bool that is neither 0 nor 1: 255 at byte 2 of 3, expected "
          "bool");
}

TEST_CASE("a number that is no enumerator of a described enum is refused") {
    CHECK(refusal<mode>({0}) == "accepted");
    CHECK(refusal<mode>({7}) == "accepted");
    CHECK(refusal<mode>({1}) ==
          "cannot decode u8: not an enumerator of the described enum: 1 at byte 0 of 1");
    CHECK(refusal<std::vector<mode>>({2, 0, 0, 0, 7, 6}) ==
          "cannot decode [u8]: not an enumerator of the described enum: 6 at byte 5 of 6, expected "
          "u8");
    CHECK(refusal<plain_enum>({1, 0}) == "accepted");
}

TEST_CASE("an index that the variant does not have is refused") {
    CHECK(refusal<std::variant<std::int8_t, bool>>({2, 0}) ==
          "cannot decode (i8|bool): an index that the variant does not have: 2 at byte 0 of 2");
    CHECK(refusal<std::variant<std::int8_t, bool>>({255, 0}) ==
          "cannot decode (i8|bool): an index that the variant does not have: 255 at byte 0 of 2");
}

TEST_CASE("a presence flag that is neither 0 nor 1 is refused") {
    CHECK(refusal<std::optional<std::int8_t>>({3, 0}) ==
          "cannot decode ?i8: a presence flag that is neither 0 nor 1: 3 at byte 0 of 2");
    CHECK(refusal<std::unique_ptr<bool>>({9}) ==
          "cannot decode ?bool: a presence flag that is neither 0 nor 1: 9 at byte 0 of 1");
}

TEST_CASE("bits after the last one are refused") {
    CHECK(refusal<std::bitset<3>>({0x08}) ==
          "cannot decode [bit;3]: bits after the last one: 8 at byte 0 of 1");
    CHECK(refusal<std::vector<bool>>({1, 0, 0, 0, 0x80}) ==
          "cannot decode [bit]: bits after the last one: 128 at byte 4 of 5");
}

TEST_CASE("a key that occurs twice is refused where keys are unique") {
    CHECK(refusal<std::set<std::uint8_t>>({2, 0, 0, 0, 5, 5}) ==
          "cannot decode <u8>: a key occurs twice at byte 6 of 6");
    CHECK(refusal<std::map<std::uint8_t, bool>>({2, 0, 0, 0, 5, 1, 5, 1}) ==
          "cannot decode {u8=>bool}: a key occurs twice at byte 7 of 8");
    CHECK(refusal<std::unordered_map<std::uint8_t, bool>>({2, 0, 0, 0, 5, 1, 5, 1}) ==
          "cannot decode {u8=>bool}: a key occurs twice at byte 7 of 8");
    CHECK(refusal<std::multiset<std::uint8_t>>({2, 0, 0, 0, 5, 5}) == "accepted");
}

TEST_CASE("a duration that does not fit its type is refused") {
    using narrow = std::chrono::duration<std::int8_t>;
    CHECK(refusal<narrow>({127, 0, 0, 0, 0, 0, 0, 0}) == "accepted");
    CHECK(refusal<narrow>({128, 0, 0, 0, 0, 0, 0, 0}) ==
          "cannot decode duration(i64,1/1): a duration that does not fit: 128 at byte 0 of 8");
}

TEST_CASE("an error code of an unknown category is refused") {
    CHECK(refusal<std::error_code>({1, 0, 0, 0, 1, 0, 0, 0, 'x'}) ==
          "cannot decode error_code: an error_code of a category that was not given to "
          "mitogen::know_error_category() at byte 9 "
          "of 9");
}

TEST_CASE("a codec of the program's own refuses with its own words") {
    CHECK(refusal<std::vector<celsius>>(mitogen::encode(std::vector<double>{-300})) ==
          "cannot decode [celsius]: colder than possible at byte 12 of 12");
}

TEST_CASE("nesting is limited") {
    mitogen::limits bounds;
    bounds.nesting = 3;
    const node three{1, {{2, {{3, {}}}}}};
    const node four{1, {{2, {{3, {{4, {}}}}}}}};
    CHECK(refusal<node>(mitogen::encode(three), bounds) == "accepted");
    CHECK(refusal<node>(mitogen::encode(four), bounds) ==
          "cannot decode {value:i32,kids:[^2]}: nested deeper than limits::nesting allows at byte "
          "32 of 32");
    std::vector<std::byte> deep(100'000, std::byte{1});
    CHECK(
        refusal<chain>(deep) ==
        "cannot decode {next:?^2}: nested deeper than limits::nesting allows at byte 65 of 100000");
}

TEST_CASE("the number of elements is limited") {
    mitogen::limits bounds;
    bounds.elements = 3;
    CHECK(refusal<std::vector<std::uint8_t>>(mitogen::encode(std::vector<std::uint8_t>(3)),
                                             bounds) == "accepted");
    CHECK(
        refusal<std::vector<std::uint8_t>>(mitogen::encode(std::vector<std::uint8_t>(4)), bounds) ==
        "cannot decode [u8]: more elements than limits::elements allows: 4 at byte 0 of 8");
    CHECK(refusal<std::string>(mitogen::encode(std::string(4, 'x')), bounds) ==
          "cannot decode string: more elements than limits::elements allows: 4 at byte 0 of 8");
    CHECK(refusal<std::vector<bool>>(mitogen::encode(std::vector<bool>(4)), bounds) ==
          "cannot decode [bit]: more elements than limits::elements allows: 4 at byte 0 of 5");
    CHECK(refusal<std::vector<empty>>({4, 0, 0, 0}, bounds) ==
          "cannot decode [{}]: more elements than limits::elements allows: 4 at byte 0 of 4");
}

TEST_CASE("an encoded value that is cut anywhere is refused") {
    const mitogen::buffer whole = mitogen::encode(make_everything());
    const std::span<const std::byte> bytes = whole;
    REQUIRE(accepted<everything>(bytes));
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        INFO("cut to " << n << " bytes of " << bytes.size());
        REQUIRE_FALSE(accepted<everything>(bytes.first(n)));
    }
    std::vector<std::byte> longer(bytes.begin(), bytes.end());
    longer.push_back({});
    CHECK_FALSE(accepted<everything>(longer));
}

TEST_CASE("whatever bytes arrive, what is accepted encodes to the same length and back to the same "
          "value") {
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    const mitogen::buffer whole = mitogen::encode(make_everything());
    std::size_t survivors = 0;
    for (int round = 0; round < 20'000; ++round) {
        mitogen::buffer bytes(std::span<const std::byte>{whole});
        const std::size_t changes = 1 + random() % 3;
        for (std::size_t i = 0; i < changes; ++i)
            bytes[random() % bytes.size()] = static_cast<std::byte>(random());
        if (random() % 8 == 0) bytes.resize(random() % bytes.size());
        const auto decoded = mitogen::decode<everything>(bytes);
        if (!decoded) {
            REQUIRE_FALSE(decoded.error().message().empty());
            continue;
        }
        ++survivors;
        const mitogen::buffer again = mitogen::encode(*decoded);
        REQUIRE(again.size() == bytes.size());
        REQUIRE(mitogen::encode(*mitogen::decode<everything>(again)).size() == again.size());
    }
    CHECK(survivors > 0); // changes of characters and numbers are not errors
}

TEST_CASE("no more is allocated than the payload justifies") {
    using text = std::basic_string<char, std::char_traits<char>, counting<char>>;
    using numbers = std::vector<std::uint64_t, counting<std::uint64_t>>;
    using map = std::map<text, numbers, std::less<>, counting<std::pair<const text, numbers>>>;
    using maps = std::vector<map, counting<map>>;
    using nested = std::vector<maps, counting<maps>>;
    const std::uint32_t seed = std::random_device{}();
    CAPTURE(seed);
    std::mt19937 random(seed);
    std::size_t most = 0;
    for (int round = 0; round < 5000; ++round) {
        std::vector<std::byte> noise(random() % 200);
        for (std::byte& b : noise)
            b = static_cast<std::byte>(random() % 4 ? random() % 3 : random());
        counting<char>::allocated() = 0;
        (void)mitogen::decode<nested>(noise).has_value();
        // Four bytes on the wire may be an empty map: 48 in memory, and its place in a node or a
        // vector.
        REQUIRE(counting<char>::allocated() <= 40 * noise.size());
        most = std::max(most, counting<char>::allocated());
    }
    CHECK(most > 0);
}
