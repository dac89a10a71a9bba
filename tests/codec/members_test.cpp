// SPDX-License-Identifier: BSL-1.0
// Classes and their members: the ways in which these are found, and that the way makes no
// difference.
#define MEMBER_SAMPLES members_with_boost
#include "member_samples.ipp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

std::vector<member_report> report_with_boost() { return members_with_boost::report_all(); }

static_assert(mitogen::wire::described_class<members_with_boost::disk>);

namespace members_test {

// Without a list: an aggregate, a described class, and one that looks like a container.
struct sample {
    std::string name{};
    int number = 0;
    int left_out = 3;
};
struct described {
    int a = 1;
    int b = 2;
};
BOOST_DESCRIBE_STRUCT(described, (), (a, b))
struct container {
    std::vector<int> items{};
    std::string title{};
    using value_type = int;
    auto begin() const { return items.begin(); }
    auto end() const { return items.end(); }
    std::size_t size() const { return items.size(); }
    void clear() { items.clear(); }
    void push_back(int item) { items.push_back(item); }
    int& back() { return items.back(); }
};

class label {
    std::string text_;

public:
    label() = default;
    explicit label(std::string text) : text_(std::move(text)) {}
    const std::string& text() const { return text_; }
    static constexpr auto mitogen_members() { return mitogen::list(&label::text_); }
};

// The list inside is not the one that counts.
struct both {
    int inside = 0;
    int outside = 0;
    static constexpr auto mitogen_members() { return mitogen::list(&both::inside); }
};

struct base {
    int id = 0;
};
// The list is the base class's; the description is its own.
struct coloured : label {
    int colour = 0;
};
BOOST_DESCRIBE_STRUCT(coloured, (label), (colour))

struct with_base : base {
    std::string name{};
};
class with_private_base : base {
    int own_ = 0;

public:
    with_private_base() = default;
    with_private_base(int inherited, int own) : base{inherited}, own_(own) {}
    int sum() const { return id * 100 + own_; }
    static constexpr auto mitogen_members() {
        return mitogen::list(&with_private_base::id, &with_private_base::own_);
    }
};
struct with_virtual_base : virtual base {
    virtual ~with_virtual_base() = default;
    int own = 0;
};

template <class T>
struct box {
    T inside{};
    int unsent = 5;
};

struct with_c_array {
    char code[4] = {};
    int rest = 0;
};

struct nothing_sent {
    int unsent = 4;
};

struct reversed {
    std::int32_t x = 0, y = 0;
};
struct in_order {
    std::int32_t x = 0, y = 0;
};

class handle {
    std::unique_ptr<int> number_;

public:
    handle() = default;
    explicit handle(int number) : number_(std::make_unique<int>(number)) {}
    int number() const { return *number_; }
    static constexpr auto mitogen_members() { return mitogen::list(&handle::number_); }
};

struct with_view {
    int number = 0;
    std::span<const double> view{};
};

struct more_than_bound {
    std::int8_t a1{}, a2{}, a3{}, a4{}, a5{}, a6{}, a7{}, a8{};
    std::int8_t a9{}, a10{}, a11{}, a12{}, a13{}, a14{}, a15{}, a16{};
    std::int8_t b1{}, b2{}, b3{}, b4{}, b5{}, b6{}, b7{}, b8{};
    std::int8_t b9{}, b10{}, b11{}, b12{}, b13{}, b14{}, b15{}, b16{};
    std::string name_after_32{};
    bool operator==(const more_than_bound&) const = default;
};

} // namespace members_test

using namespace members_test;

template <>
inline constexpr auto mitogen::members<sample> = mitogen::list(&sample::number, &sample::name);
template <>
inline constexpr auto mitogen::members<described> = mitogen::list(&described::b);
template <>
inline constexpr auto mitogen::members<container> = mitogen::list(&container::title,
                                                                  &container::items);
template <>
inline constexpr auto mitogen::members<both> = mitogen::list(&both::outside);
template <>
inline constexpr auto mitogen::members<with_base> = mitogen::list(&with_base::id, &with_base::name);
template <>
inline constexpr auto mitogen::members<with_virtual_base> = mitogen::list(&base::id,
                                                                          &with_virtual_base::own);
