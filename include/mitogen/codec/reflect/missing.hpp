// SPDX-License-Identifier: BSL-1.0
#pragma once
// missing.hpp: what is said, in one line, about a type that cannot travel.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/reflect/fields.hpp>
#include <mitogen/codec/reflect/members.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// A step on the way to the type that has no codec: the part of `Whole` (element, member,
/// alternative) with that index, from 0.
template <class Whole, std::size_t Index>
struct part_of;

template <class>
inline constexpr bool never_true = false;

// The messages about an aggregate whose members cannot be told.
template <class T, field_problem Problem, class... Reached>
constexpr void no_fields() {
    if constexpr (Problem == field_problem::array)
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, has a C array, which "
                      "counts like several members; use std::array, or list the members in "
                      "mitogen::members<T>");
    else if constexpr (Problem == field_problem::no_address)
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, has a bit-field, a "
                      "reference or a volatile member; make it an ordinary one, or list the "
                      "other members in mitogen::members<T>");
    else if constexpr (MITOGEN_HAS_PFR)
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, has more than 100 "
                      "members (each element of a C array counts); nest it, use std::array, or "
                      "list its members in mitogen::members<T>");
    else
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, has more than 32 "
                      "members (each element of a C array counts), which takes Boost.PFR; "
                      "install Boost 1.81 or newer (Debian 12: libboost1.81-dev), nest it, use "
                      "std::array, or list its members in mitogen::members<T>");
}

// The messages about a list of members that is of no use.
template <class T, list_problem Problem, class... Reached>
constexpr void no_members_of() {
    if constexpr (Problem == list_problem::no_list)
        static_assert(never_true<T>,
                      "mitogen: the members of T, named beside this message, are not what "
                      "mitogen::list() returns; write mitogen::members<T> = "
                      "mitogen::list(&T::first, &T::second)");
    else if constexpr (Problem == list_problem::no_member)
        static_assert(never_true<T>,
                      "mitogen: the list of members of T, named beside this message, holds "
                      "something else than pointers to data members of T and of its base classes");
    else if constexpr (Problem == list_problem::twice)
        static_assert(never_true<T>,
                      "mitogen: the list of members of T, named beside this message, names a "
                      "member twice; one value cannot be decoded into the other's place");
    else
        static_assert(never_true<T>,
                      "mitogen: mitogen_members() of T, named beside this message, names members "
                      "of base classes alone, as one that is inherited does; list those of T "
                      "itself in mitogen::members<T>");
}

template <class T>
consteval field_problem problem_of_aggregate() {
    if constexpr (plain_aggregate<T> && !listed_class<T>)
        return find_field_problem<T>();
    else
        return field_problem::none;
}

// The messages about classes; the first that applies.
template <class T, class... Reached>
constexpr void no_class_codec() {
    if constexpr (problem_of_aggregate<T>() != field_problem::none)
        no_fields<T, problem_of_aggregate<T>(), Reached...>();
    else if constexpr (!std::is_default_constructible_v<T>)
        static_assert(never_true<T>,
                      "mitogen: T, named beside this message, has no default constructor, which "
                      "decoding needs; give it one or specialise mitogen::codec<T>");
    else if constexpr (listed_class<T>)
        no_members_of<T, find_list_problem<T>(), Reached...>();
    else if constexpr (std::is_aggregate_v<T>)
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, has base classes, "
                      "whose members cannot be told; list all members in mitogen::members<T>, or "
                      "describe it with BOOST_DESCRIBE_STRUCT (Boost 1.81 or newer; Debian 12: "
                      "libboost1.81-dev)");
    else
        static_assert(never_true<T>,
                      "mitogen: T, named beside this message, has no codec; make it an "
                      "aggregate, list its members in mitogen::members<T> (private ones inside "
                      "it, in a static mitogen_members()), describe it with BOOST_DESCRIBE_CLASS "
                      "(Boost 1.81 or newer; Debian 12: libboost1.81-dev) or specialise "
                      "mitogen::codec<T>");
}

/// Fails to compile. Compilers print `T`, and `Reached` as the way from the type that was to
/// travel.
template <class T, class... Reached>
constexpr void no_codec() {
    if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T>)
        static_assert(never_true<T>,
                      "mitogen: a pointer means nothing in another process; send the value "
                      "itself, a std::optional or a std::unique_ptr (T, named beside this "
                      "message, is the type)");
    else if constexpr (std::is_const_v<T> || std::is_volatile_v<T> || std::is_reference_v<T>)
        static_assert(never_true<T>,
                      "mitogen: nothing can be decoded into a const, volatile or reference "
                      "member; make it an ordinary one (T, named beside this message, is its "
                      "type)");
    else if constexpr (std::is_same_v<T, long double>)
        static_assert(never_true<T>,
                      "mitogen: long double has another format on every kind of machine; send a "
                      "double");
    else if constexpr (std::is_class_v<T>)
        no_class_codec<T, Reached...>();
    else
        static_assert(never_true<T>,
                      "mitogen: T, named beside this message, is of a kind that cannot travel; "
                      "use a class instead, a std::variant or a std::array, or specialise "
                      "mitogen::codec<T>");
}

/// A type without a codec: a program that uses it all the same gets the message of no_codec().
template <class T>
struct shaped<T, shape::none> {
    static constexpr bool is_missing = true;

    static std::size_t size(const T&) { return no_codec<T>(), std::size_t{0}; }
    static void encode(writer&, const T&) { no_codec<T>(); }
    static bool decode(reader&, T&) { return no_codec<T>(), false; }
    static void signature(signature_sink&) { no_codec<T>(); }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
