// SPDX-License-Identifier: BSL-1.0
// The wire form of every type, byte by byte, and its signature. A change of any line here is a
// change of the protocol.
#include "codec_samples.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <limits>
#include <queue>
#include <stack>

#if __has_include(<expected>)
#include <expected>
#endif

using namespace samples;

namespace {

std::string hex(std::span<const std::byte> bytes) {
    std::string out;
    for (std::size_t i = 0; i < bytes.size(); ++i) {
        const auto value = std::to_integer<unsigned>(bytes[i]);
        out += "0123456789abcdef"[value >> 4];
        out += "0123456789abcdef"[value & 15];
    }
    return out;
}

std::string without_spaces(std::string_view text) {
    std::string out;
    for (char c : text) {
        if (c != ' ') out += c;
    }
    return out;
}

template <class T>
T through(const T& value) {
    auto back = mitogen::decode<T>(mitogen::encode(value));
    if (!back) FAIL(back.error().what());
    return std::move(*back);
}

template <class T>
void check(const T& value, std::string_view signature, std::string_view bytes) {
    const mitogen::buffer encoded = mitogen::encode(value);
    CHECK(encoded.size() == mitogen::encoded_size(value));
    CHECK(hex(encoded) == without_spaces(bytes));
    CHECK(mitogen::signature_of<T>() == signature);
    CHECK(through(value) == value);
}

} // namespace

TEST_CASE("arithmetic types travel little-endian in their own width") {
    check(std::int8_t{-2}, "i8", "fe");
    check(std::uint8_t{200}, "u8", "c8");
    check(std::int16_t{-2}, "i16", "feff");
    check(std::uint16_t{0x1234}, "u16", "3412");
    check(std::int32_t{-2}, "i32", "feffffff");
    check(std::uint32_t{0x12345678}, "u32", "78563412");
    check(std::int64_t{-2}, "i64", "feffffffffffffff");
    check(std::uint64_t{0x123456789abcdef0}, "u64", "f0debc9a78563412");
    check(1.5f, "f32", "0000c03f");
    check(-2.0, "f64", "00000000000000c0");
    check(std::numeric_limits<double>::infinity(), "f64", "000000000000f07f");
    check('A', "char", "41");
    check(u8'A', "char8", "41");
    check(u'\u20ac', "char16", "ac20");
    check(U'\U0001f600', "char32", "00f60100");
    check(L'A', sizeof(wchar_t) == 4 ? "char32" : "char16",
          sizeof(wchar_t) == 4 ? "41000000" : "4100");
    check(std::byte{0x7f}, "byte", "7f");
    check(true, "bool", "01");
    check(false, "bool", "00");
}

TEST_CASE("the signature of an integer says its width and not its C++ type") {
    CHECK(mitogen::signature_of<long>() == (sizeof(long) == 8 ? "i64" : "i32"));
    CHECK(mitogen::signature_of<unsigned long long>() == "u64");
    CHECK(mitogen::signature_of<std::size_t>() == (sizeof(std::size_t) == 8 ? "u64" : "u32"));
    CHECK(mitogen::signature_of<signed char>() == "i8");
}

TEST_CASE("enums travel as their underlying type") {
    check(plain_enum::a, "i16", "feff");
    check(mode::busy, "u8", "07");
}

TEST_CASE("strings travel as a length and their characters") {
    check(std::string(), "string", "00000000");
    check(std::string("abc"), "string", "03000000 616263");
    check(std::string("a\0b", 3), "string", "03000000 610062");
    check(std::u8string(u8"\u00e9"), "[char8]", "02000000 c3a9");
    check(std::u16string(u"ab"), "[char16]", "02000000 6100 6200");
    check(std::u32string(U"a"), "[char32]", "01000000 61000000");
    for (std::size_t n = 0; n < 100; ++n) { // every way of copying, by length
        std::string text;
        for (std::size_t i = 0; i < n; ++i) text += static_cast<char>('a' + i % 26);
        REQUIRE(through(text) == text);
        REQUIRE(through(std::pair(text, std::uint8_t{9})).second == 9);
    }
}

