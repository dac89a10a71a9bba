// SPDX-License-Identifier: BSL-1.0
#pragma once
// fields.hpp: the members of an aggregate: how many there are, what they are called, and a tuple of
// references to them.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reflect/bindings.hpp>
#include <mitogen/codec/reflect/member_names.hpp>
#include <mitogen/codec/shapes.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <tuple>
#include <type_traits>
#include <utility>

#if MITOGEN_HAS_PFR
#include <boost/pfr/core.hpp>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// The most members of an aggregate that travels: what bind_members() or, with it on the include
/// path, Boost.PFR binds.
inline constexpr std::size_t most_fields = MITOGEN_HAS_PFR ? 100 : most_bound;

// The members are counted here, even for PFR, whose own count tries references too: that is an
// error inside a vector of unique_ptr (clang 14), and an internal error of g++ 12
// (check_noexcept_r) if there is a std::array<std::string, 2>.
template <class T>
struct any_but {
    template <class U>
        requires(!std::is_same_v<U, T>)
    operator U() const;
};
template <class T>
struct any_reference_but {
    template <class U>
        requires(!std::is_same_v<U, T>)
    operator U&() const;
};

template <class T, std::size_t... I>
concept takes = requires {
    T{(void(I), any_but<T>{})...};
};

template <class T, std::size_t... I>
consteval std::size_t count_fields(std::index_sequence<I...>) {
    if constexpr (sizeof...(I) <= most_fields && takes<T, I..., 0>)
        return count_fields<T>(std::index_sequence<I..., 0>{});
    else
        return sizeof...(I);
}
template <class T>
inline constexpr std::size_t field_count = count_fields<T>(std::index_sequence<>{});

// {} initialises one whole member, and a C array takes several of the values that were counted:
// then too many are left.
template <class T, std::size_t... Before, std::size_t... After>
consteval bool one_member(std::index_sequence<Before...>, std::index_sequence<After...>) {
    return !requires { T{(void(Before), any_but<T>{})..., {}}; }
    || requires { T{(void(Before), any_but<T>{})..., {}, (void(After), any_but<T>{})...}; };
}

template <class T, std::size_t... I>
consteval bool has_array(std::index_sequence<I...>) {
    return !(... && one_member<T>(std::make_index_sequence<I>{},
                                  std::make_index_sequence<sizeof...(I) - 1 - I>{}));
}

// Nothing but a reference ends the count before the last member.
template <class T, std::size_t... I>
consteval bool has_more(std::index_sequence<I...>) {
    return requires { T{(void(I), any_but<T>{})..., any_reference_but<T>{}}; };
}

/// Why the members of an aggregate cannot be told.
enum class field_problem : std::uint8_t { none, too_many, array, no_address };

#if defined(__clang__)
#pragma clang diagnostic push
#pragma clang diagnostic ignored "-Wundefined-var-template" // imagined<T> is not used but looked at
#pragma clang diagnostic ignored "-Wundefined-internal"
#endif

/// An object that nobody makes: only the addresses of its members are looked at, at compile time.
template <class T>
struct imagined_box {
    T value;
};
template <class T>
extern const imagined_box<T> imagined;

template <auto>
struct constant;

// The addresses of the members of an object with static storage are constants. A bit-field has
// none, and where a reference leads is not known.
template <class T>
concept has_addresses = requires {
    typename constant<(void(bind_members<field_count<T>>(imagined<T>.value)), true)>;
};

template <class T>
consteval field_problem find_field_problem() {
    using indices = std::make_index_sequence<field_count<T>>;
    if constexpr (field_count < T >> most_fields)
        return field_problem::too_many;
    else if constexpr (has_array<T>(indices{}))
        return field_problem::array;
    else if constexpr (has_more<T>(indices{}))
        return field_problem::no_address;
    else if constexpr (field_count<T> > most_bound)
        return field_problem::none; // or PFR says it
    else
        return has_addresses<T> ? field_problem::none : field_problem::no_address;
}

#if MITOGEN_HAS_PFR
template <template <class...> class Tuple, class... References>
constexpr auto to_std(const Tuple<References...>& bound) noexcept {
    return [&bound]<std::size_t... I>(std::index_sequence<I...>) {
        return std::tuple<References...>(boost::pfr::detail::sequence_tuple::get<I>(bound)...);
    }
    (std::index_sequence_for<References...>{});
}

template <class Count, class T>
constexpr auto tie_by_pfr(T& value) noexcept {
    if constexpr (requires { boost::pfr::detail::tie_as_tuple(value, Count{}); })
        return to_std(boost::pfr::detail::tie_as_tuple(value, Count{}));
    else
        return boost::pfr::structure_tie(value); // PFR has nothing to count if it uses packs
}
#endif

/// A std::tuple of references to the members of `value`, an aggregate without a field_problem.
template <class T>
constexpr auto tie_fields(T& value) noexcept {
    constexpr std::size_t count = field_count<std::remove_cv_t<T>>;
#if MITOGEN_HAS_PFR
    using constant_count = std::integral_constant<std::size_t, count>;
    if constexpr (count > most_bound)
        return tie_by_pfr<constant_count>(value);
    else
        return bind_members<count>(value);
#else
    return bind_members<count>(value);
#endif
}

/// The name of the member with index `I`.
template <class T, std::size_t I>
inline constexpr auto field_name =
    name_of_member<pointer_argument{std::addressof(std::get<I>(tie_fields(imagined<T>.value)))}>();

#if defined(__clang__)
#pragma clang diagnostic pop
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
} // namespace mitogen::inline MITOGEN_ABI
