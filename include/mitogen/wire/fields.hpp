// SPDX-License-Identifier: BSL-1.0
#pragma once
// fields.hpp: the members of an aggregate as a tuple of references, from Boost.PFR.

#include <mitogen/base/config.hpp>
#include <mitogen/wire/shapes.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
#if MITOGEN_HAS_PFR
namespace wire {

// The members are counted here and only bound by PFR, whose own count tries references too: that is an error
// inside a vector of unique_ptr (clang 14), and an internal error of g++ 12 (check_noexcept_r) where there is a
// std::array<std::string, 2>.
template <class T>
struct any_but {
    template <class U>
        requires(!std::is_same_v<U, T>)
    operator U() const;
};

template <class T, std::size_t... I>
concept takes = requires { T{(void(I), any_but<T>{})...}; };

// PFR binds at most that many.
inline constexpr std::size_t most_fields = 100;

template <class T, std::size_t... I>
consteval std::size_t count_fields(std::index_sequence<I...>) {
    if constexpr (sizeof...(I) <= most_fields && takes<T, I..., 0>) return count_fields<T>(std::index_sequence<I..., 0>{});
    else return sizeof...(I);
}

// {} initialises one whole member, and a C array takes several of the values that were counted: then too many are left.
template <class T, std::size_t... Before, std::size_t... After>
consteval bool one_member(std::index_sequence<Before...>, std::index_sequence<After...>) {
    return !requires { T{(void(Before), any_but<T>{})..., {}}; } ||
           requires { T{(void(Before), any_but<T>{})..., {}, (void(After), any_but<T>{})...}; };
}

template <class T, std::size_t... I>
consteval bool no_arrays(std::index_sequence<I...>) {
    return (... && one_member<T>(std::make_index_sequence<I>{}, std::make_index_sequence<sizeof...(I) - 1 - I>{}));
}

template <class T>
struct field_count {
    static constexpr std::size_t counted = count_fields<T>(std::index_sequence<>{});
    static_assert(counted <= most_fields,
                  "mitogen: an aggregate of more than 100 members (an array of n elements counts n times) is too large for "
                  "Boost.PFR; nest it, use std::array, or describe it with BOOST_DESCRIBE_STRUCT");
    static constexpr bool plain = counted > most_fields || no_arrays<T>(std::make_index_sequence<counted>{});
    static_assert(
        plain,
        "mitogen: Boost.PFR cannot see C arrays in an aggregate; use std::array, or describe it with BOOST_DESCRIBE_STRUCT "
        "(T, named beside this message, is the aggregate)");
    static constexpr std::size_t value = counted <= most_fields && plain ? counted : 0;
};

template <template <class...> class Tuple, class... References>
constexpr auto to_std(const Tuple<References...>& bound) noexcept {
    return [&bound]<std::size_t... I>(std::index_sequence<I...>) {
        return std::tuple<References...>(boost::pfr::detail::sequence_tuple::get<I>(bound)...);
    }(std::index_sequence_for<References...>{});
}

/// A std::tuple of references to the members of `value`.
template <class T>
constexpr auto tie_fields(T& value) noexcept {
    using count = std::integral_constant<std::size_t, field_count<std::remove_cv_t<T>>::value>;
    if constexpr (count::value == 0) return std::tuple<>();
    else if constexpr (requires { boost::pfr::detail::tie_as_tuple(value, count{}); })
        return to_std(boost::pfr::detail::tie_as_tuple(value, count{}));
    else return boost::pfr::structure_tie(value); // where PFR uses the language's own packs, it has nothing to count
}

template <class>
struct referred;
template <class... Ts>
struct referred<std::tuple<Ts&...>> {
    using type = parts<Ts...>;
};

/// The types of the members of `T`, in order.
template <class T>
using fields_of = typename referred<decltype(tie_fields(std::declval<T&>()))>::type;

} // namespace wire
#endif
} // namespace mitogen::inline MITOGEN_ABI
