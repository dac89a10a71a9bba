// SPDX-License-Identifier: BSL-1.0
#include <mitogen/debug/frames/frame_text.hpp>

#include <catch2/catch.hpp>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using mitogen::detail::named_frame;

namespace {

std::string name_in(std::string_view function) {
    return std::string(mitogen::detail::function_name_reader(function).read());
}

TEST_CASE("the name of a function is found between what it returns and what it takes") {
    CHECK(name_in("main") == "main");
    CHECK(name_in("area(int, double)") == "area");
    CHECK(name_in("user::f(std::vector<int>) const") == "user::f");
    CHECK(name_in("int user::f<int>(int)") == "user::f<int>");
    CHECK(name_in("unsigned long user::f<a::b (*)(int)>(int)") == "user::f<a::b (*)(int)>");
    CHECK(name_in("a::b<c, (d)1> user::f<int>(int)") == "user::f<int>");
    CHECK(name_in("(anonymous namespace)::f(int)") == "(anonymous namespace)::f");
    CHECK(name_in("void (anonymous namespace)::f<int>(int)") == "(anonymous namespace)::f<int>");
    CHECK(name_in("main::{lambda(int)#1}::operator()(int) const") ==
          "main::{lambda(int)#1}::operator()");
    CHECK(name_in("main::$_0::operator()(int) const") == "main::$_0::operator()");
    CHECK(name_in("user::f(int)::{lambda()#1}::operator()() const") == "user::f");
    CHECK(name_in("user::x::operator bool() const") == "user::x::operator bool() const");
    CHECK(name_in("bool user::operator< <int>(int)") == "user::operator< <int>");
    CHECK(name_in("user::operator->() const") == "user::operator->");
    CHECK(name_in("std::ostream& user::operator<<(std::ostream&, int)") == "user::operator<<");
    CHECK(name_in("user::my_operator(int)") == "user::my_operator");
    CHECK(name_in("user::operators(int)") == "user::operators");
    CHECK(name_in("decltype (x->f(1)) user::g<int>(int)") == "user::g<int>");
    CHECK(name_in("f[abi:cxx11](int)") == "f[abi:cxx11]");
    for (const char* broken :
         {"", "(", ")", "((((", ">>>>", "operator", "a operator", "x operator("})
        CHECK(name_in(broken).size() <= std::string(broken).size());
}

bool is_library(std::string function, std::string file = {}) {
    return mitogen::detail::is_library_frame(
        {.function = std::move(function), .file = std::move(file), .line = 1});
}

TEST_CASE("frames of the library are told from those of programs that use it") {
    CHECK(is_library("mitogen::v0_1_pd::breakpoint()"));
    CHECK(is_library("mitogen::v0_1_pd::detail::hold(mitogen::v0_1_pd::node&)"));
    CHECK(is_library("void mitogen::v0_1_::detail::invoke_thunk<&user::f>(int)"));
    CHECK(is_library("mitogen::v0_1_::io::native::now() const"));
    CHECK_FALSE(is_library("main"));
    CHECK_FALSE(is_library("mitogen::v0_1_::result<int> user::f<int>(int)"));
    CHECK_FALSE(is_library("user::f(mitogen::v0_1_::dialog<int, int>&)"));
    CHECK_FALSE(is_library("user::mitogen::f()"));
    CHECK_FALSE(is_library("mitogen_user::f()"));
    CHECK_FALSE(is_library("program+0x12ab"));
    CHECK_FALSE(is_library(""));
    CHECK(is_library("operator()", "/usr/include/mitogen/call/call.hpp"));
    CHECK_FALSE(is_library("operator()", "/usr/include/other/mitogen.hpp"));
    CHECK_FALSE(is_library("user::f()", "a/include/mitogen/call/call.hpp"));
}

TEST_CASE("a stack is shown from the first line of the program's own on") {
    const std::vector<std::vector<named_frame>> named{
        {{.function = "mitogen::v0_1_::detail::hold()", .file = "a.hpp", .line = 1}},
        {{.function = "mitogen::v0_1_::breakpoint()", .file = "a.hpp", .line = 2, .inlined = true},
         {.function = "user::f(int)", .file = "a/user.cpp", .line = 12, .inlined = true},
         {.function = "main", .file = "a/user.cpp", .line = 20}},
        {{.function = "mitogen::v0_1_::run()"}},
        {{.function = "libc.so.6+0x12ab"}}};
    CHECK(frame_list_text(mitogen::detail::frames_to_show(named)) ==
          "#0  (inlined) user::f(int) at a/user.cpp:12\n"
          "#1  main at a/user.cpp:20\n"
          "#2  mitogen::run()\n"
          "#3  libc.so.6+0x12ab\n");
}

TEST_CASE("of a stack that is all the library's nothing is left out") {
    const std::vector<std::vector<named_frame>> named(12, {{.function = "mitogen::f()"}});
    const std::string text = frame_list_text(mitogen::detail::frames_to_show(named));
    CHECK(text.find("#0  mitogen::f()\n#1  mitogen::f()\n") == 0);
    CHECK(text.find("\n#10 mitogen::f()\n") != std::string::npos);
    CHECK(frame_list_text(mitogen::detail::frames_to_show({})).empty());
}

} // namespace
