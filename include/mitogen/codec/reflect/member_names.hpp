// SPDX-License-Identifier: BSL-1.0
#pragma once
// member_names.hpp: the names of members, as the compiler writes them when it prints a pointer to
// one.

#include <mitogen/base/config.hpp>

#include <array>
#include <cstddef>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

// clang before 18 takes the address of a part of an object as an argument of a template only inside
// a class.
template <class Pointer>
struct pointer_argument {
    Pointer pointer;
};
template <class Pointer>
pointer_argument(Pointer) -> pointer_argument<Pointer>;

template <auto Pointer>
consteval const char* print_argument() {
    return __PRETTY_FUNCTION__;
}

// "[with auto Pointer = ...{(& imagined<disk>.imagined_box<disk>::value.disk::mount)}]" from g++,
// "[Pointer = {&imagined.value.mount}]" from clang++, "&disk::mount" from both if it is a pointer
// to a member: the name is the last word.
consteval std::string_view last_word(std::string_view text) {
    const auto in_word = [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_' || c == '$' || static_cast<unsigned char>(c) >= 0x80;
    };
    while (!text.empty() && !in_word(text.back())) text.remove_suffix(1);
    std::size_t begin = text.size();
    while (begin != 0 && in_word(text[begin - 1])) --begin;
    return text.substr(begin);
}

// A copy, so that not all that the compiler printed becomes part of the program.
template <std::size_t Length>
struct name_text {
    std::array<char, Length> letters{};

    consteval explicit name_text(std::string_view name) {
        // std::copy is in <algorithm>, which costs every file that calls
        for (std::size_t i = 0; i < name.size(); ++i) letters[i] = name[i];
    }
    constexpr std::string_view view() const noexcept { return {letters.data(), Length}; }
};

/// The name of the member to which `Pointer` leads: a pointer to a member, or to a part of an
/// object as a pointer_argument.
template <auto Pointer>
consteval auto name_of_member() {
    constexpr std::string_view name = last_word(print_argument<Pointer>());
    static_assert(!name.empty());
    return name_text<name.size()>(name);
}

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