TEST_CASE("a string view and a string have one wire form, and a decoded view points into the "
          "received bytes") {
    const mitogen::buffer bytes = mitogen::encode(std::string_view("abc"));
    CHECK(hex(bytes) == "03000000616263");
    CHECK(mitogen::signature_of<std::string_view>() == "string");
    const auto view = mitogen::decode<std::string_view>(bytes);
    REQUIRE(view);
    CHECK(*view == "abc");
    CHECK(static_cast<const void*>(view->data()) == bytes.data() + 4);
}

TEST_CASE("spans travel like vectors and are views of the received bytes where these are aligned") {
    const std::vector<std::uint8_t> octets{1, 2, 3};
    mitogen::buffer bytes = mitogen::encode(std::span<const std::uint8_t>(octets));
    CHECK(hex(bytes) == "03000000010203");
    CHECK(mitogen::signature_of<std::span<const double>>() == "[f64]");
    mitogen::reader first(bytes);
    std::span<const std::uint8_t> view;
    REQUIRE(mitogen::decode(first, view));
    CHECK(static_cast<const void*>(view.data()) == bytes.data() + 4);

    const std::vector<std::uint32_t> words{1, 2, 3};
    alignas(8) std::byte storage[32];
    for (std::size_t shift = 0; shift < 8; ++shift) {
        mitogen::writer w(storage + shift);
        mitogen::encode(w, std::span<const std::uint32_t>(words));
        mitogen::reader r(std::span<const std::byte>(storage + shift, 16));
        std::span<const std::uint32_t> decoded;
        REQUIRE(mitogen::decode(r, decoded));
        REQUIRE(r.finish());
        CHECK(std::vector<std::uint32_t>(decoded.begin(), decoded.end()) == words);
        const bool in_place = static_cast<const void*>(decoded.data()) == storage + shift + 4;
        CHECK(in_place == (mitogen::wire::little && shift % 4 == 0));
    }

    const std::vector<std::string> texts{"a", "longer than what fits in place"};
    bytes = mitogen::encode(std::span<const std::string>(texts));
    mitogen::reader last(bytes);
    std::span<const std::string> strings;
    REQUIRE(mitogen::decode(last, strings));
    CHECK(std::vector<std::string>(strings.begin(), strings.end()) == texts);
}

TEST_CASE("sequences travel as a count and their elements, and share one signature") {
    check(std::vector<std::int16_t>{1, -1}, "[i16]", "02000000 0100 ffff");
    check(std::vector<std::string>{"a", ""}, "[string]", "02000000 01000000 61 00000000");
    check(std::vector<std::vector<std::uint8_t>>{{1}, {}}, "[[u8]]",
          "02000000 01000000 01 00000000");
    check(std::deque<std::int16_t>{1, -1}, "[i16]", "02000000 0100 ffff");
    check(std::list<std::int16_t>{1, -1}, "[i16]", "02000000 0100 ffff");
    check(std::forward_list<std::int16_t>{1, -1}, "[i16]", "02000000 0100 ffff");
    check(std::vector<bool>{true, false, false, false, false, false, false, false, true}, "[bit]",
          "09000000 01 01");
    check(std::vector<bool>{}, "[bit]", "00000000");
    check(std::deque<bool>{true, false}, "[bool]", "02000000 01 00");
}

TEST_CASE("long vectors of scalars survive at every alignment") {
    std::vector<double> numbers(5000);
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] = static_cast<double>(i) * 0.5;
    for (std::size_t shift = 0; shift < 8; ++shift) {
        const std::pair value(std::string(shift, 'x'), numbers);
        REQUIRE(through(value) == value);
        std::pair<std::string, std::vector<double>> used("old",
                                                         std::vector<double>(shift * 1000, 9.0));
        REQUIRE(mitogen::decode_into(mitogen::encode(value), used));
        REQUIRE(used == value);
    }
}