template <class T>
inline constexpr auto mitogen::members<box<T>> = mitogen::list(&box<T>::inside);
template <>
inline constexpr auto mitogen::members<with_c_array> = mitogen::list(&with_c_array::rest,
                                                                     &with_c_array::code);
template <>
inline constexpr auto mitogen::members<nothing_sent> = mitogen::list();
template <>
inline constexpr auto mitogen::members<reversed> = mitogen::list(&reversed::y, &reversed::x);
template <>
inline constexpr auto mitogen::members<in_order> = mitogen::list(&in_order::x, &in_order::y);
template <>
inline constexpr auto mitogen::members<with_view> = mitogen::list(&with_view::number,
                                                                  &with_view::view);

static_assert(!mitogen::wire::bulk_of<reversed>());
static_assert(mitogen::wire::bulk_of<in_order>() == mitogen::wire::little);
static_assert(mitogen::wire::may_hold<std::vector<with_view>>(),
              "what lists find is looked into, too");
static_assert(!mitogen::wire_type<box<int*>> && mitogen::wire_type<box<std::string>>);

namespace {

template <class T>
T through(const T& value) {
    auto back = mitogen::decode<T>(mitogen::encode(value));
    if (!back) FAIL(back.error().what());
    return std::move(*back);
}

} // namespace

TEST_CASE("the members of a class have one signature and one form with and without Boost") {
    const std::vector<member_report> with = report_with_boost();
    const std::vector<member_report> without = report_without_boost();
    REQUIRE(with.size() == without.size());
    for (std::size_t i = 0; i < with.size(); ++i) {
        INFO(with[i].type);
        CHECK(with[i].type == without[i].type);
        CHECK(with[i].signature == without[i].signature);
        CHECK(with[i].bytes == without[i].bytes);
        CHECK(with[i].survives);
        CHECK(without[i].survives);
    }
}

TEST_CASE("signatures name the members") {
    const std::vector<member_report> all = report_without_boost();
    const auto signature = [&all](std::string_view type) {
        const auto at = std::find_if(all.begin(), all.end(),
                                     [&](const auto& said) { return said.type == type; });
        return at == all.end() ? "no such type" : at->signature;
    };
    CHECK(signature("disk") == "{mount:string,free_bytes:u64}");
    CHECK(signature("account") == "{owner_:string,cents_:i64}");
    CHECK(signature("straight") == "{x:f32,y:f32}");
    CHECK(signature("listed_straight") == "{x:f32,y:f32}");
    CHECK(signature("nested") ==
          "{first:{mount:string,free_bytes:u64},accounts:[{owner_:string,cents_:i64}],"
          "points:[{x:f64,y:f64};2],maybe:?{x:f32,y:f32},nothing:()}");
    CHECK(signature("tree") == "{name:string,kids:[^2]}");
    CHECK(signature("owner") == "{number:?i32}");
    CHECK(signature("empty") == "{}");
    CHECK(signature("widest").starts_with("{a1:i8,a2:i8,"));
    CHECK(signature("widest").ends_with(",b15:i8,last:string}"));
    CHECK(signature("machine") == "{now:u8,name:string}");
    CHECK(signature("local") == "{inside:i32}");
}

TEST_CASE("a list says which members travel, and in which order") {
    CHECK(mitogen::signature_of<sample>() == "{number:i32,name:string}");
    const sample back = through(sample{"a", 1, 99});
    CHECK(back.name == "a");
    CHECK(back.number == 1);
    CHECK(back.left_out == 3); // as the default constructor has it

    sample used{"old", 5, 77};
    REQUIRE(mitogen::decode_into(mitogen::encode(sample{"new", 6, 0}), used));
    CHECK(used.name == "new");
    CHECK(used.number == 6);
    CHECK(used.left_out == 77); // as it was

    CHECK(mitogen::signature_of<nothing_sent>() == "{}");
    CHECK(mitogen::encode(nothing_sent{8}).empty());
    CHECK(through(nothing_sent{8}).unsent == 4);
}

TEST_CASE("a list wins over a description, and over what a class looks like") {
    CHECK(mitogen::signature_of<described>() == "{b:i32}");
    CHECK(through(described{7, 8}).a == 1);
    CHECK(through(described{7, 8}).b == 8);
    CHECK(mitogen::signature_of<container>() == "{title:string,items:[i32]}");
    const container back = through(container{{1, 2}, "t"});
    CHECK(back.items == std::vector{1, 2});
    CHECK(back.title == "t");
}

