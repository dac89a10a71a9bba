// SPDX-License-Identifier: BSL-1.0
#include <mitogen/debug/shown_value.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

namespace shown_value_test {

enum class colour : std::uint8_t { red = 1, blue = 2 };
struct point {
    int x;
    double y;
    std::string name;
};
struct nested {
    point at;
    std::vector<int> all;
};
class closed {
    int hidden_ = 3;

public:
    int hidden() const { return hidden_; }
};

} // namespace shown_value_test

namespace {

using namespace shown_value_test;
using mitogen::detail::can_be_typed;
using mitogen::detail::read_typed;
using mitogen::detail::shown_text;

template <class T>
std::string shown(const T& value) {
    shown_text text;
    mitogen::detail::show(text, value);
    return text.take();
}

TEST_CASE("simple values are shown as one writes them") {
    CHECK(shown(true) == "true");
    CHECK(shown(false) == "false");
    CHECK(shown('a') == "'a'");
    CHECK(shown(-5) == "-5");
    CHECK(shown(std::uint8_t{200}) == "200"); // a number, no letter
    CHECK(shown(std::int8_t{-3}) == "-3");
    CHECK(shown(std::numeric_limits<std::uint64_t>::max()) == "18446744073709551615");
    CHECK(shown(1.5) == "1.5");
    CHECK(shown(0.25f) == "0.25");
    CHECK(shown(1e300) == "1e+300");
    CHECK(shown(colour::blue) == "2");
}

TEST_CASE("texts are shown in quotes, with what is no visible character written out") {
    CHECK(shown(std::string("plain")) == "\"plain\"");
    CHECK(shown(std::string_view("")) == "\"\"");
    CHECK(shown("literal") == "\"literal\"");
    CHECK(shown(std::string("a\"b\\c\nd")) == R"("a\"b\\c\nd")");
    CHECK(shown(std::string("\x1b[2J\x7f\0", 6)) == R"("\x1b[2J\x7f\x00")");
}

TEST_CASE("containers are shown item by item") {
    CHECK(shown(std::vector<int>{}) == "[]");
    CHECK(shown(std::vector<int>{1, 2}) == "[1, 2]");
    CHECK(shown(std::vector<bool>{true, false}) == "[true, false]");
    CHECK(shown(std::map<std::string, int>{{"a", 1}, {"b", 2}}) == R"([{"a", 1}, {"b", 2}])");
    CHECK(shown(std::pair{1, std::string("x")}) == R"({1, "x"})");
    CHECK(shown(std::tuple{1, false, 'z'}) == "{1, false, 'z'}");
}

TEST_CASE("what may be empty is shown as what is in it, and pointers not at all") {
    CHECK(shown(std::optional<int>{}) == "none");
    CHECK(shown(std::optional<int>{4}) == "4");
    CHECK(shown(std::make_unique<int>(7)) == "7");
    CHECK(shown(std::unique_ptr<int>{}) == "none");
    const int there = 0;
    CHECK(shown(&there) == "a pointer"); // it may lead nowhere
    CHECK(shown(static_cast<const int*>(nullptr)) == "null");
}

TEST_CASE("structures are shown member by member, by name, and closed classes by their size") {
    CHECK(shown(point{1, 2.5, "p"}) == R"({x: 1, y: 2.5, name: "p"})");
    CHECK(shown(nested{{1, 2, ""}, {3}}) == R"({at: {x: 1, y: 2, name: ""}, all: [3]})");
    CHECK(closed{}.hidden() == 3);
    CHECK(shown(closed{}) == "(4 bytes)");
}

TEST_CASE("no value is shown at more than a bound, and it is said that there was more") {
    const std::string most(shown_text::most, 'x');
    shown_text exactly;
    exactly.put(most);
    CHECK_FALSE(exactly.full());
    CHECK(exactly.take() == most);
    shown_text more;
    more.put(most);
    more.put("y");
    CHECK(more.full());
    more.put("z");
    CHECK(more.take() == most + "...");
    for (const std::string& large :
         {shown(std::string(1'000'000, 'x')), shown(std::string(1'000'000, '\1')),
          shown(std::vector<int>(1'000'000)), shown(std::vector<std::string>(1'000'000))}) {
        CHECK(large.size() == shown_text::most + 3);
        CHECK(large.ends_with("..."));
    }
}

template <class T>
std::optional<T> typed(std::string_view text) {
    T value{};
    if (!read_typed(text, value)) return std::nullopt;
    return value;
}

TEST_CASE("numbers are read if they are whole, and in the range of their type") {
    CHECK(typed<int>("-12") == -12);
    CHECK(typed<std::uint8_t>("255") == std::uint8_t{255});
    CHECK(typed<std::int64_t>("-9223372036854775808") == std::numeric_limits<std::int64_t>::min());
    CHECK(typed<double>("2.5") == 2.5);
    for (const char* no : {"", "x", "1x", "1 2", " 1", "1.5", "99999999999", "+1"})
        CHECK_FALSE(typed<int>(no));
    for (const char* no : {"256", "-1"}) CHECK_FALSE(typed<std::uint8_t>(no));
}

TEST_CASE("what is refused leaves the value as it was") {
    int value = 7;
    CHECK_FALSE(read_typed("12x", value));
    CHECK_FALSE(read_typed("99999999999", value));
    CHECK(value == 7);
}

TEST_CASE("truth, characters, enumerations and strings are read") {
    CHECK(typed<bool>("true") == true);
    CHECK(typed<bool>("0") == false);
    CHECK_FALSE(typed<bool>("2"));
    CHECK_FALSE(typed<bool>("True"));
    CHECK(typed<char>("a") == 'a');
    CHECK(typed<char>("'b'") == 'b');
    CHECK_FALSE(typed<char>(""));
    CHECK_FALSE(typed<char>("ab"));
    CHECK(typed<colour>("2") == colour::blue);
    CHECK_FALSE(typed<colour>("blue"));
    CHECK_FALSE(typed<colour>("300"));
    CHECK(typed<std::string>("two words") == "two words");
    CHECK(typed<std::string>("\"quoted\"") == "quoted");
    CHECK(typed<std::string>("\"") == "\"");
    CHECK(typed<std::string>("\"\"") == "");
    CHECK(typed<std::string>("") == "");
}

static_assert(can_be_typed<long double> && can_be_typed<colour> && can_be_typed<std::string>);
static_assert(!can_be_typed<std::vector<int>> && !can_be_typed<point> && !can_be_typed<int*>);

} // namespace
