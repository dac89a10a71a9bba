// SPDX-License-Identifier: BSL-1.0
#include "registry_functions.hpp"

#include <catch2/catch.hpp>
#include <cstdint>
#include <map>
#include <mitogen/mitogen.hpp>
#include <set>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace identity_test {

struct supplied {};
enum class color : std::uint8_t { red, green };

int add(int, int) { return 0; }
std::string text(std::string_view, const std::string&, std::string) { return {}; }
void nothing() {}
int injected(supplied&, int, const supplied&) { return 0; }
int quiet(int) noexcept { return 0; }
int overloaded(int) { return 0; }
int overloaded(double) { return 0; }
std::map<std::string, std::vector<int>> nested(std::vector<std::vector<bool>>) { return {}; }
template <int N>
int added(int x) {
    return x + N;
}
template <std::size_t N>
int sized(int x) {
    return x + static_cast<int>(N);
}
template <class T>
T twice(T x) {
    return x;
}
template <class... Ts>
int pack(int x) {
    return x;
}
template <class T>
auto deduced(T x) -> decltype(x + 1) {
    return x + 1;
}
template <auto V>
int valued(int x) {
    return x;
}
template <class T, class U = std::int64_t>
struct box {
    static T get(T x) { return x; }
    template <class V>
    static V convert(V x) {
        return x;
    }
};
struct holder {
    static int member(int x) { return x; }
};
inline namespace v2 {
int versioned(int x) { return x; }
} // namespace v2
struct functor {
    int operator()(int x) const { return x; }
};
int operator+(color, int x) { return x; }
int renamed(int x) { return x; }

} // namespace identity_test

using namespace identity_test;

static int file_static(int x) { return x; }
extern "C" int identity_test_c_function(int x) { return x; }

template <>
inline constexpr bool mitogen::detail::is_injected<identity_test::supplied> = true;
template <>
inline constexpr std::string_view mitogen::name_of<&identity_test::renamed> = "db.count";

int registry_functions::in_two_files(int x) { return x; }
registry_functions::seen registry_functions::from_the_other_file() {
    return {&mitogen::detail::entry_of<&in_two_files>(), &mitogen::detail::entry_of<&added<3>>(),
            &mitogen::detail::entry_of<doubled>()};
}

namespace {

/// What a function is called where RTTI is on, and where it is off (see identity.hpp for what is
/// missing there).
struct golden {
    std::string identity;
    std::string complete;
    std::string gcc_without_rtti = complete;
    std::string clang_without_rtti = gcc_without_rtti;

    const std::string& expected() const {
#if defined(__cpp_rtti)
        return complete;
#elif defined(__clang__)
        return clang_without_rtti;
#else
        return gcc_without_rtti;
#endif
    }
};

} // namespace

