// SPDX-License-Identifier: BSL-1.0
#pragma once
// listed.hpp: the wire form of classes whose members the program lists: see mitogen::members.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reflect/member_codec.hpp>
#include <mitogen/codec/reflect/member_names.hpp>
#include <mitogen/codec/reflect/members.hpp>
#include <mitogen/codec/reflect/missing.hpp>
#include <mitogen/codec/shapes.hpp>

#include <cstddef>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

template <auto Pointer>
struct listed_member {
    static constexpr auto pointer = Pointer;
    static constexpr auto text = name_of_member<Pointer>();
    static constexpr std::string_view name = text.view();
};

template <class T, class Indices>
struct listed_members;

template <class T, std::size_t... I>
struct listed_members<T, std::index_sequence<I...>>
    : pointed_members<T, parts<>, listed_member<nth_member<T, I>>...> {};

template <class T>
using list_indices =
    std::make_index_sequence<std::tuple_size_v<decltype(members_of<T>().pointers)>>;

template <class T>
struct listed_codec : member_codec<T, listed_members<T, list_indices<T>>> {};

template <class T>
struct shaped<T, shape::listed> : std::conditional_t<find_list_problem<T>() == list_problem::none,
                                                     listed_codec<T>, shaped<T, shape::none>> {};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
