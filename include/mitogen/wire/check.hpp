// SPDX-License-Identifier: BSL-1.0
#pragma once
// check.hpp: finds the type that cannot travel, however deep it is, and says what to do about it in one line.

#include <mitogen/base/config.hpp>
#include <mitogen/wire/reader.hpp>
#include <mitogen/wire/shapes.hpp>
#include <mitogen/wire/signature.hpp>
#include <mitogen/wire/writer.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// A step on the way to the type that has no codec: the part of `Whole` (element, member, alternative) with that index, from 0.
template <class Whole, std::size_t Index>
struct part_of;

template <class>
inline constexpr bool never_true = false;

/// Fails to compile. Compilers print `T`, and `Reached` as the way from the type that was to travel.
template <class T, class... Reached>
constexpr void no_codec() {
    if constexpr (std::is_pointer_v<T> || std::is_member_pointer_v<T> || std::is_null_pointer_v<T>)
        static_assert(never_true<T>,
                      "mitogen: a pointer means nothing in another process; send the value itself, a std::optional or a "
                      "std::unique_ptr (T, named beside this message, is the type)");
    else if constexpr (std::is_const_v<T> || std::is_volatile_v<T> || std::is_reference_v<T>)
        static_assert(never_true<T>,
                      "mitogen: nothing can be decoded into a const, volatile or reference member; make it an ordinary one "
                      "(T, named beside this message, is its type)");
    else if constexpr (std::is_same_v<T, long double>)
        static_assert(never_true<T>, "mitogen: long double has another format on every kind of machine; send a double");
    else if constexpr (std::is_class_v<T> && !std::is_default_constructible_v<T>)
        static_assert(never_true<T>,
                      "mitogen: T, named beside this message, has no default constructor, which decoding needs; give it one or "
                      "specialise mitogen::codec<T>");
    else if constexpr (!MITOGEN_HAS_PFR && plain_aggregate<T>)
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, travels through Boost.PFR, which is not on the "
                      "include path; install Boost 1.81 or newer (Debian: libboost-dev) or specialise mitogen::codec<T>");
    else if constexpr (std::is_aggregate_v<T> && std::is_class_v<T>)
        static_assert(never_true<T>,
                      "mitogen: the aggregate T, named beside this message, has base classes, which Boost.PFR cannot see; "
                      "describe it with BOOST_DESCRIBE_STRUCT (Boost 1.81 or newer; Debian: libboost-dev)");
    else
        static_assert(never_true<T>,
                      "mitogen: T, named beside this message, has no codec; make it an aggregate, describe it with "
                      "BOOST_DESCRIBE_CLASS (Boost 1.81 or newer; Debian: libboost-dev) or specialise mitogen::codec<T>");
}

/// A type without a codec: whoever uses one all the same gets the message of no_codec(), once.
template <class T>
struct shaped<T, shape::none> {
    static constexpr bool is_missing = true;

    static std::size_t size(const T&) { return no_codec<T>(), std::size_t{0}; }
    static void encode(writer&, const T&) { no_codec<T>(); }
    static bool decode(reader&, T&) { return no_codec<T>(), false; }
    static void signature(signature_sink&) { no_codec<T>(); }
};

template <class T, class... Outer>
consteval bool travels();

template <class... Outer, class... Ts>
consteval bool all_travel(parts<Ts...>) {
    return (... && travels<Ts, Outer...>());
}

// Outer are the types that we are inside of: a type that contains itself is looked at once.
template <class T, class... Outer>
consteval bool travels() {
    if constexpr (missing<T>()) return false;
    else if constexpr ((... || std::is_same_v<T, Outer>)) return true;
    else if constexpr (requires { typename codec<T>::parts; }) return all_travel<T, Outer...>(typename codec<T>::parts{});
    else return true;
}

template <class T, class... Outer>
consteval bool may_hold();

template <class... Outer, class... Ts>
consteval bool any_may_hold(parts<Ts...>) {
    return (... || may_hold<Ts, Outer...>());
}

// True where decoding may leave memory with the reader that the value points into.
template <class T, class... Outer>
consteval bool may_hold() {
    if constexpr ((... || std::is_same_v<T, Outer>)) return false;
    else if constexpr (requires { requires codec<T>::may_hold; }) return true;
    else if constexpr (requires { typename codec<T>::parts; }) return any_may_hold<T, Outer...>(typename codec<T>::parts{});
    else return false;
}

template <class T, class... Reached>
constexpr void blame();

template <class Whole, class... Reached, class... Ts, std::size_t... I>
constexpr void blame_first(parts<Ts...>, std::index_sequence<I...>) {
    constexpr bool fine[] = {travels<Ts>()..., false};
    constexpr std::size_t culprit = [&fine] {
        std::size_t i = 0;
        while (fine[i]) ++i;
        return i;
    }();
    ([] { if constexpr (I == culprit) blame<Ts, Reached..., part_of<Whole, I>>(); }(), ...);
}

// Walks to the first type without a codec.
template <class T, class... Reached>
constexpr void blame() {
    if constexpr (missing<T>()) {
        no_codec<T, Reached...>();
    } else if constexpr (requires { typename codec<T>::parts; }) {
        []<class... Ts>(parts<Ts...> p) {
            blame_first<T, Reached...>(p, std::index_sequence_for<Ts...>{});
        }(typename codec<T>::parts{});
    }
}

/// Fails to compile with the reason why `T` does not travel, where it does not.
template <class T>
constexpr void require() {
    if constexpr (!travels<T>()) blame<T>();
}

} // namespace wire

/// Types that can be arguments and results: all that they consist of has a codec.
template <class T>
concept wire_type = wire::travels<T>();

} // namespace mitogen::inline MITOGEN_ABI