TEST_CASE("identities are the same text from every compiler") {
    using mitogen::function_identity;
    const std::vector<golden> table = {
        {function_identity<&add>(), "identity_test::add(i32,i32)->i32"},
        {function_identity<add>(), "identity_test::add(i32,i32)->i32"},
        {function_identity<&text>(), "identity_test::text(string,string,string)->string"},
        {function_identity<&nothing>(), "identity_test::nothing()->void"},
        {function_identity<&injected>(), "identity_test::injected(i32)->i32"},
        {function_identity<&quiet>(), "identity_test::quiet(i32)->i32"},
        {function_identity<static_cast<int (*)(int)>(&overloaded)>(),
         "identity_test::overloaded(i32)->i32"},
        {function_identity<static_cast<int (*)(double)>(&overloaded)>(),
         "identity_test::overloaded(f64)->i32"},
        {function_identity<&file_static>(), "file_static(i32)->i32"},
        {function_identity<&identity_test_c_function>(), "identity_test_c_function(i32)->i32"},
        {function_identity<&holder::member>(), "identity_test::holder::member(i32)->i32"},
        {function_identity<functor{}>(), "identity_test::functor(i32)->i32"},
        {function_identity<static_cast<int (*)(color, int)>(&operator+)>(),
         "identity_test::operator+(" + mitogen::signature_of<color>() + ",i32)->i32"},
        {function_identity<&renamed>(), "db.count(i32)->i32"},

        {function_identity<&added<1>>(), "identity_test::added<1>(i32)->i32",
         "identity_test::added<1>(i32)->i32", "identity_test::added(i32)->i32"},
        {function_identity<&added<-2>>(), "identity_test::added<-2>(i32)->i32",
         "identity_test::added<-2>(i32)->i32", "identity_test::added(i32)->i32"},
        {function_identity<&sized<3>>(), "identity_test::sized<3>(i32)->i32",
         "identity_test::sized<3>(i32)->i32", "identity_test::sized(i32)->i32"},
        {function_identity<&twice<std::uint64_t>>(), "identity_test::twice<u64>(u64)->u64",
         "identity_test::twice<u64>(u64)->u64", "identity_test::twice(u64)->u64"},
        {function_identity<&twice<std::int64_t>>(), "identity_test::twice<i64>(i64)->i64",
         "identity_test::twice<i64>(i64)->i64", "identity_test::twice(i64)->i64"},
        {function_identity<&twice<std::string>>(),
         "identity_test::twice<std::string>(string)->string",
         "identity_test::twice<std::string>(string)->string",
         "identity_test::twice(string)->string"},
        {function_identity<&pack<>>(), "identity_test::pack<>(i32)->i32",
         "identity_test::pack<>(i32)->i32", "identity_test::pack(i32)->i32"},
        {function_identity<&pack<std::map<int, std::vector<std::string>>, const char*,
                                 mitogen::error, int(unsigned char)>>(),
         "identity_test::pack<std::map<i32,std::vector<std::string>>,char "
         "const*,mitogen::error,i32(u8)>(i32)->i32",
         "identity_test::pack<std::map<i32,std::vector<std::string>>,char "
         "const*,mitogen::error,i32(u8)>(i32)->i32",
         "identity_test::pack(i32)->i32"},
        {function_identity<&deduced<int>>(), "identity_test::deduced<i32>(i32)->i32",
         "identity_test::deduced<i32>(i32)->i32", "identity_test::deduced(i32)->i32"},
        {function_identity<&box<int>::get>(), "identity_test::box<i32,i64>::get(i32)->i32",
         "identity_test::box<i32>::get(i32)->i32"},
        {function_identity<&box<int>::convert<short>>(),
         "identity_test::box<i32,i64>::convert<i16>(i16)->i16",
         "identity_test::box<i32>::convert<i16>(i16)->i16",
         "identity_test::box<i32>::convert(i16)->i16"},
        {function_identity<&versioned>(), "identity_test::v2::versioned(i32)->i32",
         "identity_test::v2::versioned(i32)->i32", "identity_test::versioned(i32)->i32"},
// The demangler of libstdc++ 12 does not know how clang 18 mangles `template <auto>`.
#if !defined(__clang__) || __clang_major__ < 18 || defined(_LIBCPP_VERSION)
        {function_identity<&valued<'a'>>(), "identity_test::valued<97>(i32)->i32",
         "identity_test::valued<97>(i32)->i32", "identity_test::valued(i32)->i32"},
        {function_identity<&valued<color::green>>(),
         "identity_test::valued<(identity_test::color)1>(i32)->i32",
         "identity_test::valued<identity_test::color::green>(i32)->i32",
         "identity_test::valued(i32)->i32"},
        {function_identity<&valued<&add>>(), "identity_test::valued<identity_test::add>(i32)->i32",
         "identity_test::valued<add>(i32)->i32", "identity_test::valued(i32)->i32"},
#endif
    };
    for (const golden& row : table) {
        INFO(row.complete);
        CHECK(row.identity == row.expected());
    }
}

TEST_CASE("overloads and instances differ") {
    std::set<std::string> texts = {
        mitogen::function_identity<static_cast<int (*)(int)>(&overloaded)>(),
        mitogen::function_identity<static_cast<int (*)(double)>(&overloaded)>(),
        mitogen::function_identity<&twice<int>>(), mitogen::function_identity<&twice<short>>()};
    CHECK(texts.size() == 4);
#if defined(__cpp_rtti) || !defined(__clang__)
    CHECK(mitogen::function_identity<&added<1>>() != mitogen::function_identity<&added<2>>());
#endif
}

TEST_CASE("an identity is a name and a signature") {
    CHECK(mitogen::function_name<&renamed>() == "db.count");
    CHECK(mitogen::function_signature<&renamed>() == "(i32)->i32");
    CHECK(mitogen::function_signature<&nested>() ==
          "(" + mitogen::signature_of<std::vector<std::vector<bool>>>() + ")->" +
              mitogen::signature_of<std::map<std::string, std::vector<int>>>());
    CHECK(mitogen::function_signature<[](const std::vector<int>&, supplied&, bool) {}>() ==
          "([i32],bool)->void");
}