TEST_CASE("ordered containers travel last key first") {
    check(std::set<std::int8_t>{1, 2, 3}, "<i8>", "03000000 03 02 01");
    check(std::multiset<std::int8_t>{1, 1, 3}, "<i8>", "03000000 03 01 01");
    check(std::map<std::string, std::int8_t>{{"a", 1}, {"b", 2}}, "{string=>i8}",
          "02000000 01000000 62 02 01000000 61 01");
    check(std::multimap<std::int8_t, char>{{1, 'a'}, {1, 'b'}}, "{i8=>char}",
          "02000000 01 62 01 61");
}

TEST_CASE("keys are accepted in any order") {
    const auto ascending = mitogen::decode<std::set<std::uint8_t>>(
        mitogen::encode(std::vector<std::uint8_t>{1, 5, 3, 2}));
    REQUIRE(ascending);
    CHECK(*ascending == std::set<std::uint8_t>{1, 2, 3, 5});
}

TEST_CASE("hashed containers have the wire form of ordered ones") {
    check(std::unordered_set<std::int8_t>{7}, "<i8>", "01000000 07");
    check(std::unordered_map<std::int8_t, std::string>{{7, "x"}}, "{i8=>string}",
          "01000000 07 01000000 78");
    CHECK(through(std::unordered_multimap<int, int>{{1, 2}, {1, 3}, {2, 4}}) ==
          std::unordered_multimap<int, int>{{1, 2}, {1, 3}, {2, 4}});
    CHECK(through(std::unordered_multiset<int>{1, 1, 2}) == std::unordered_multiset<int>{1, 1, 2});
}

TEST_CASE("adaptors have the wire form of the container inside") {
    std::stack<std::int8_t> stack;
    std::queue<std::string, std::list<std::string>> queue;
    std::priority_queue<int> heap;
    for (std::int8_t i = 1; i <= 3; ++i) {
        stack.push(i);
        queue.push(std::to_string(i));
        heap.push(i);
    }
    check(stack, "[i8]", "03000000 01 02 03");
    check(queue, "[string]", "03000000 01000000 31 01000000 32 01000000 33");
    auto heaped = through(heap);
    for (int expected : {3, 2, 1}) {
        REQUIRE(heaped.top() == expected);
        heaped.pop();
    }
}

TEST_CASE("a priority queue is a heap whatever arrives") {
    auto queue =
        mitogen::decode<std::priority_queue<int>>(mitogen::encode(std::vector<int>{1, 2, 9, 3}));
    REQUIRE(queue);
    CHECK(queue->top() == 9);
}

TEST_CASE("arrays, pairs and tuples travel without counts") {
    check(std::array<std::int16_t, 2>{1, 2}, "[i16;2]", "0100 0200");
    check(std::array<std::string, 1>{"a"}, "[string;1]", "01000000 61");
    check(std::array<int, 0>{}, "[i32;0]", "");
    check(std::pair<std::int8_t, std::int32_t>(1, 2), "(i8,i32)", "01 02000000");
    check(std::tuple<std::int8_t, std::string, bool>(1, "a", true), "(i8,string,bool)",
          "01 01000000 61 01");
    check(std::tuple<>(), "()", "");
    check(std::monostate(), "()", "");
}

TEST_CASE("optionals and owning pointers travel as a flag and the value") {
    check(std::optional<std::int16_t>(), "?i16", "00");
    check(std::optional<std::int16_t>(5), "?i16", "01 0500");
    check(std::optional<std::optional<bool>>(std::optional<bool>()), "??bool", "01 00");
    const mitogen::buffer bytes = mitogen::encode(std::make_unique<std::string>("a"));
    CHECK(hex(bytes) == "010100000061");
    CHECK(mitogen::signature_of<std::unique_ptr<std::string>>() == "?string");
    CHECK(*through(std::make_unique<std::string>("a")) == "a");
    CHECK(through(std::unique_ptr<int>()) == nullptr);
}

