// SPDX-License-Identifier: BSL-1.0
#pragma once
// check.hpp: finds the type that cannot travel, however deep it is.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reflect/missing.hpp>
#include <mitogen/codec/shapes.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

template <class T, class... Outer>
consteval bool travels();

template <class... Outer, class... Ts>
consteval bool all_travel(parts<Ts...>) {
    return (... && travels<Ts, Outer...>());
}

// Outer are the types that we are inside of: a type that contains itself is looked at once.
template <class T, class... Outer>
consteval bool travels() {
    if constexpr (missing<T>())
        return false;
    else if constexpr ((... || std::is_same_v<T, Outer>))
        return true;
    else if constexpr (requires { typename codec<T>::parts; })
        return all_travel<T, Outer...>(typename codec<T>::parts{});
    else
        return true;
}

template <class T, class... Outer>
consteval bool may_hold();

template <class... Outer, class... Ts>
consteval bool any_may_hold(parts<Ts...>) {
    return (... || may_hold<Ts, Outer...>());
}

// True if decoding may leave memory with the reader that the value points into.
template <class T, class... Outer>
consteval bool may_hold() {
    if constexpr ((... || std::is_same_v<T, Outer>))
        return false;
    else if constexpr (requires { requires codec<T>::may_hold; })
        return true;
    else if constexpr (requires { typename codec<T>::parts; })
        return any_may_hold<T, Outer...>(typename codec<T>::parts{});
    else
        return false;
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
    (
        [] {
            if constexpr (I == culprit) blame<Ts, Reached..., part_of<Whole, I>>();
        }(),
        ...);
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

/// Fails to compile with the reason why `T` does not travel, if it does not.
template <class T>
constexpr void require() {
    if constexpr (!travels<T>()) blame<T>();
}

} // namespace wire

/// Types that can be arguments and results: all that they consist of has a codec.
template <class T>
concept wire_type = wire::travels<T>();

} // namespace mitogen::inline MITOGEN_ABI