TEST_CASE("what compilers and demanglers print becomes one spelling") {
    using mitogen::detail::canonical_function;
    const std::string u64 = sizeof(long) == 8 ? "u64" : "u32";
    const struct {
        std::string_view printed;
        std::string canonical;
    } table[] = {
        // libiberty
        {"&(int ns::f<1, 3ul, true, (char)97, (short)-3, (ns::color)1>(int))",
         "ns::f<1,3,true,97,-3,(ns::color)1>"},
        {"&(std::__cxx11::basic_string<char, std::char_traits<char>, std::allocator<char> > "
         "f<unsigned long>(unsigned long))",
         "f<" + u64 + ">"},
        {"&(decltype ({parm#1}+(1)) f<int>(int))", "f<i32>"},
        {"&(void (*f<int>(int))(double))", "f<i32>"},
        {"&(f<&(int g<4>(int))>(int) const)", "f<g<4>>"},
        {"&(rs[abi:cxx11](int))", "rs"},
        {"&(operator<<(color, color))", "operator<<"},
        {"&(int operator< <int>(box<int>, int))", "operator< <i32>"},
        {"&(f<ns::(anonymous namespace)::t, int const volatile* const&, int (&) [3]>())",
         "f<ns::(anonymous namespace)::t,i32 const volatile* const&,i32(&)[3]>"},
        {"main::{lambda(int)#2}{}", "main()::{lambda(int)#2}"},
        {"ns::adder{3}", "ns::adder{3}"},
        // LLVM
        {"&unsigned long long f<std::__1::vector<int, "
         "std::__1::allocator<int>>>(std::__1::vector<int, "
         "std::__1::allocator<int>>)",
         "f<std::vector<i32>>"},
        {"&decltype(fp + 1) f<int>(int)", "f<i32>"},
        {"&void f<&st(int)>()", "f<st>"},
        {"&foo::S::mem(int) const", "foo::S::mem"},
        {"&main::L::f(int)", "main()::L::f"},
        // gcc
        {"f<long unsigned int, const std::map<int, long double>&, 'a', '\\000', '\\''>",
         "f<" + u64 + ",std::map<i32,long double> const&,97,0,39>"},
        {"f<const char*, int (ns::C::*)(short int), void (*)(int, signed char)>",
         "f<char const*,i32(ns::C::*)(i16),void(*)(i32,i8)>"},
        {"ns::{anonymous}::f", "ns::(anonymous namespace)::f"},
        {"<lambda closure object>main()::<lambda(int)>()", "main()::<lambda(int)>"},
        {"f<std::set<int, std::greater<int> >, std::unordered_map<int, bool> >",
         "f<std::set<i32,std::greater<i32>>,std::unordered_map<i32,bool>>"},
        // clang
        {"&foo::(anonymous namespace)::f", "foo::(anonymous namespace)::f"},
        {"(lambda at /a/b.cpp:40:2)", "(lambda at /a/b.cpp:40:2)"},
        // what says how a library was built
        {"&(f<mitogen::v0_1_pd::error, mitogen::v0_2::result<int>, mitogen::values>())",
         "f<mitogen::error,mitogen::result<i32>,mitogen::values>"},
        {"&(f<std::chrono::_V2::system_clock, std::filesystem::__cxx11::path>())",
         "f<std::chrono::system_clock,std::filesystem::path>"},
    };
    for (const auto& row : table) {
        INFO(row.printed);
        CHECK(canonical_function(row.printed) == row.canonical);
        for (std::size_t n = 0; n < row.printed.size(); ++n)
            canonical_function(row.printed.substr(0, n)); // what is cut off ends, too
    }
}

TEST_CASE("traits tell what travels") {
    using mitogen::detail::type_list;
    using closure = mitogen::detail::callable_traits<decltype(
        [](const std::string&, supplied&, std::string_view) noexcept { return 1; })>;
    STATIC_REQUIRE(std::is_same_v<closure::result, int>);
    STATIC_REQUIRE(std::is_same_v<closure::parameters,
                                  type_list<const std::string&, supplied&, std::string_view>>);
    STATIC_REQUIRE(
        std::is_same_v<closure::wire_parameters, type_list<std::string, std::string_view>>);
    STATIC_REQUIRE(closure::is_noexcept);

    using pointer = mitogen::detail::function_traits<&injected>;
    STATIC_REQUIRE(std::is_same_v<pointer::parameters, type_list<supplied&, int, const supplied&>>);
    STATIC_REQUIRE(std::is_same_v<pointer::wire_parameters, type_list<int>>);
    STATIC_REQUIRE(pointer::arity == 3);
    STATIC_REQUIRE(!pointer::is_noexcept);
    STATIC_REQUIRE(!pointer::is_closure);
    STATIC_REQUIRE(mitogen::detail::function_traits<&quiet>::is_noexcept);
}