TEST_CASE("variants travel as an index and the alternative") {
    using v = std::variant<std::int16_t, std::string, std::monostate>;
    check(v(std::int16_t{5}), "(i16|string|())", "00 0500");
    check(v("a"), "(i16|string|())", "01 01000000 61");
    check(v(std::monostate()), "(i16|string|())", "02");
}

TEST_CASE("bitsets travel packed") {
    check(std::bitset<11>(0b101'0000'0011), "[bit;11]", "03 05");
    check(std::bitset<8>(0x81), "[bit;8]", "81");
}

TEST_CASE("times travel as ticks in 64 bits, with the period in the signature") {
    using namespace std::chrono;
    check(milliseconds(250), "duration(i64,1/1000)", "fa00000000000000");
    check(hours(-1), "duration(i64,3600/1)", "ffffffffffffffff");
    check(duration<std::int16_t>(7), "duration(i64,1/1)", "0700000000000000");
    check(duration<float>(0.5f), "duration(f64,1/1)", "000000000000e03f");
    check(time_point<system_clock, seconds>(seconds(16)), "time(i64,1/1)", "1000000000000000");
    check(steady_clock::time_point(nanoseconds(1)), "steady(i64,1/1000000000)", "0100000000000000");
    check(std::vector<seconds>{seconds(1)}, "[duration(i64,1/1)]", "01000000 0100000000000000");
}

TEST_CASE("paths, complex numbers and error codes travel") {
    check(std::filesystem::path("/a"), "path", "02000000 2f61");
    check(std::complex<float>(1, -2), "complex(f32)", "0000803f 000000c0");
    check(std::make_error_code(std::errc::invalid_argument), "error_code",
          "16000000 07000000 67656e65726963");
    check(std::error_code(2, std::system_category()), "error_code",
          "02000000 06000000 73797374656d");
}

TEST_CASE("an error code of another category is understood once its category is known") {
    struct weather : std::error_category {
        const char* name() const noexcept override { return "weather"; }
        std::string message(int) const override { return "rain"; }
    };
    static const weather category;
    const std::error_code rain(3, category);
    const mitogen::buffer bytes = mitogen::encode(rain);
    CHECK_FALSE(mitogen::decode<std::error_code>(bytes));
    CHECK(mitogen::know_error_category(category));
    CHECK(mitogen::know_error_category(category));
    const auto code = mitogen::decode<std::error_code>(bytes);
    REQUIRE(code);
    CHECK(*code == rain);
}

TEST_CASE("blobs and secrets travel as bytes") {
    check(mitogen::blob("ab"), "blob", "02000000 6162");
    check(mitogen::secret("pw"), "secret", "02000000 7077");
}

TEST_CASE("aggregates travel member after member and their padding does not") {
    check(point{1, 2}, "{x:f64,y:f64}", "000000000000f03f 0000000000000040");
    check(padded{1, 2, 3}, "{small:i8,large:i64,last:i8}", "01 0200000000000000 03");
    check(runs{1, 2, 1.5f, "x", 3, 4, 5}, "{a:u16,b:u16,c:f32,text:string,d:u32,e:u8,f:u16}",
          "0100 0200 0000c03f 01000000 78 03000000 04 0500");
    check(empty{}, "{}", "");
    check(std::vector<empty>(3), "[{}]", "03000000");
    check(std::vector<padded>{{1, 2, 3}, {4, 5, 6}}, "[{small:i8,large:i64,last:i8}]",
          "02000000 01 0200000000000000 03 04 0500000000000000 06");
    static_assert(mitogen::wire::bulk_of<point>() == mitogen::wire::little);
    static_assert(!mitogen::wire::bulk_of<padded>() && mitogen::wire::fixed_of<padded>());
}

TEST_CASE("described classes travel with the names of their members, private ones and bases too") {
    check(disk{"a", 7}, "{name:string,free_bytes:u64}", "01000000 61 0700000000000000");
    check(account("b", 1), "{owner_:string,cents_:i64}", "01000000 62 0100000000000000");
    check(savings(account("b", 1), 2, "abcd"),
          "{{owner_:string,cents_:i64},rate_:f64,code_:[char;4]}",
          "01000000 62 0100000000000000 0000000000000040 61626364");
}