TEST_CASE("a list that a class inherits does not stand in the way of its description") {
    CHECK(mitogen::signature_of<coloured>() == "{{text_:string},colour:i32}");
    coloured value;
    value.colour = 3;
    CHECK(through(value).colour == 3);
}

TEST_CASE("a list outside a class wins over the one inside") {
    CHECK(mitogen::signature_of<both>() == "{outside:i32}");
    CHECK(through(both{1, 2}).inside == 0);
    CHECK(through(both{1, 2}).outside == 2);
}

TEST_CASE("a list inside a class reaches private members, and those of a private base class") {
    CHECK(mitogen::signature_of<label>() == "{text_:string}");
    CHECK(through(label("x")).text() == "x");
    CHECK(mitogen::signature_of<with_private_base>() == "{id:i32,own_:i32}");
    CHECK(through(with_private_base(4, 5)).sum() == 405);
    CHECK(through(handle(6)).number() == 6);
    CHECK(mitogen::signature_of<std::vector<handle>>() == "[{number_:?i32}]");
}

TEST_CASE("members of base classes are listed like others") {
    CHECK(mitogen::signature_of<with_base>() == "{id:i32,name:string}");
    with_base value;
    value.id = 9;
    value.name = "n";
    CHECK(through(value).id == 9);
    CHECK(through(value).name == "n");
    CHECK(mitogen::signature_of<with_virtual_base>() == "{id:i32,own:i32}");
    with_virtual_base far;
    far.id = 1;
    far.own = 2;
    with_virtual_base back;
    REQUIRE(mitogen::decode_into(mitogen::encode(far), back));
    CHECK(back.id == 1);
    CHECK(back.own == 2);
}

TEST_CASE("a template has one list for all of its instances") {
    CHECK(mitogen::signature_of<box<std::string>>() == "{inside:string}");
    CHECK(mitogen::signature_of<box<box<int>>>() == "{inside:{inside:i32}}");
    CHECK(through(box<std::string>{"s", 6}).inside == "s");
    CHECK(through(box<std::string>{"s", 6}).unsent == 5);
}

TEST_CASE("a list may name C arrays, which an aggregate may not have") {
    CHECK(mitogen::signature_of<with_c_array>() == "{rest:i32,code:[char;4]}");
    const with_c_array back = through(with_c_array{{'a', 'b', 'c', 'd'}, 7});
    CHECK(std::string_view(back.code, 4) == "abcd");
    CHECK(back.rest == 7);
}

TEST_CASE("listed members travel in the order of the list, whatever the order in memory") {
    const mitogen::buffer bytes = mitogen::encode(reversed{1, 2});
    REQUIRE(bytes.size() == 8);
    CHECK(bytes[0] == std::byte{2});
    CHECK(bytes[4] == std::byte{1});
    CHECK(through(reversed{1, 2}).x == 1);
    CHECK(mitogen::signature_of<in_order>() == "{x:i32,y:i32}");
    CHECK(through(in_order{1, 2}).y == 2);
}

TEST_CASE("what arrives for listed members is checked as for others") {
    const mitogen::buffer whole = mitogen::encode(sample{"name", 1, 0});
    const std::span<const std::byte> bytes = whole;
    for (std::size_t n = 0; n < bytes.size(); ++n) {
        INFO("cut to " << n << " bytes of " << bytes.size());
        CHECK_FALSE(mitogen::decode<sample>(bytes.first(n)));
    }
    const auto cut = mitogen::decode<sample>(bytes.first(2));
    REQUIRE_FALSE(cut);
    CHECK(cut.error().message() ==
          "cannot decode {number:i32,name:string}: the bytes end too early, missing 2 "
          "at byte 0 of 2, expected i32");
    std::vector<std::byte> longer(bytes.begin(), bytes.end());
    longer.push_back({});
    CHECK_FALSE(mitogen::decode<sample>(longer));
}

TEST_CASE("Boost.PFR finds the members of larger aggregates, and they have their names") {
    const std::string signature = mitogen::signature_of<more_than_bound>();
    CHECK(signature.ends_with(",b15:i8,b16:i8,name_after_32:string}"));
    more_than_bound value;
    value.a1 = 1;
    value.b16 = 16;
    value.name_after_32 = "n";
    CHECK(through(value) == value);
}
