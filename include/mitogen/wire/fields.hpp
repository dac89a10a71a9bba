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

#if defined(__GNUC__) && !defined(__clang__) && __GNUC__ < 13

// g++ 12 ends with an internal error (check_noexcept_r, at cp/except.cc) where PFR counts the members of a struct that holds an array of
// a class with a destructor, such as std::array<std::string, 2>. So the members are counted here, and PFR only binds them.
template <class T>
struct any_but {
    template <class U>
        requires(!std::is_same_v<std::remove_cvref_t<U>, T>)
    operator U() const noexcept;
};

template <class T, std::size_t... I>
concept takes = requires { T{(void(I), any_but<T>{})...}; };

template <class T, std::size_t... I>
consteval std::size_t count_fields(std::index_sequence<I...>) {
    if constexpr (takes<T, I..., 0>) return count_fields<T>(std::index_sequence<I..., 0>{});
    else return sizeof...(I);
}

template <class T>
constexpr auto bind_fields(T& value) noexcept {
    return boost::pfr::detail::tie_as_tuple(value, boost::pfr::detail::size_t_<count_fields<std::remove_cv_t<T>>(std::index_sequence<>{})>{});
}

template <template <class...> class Tuple, class... References>
constexpr auto to_std(const Tuple<References...>& bound) noexcept {
    return [&bound]<std::size_t... I>(std::index_sequence<I...>) {
        return std::tuple<References...>(boost::pfr::detail::sequence_tuple::get<I>(bound)...);
    }(std::index_sequence_for<References...>{});
}

/// A std::tuple of references to the members of `value`.
template <class T>
constexpr auto tie_fields(T& value) noexcept {
    return to_std(bind_fields(value));
}

#else

/// A std::tuple of references to the members of `value`.
template <class T>
constexpr auto tie_fields(T& value) noexcept {
    return boost::pfr::structure_tie(value);
}

#endif

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