TEST_CASE("a described class travels in the order of its description") {
    check(swapped{1, 2}, "{y:i32,x:i32}", "02000000 01000000");
    check(std::vector<swapped>{{1, 2}, {3, 4}}, "[{y:i32,x:i32}]",
          "02000000 02000000 01000000 04000000 03000000");
    static_assert(!mitogen::wire::bulk_of<swapped>());
    check(straight{1, 2}, "{x:f32,y:f32}", "0000803f 00000040");
    static_assert(mitogen::wire::bulk_of<straight>() == mitogen::wire::little);
}

TEST_CASE("recursive types travel, and refer back to themselves in the signature") {
    check(node{1, {{2, {}}}}, "{value:i32,kids:[^2]}", "01000000 01000000 02000000 00000000");
    CHECK(mitogen::signature_of<chain>() == "{next:?^2}");
    chain outer;
    outer.next = std::make_unique<chain>();
    CHECK(hex(mitogen::encode(outer)) == "0100");
    CHECK(through(outer).next->next == nullptr);
    CHECK(mitogen::signature_of<std::pair<node, node>>() ==
          "({value:i32,kids:[^2]},{value:i32,kids:[^2]})");
}

TEST_CASE("a codec of the program's own is used wherever its type occurs") {
    check(celsius(0.5), "celsius", "000000000000e03f");
    check(std::vector<celsius>{celsius(0.5)}, "[celsius]", "01000000 000000000000e03f");
    check(std::pair<bool, celsius>(true, celsius(0.5)), "(bool,celsius)", "01 000000000000e03f");
}

#if defined(__cpp_lib_expected)
TEST_CASE("expected travels as a flag and the value or the error") {
    using e = std::expected<std::int16_t, std::string>;
    check(e(5), "(i16!string)", "01 0500");
    check(e(std::unexpected<std::string>("a")), "(i16!string)", "00 01000000 61");
    check(std::expected<void, int>(), "(()!i32)", "01");
}
#endif

TEST_CASE("several values travel one after another") {
    const mitogen::buffer bytes = mitogen::encode(std::int8_t{1}, std::string("a"), true);
    CHECK(hex(bytes) == "01010000006101");
    mitogen::reader r(bytes);
    std::int8_t a = 0;
    std::string b;
    bool c = false;
    REQUIRE(mitogen::decode(r, a, b, c));
    CHECK(r.finish());
    CHECK(b == "a");
    CHECK(mitogen::encode().empty());
}

TEST_CASE("everything at once survives the journey") {
    const everything before = make_everything();
    CHECK(through(before) == before);
}

TEST_CASE("an object that is decoded into a second time holds only the second value") {
    everything used = make_everything();
    REQUIRE(mitogen::decode_into(mitogen::encode(everything{}), used));
    CHECK(used == everything{});
}

TEST_CASE("a secret is wiped when it goes away") {
    alignas(mitogen::secret) std::byte storage[sizeof(mitogen::secret)];
    auto* secret = new (storage) mitogen::secret("hunter2");
    CHECK(secret->reveal() == "hunter2");
    mitogen::secret copy = *secret;
    mitogen::secret moved = std::move(copy);
    CHECK(copy.empty()); // NOLINT(bugprone-use-after-move): that it is empty is promised
    CHECK(moved == *secret);
    CHECK_FALSE(moved == mitogen::secret("hunter3"));
    secret->~secret();
}

static_assert(mitogen::wire_type<everything>);
static_assert(!mitogen::wire_type<int*>);
static_assert(!mitogen::wire_type<std::vector<std::map<int, std::pair<int, void*>>>>);
static_assert(!mitogen::wire_type<long double>);
static_assert(!mitogen::wire_type<std::complex<long double>>);
