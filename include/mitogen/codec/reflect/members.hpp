// SPDX-License-Identifier: BSL-1.0
#pragma once
// members.hpp: how a program says which members of a class travel.

#include <mitogen/base/config.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

struct no_members {};

/// What list() returns.
template <class... Pointers>
struct member_list {
    std::tuple<Pointers...> pointers;
};

} // namespace wire

/// The members that travel, in this order: pointers to data members, which may be private or those
/// of a base class.
template <class... Pointers>
constexpr wire::member_list<Pointers...> list(Pointers... pointers) noexcept {
    return {std::tuple<Pointers...>(pointers...)};
}

/// Which members of a `T` travel. For a class that is no aggregate, or of which not all is to be
/// sent:
/// ```
/// template <>
/// inline constexpr auto mitogen::members<disk> = mitogen::list(&disk::mount, &disk::free_bytes);
/// ```
/// Private members can be listed inside the class, by a public function; the list outside wins if
/// there are both:
/// ```
/// static constexpr auto mitogen_members() { return mitogen::list(&label::text_); }
/// ```
/// A list wins over a description with Boost.Describe, and over what an aggregate or a container is
/// by itself; codec<T> wins over a list. Members that are left out are not sent: the receiver's
/// have what the default constructor gives them, or what was in them before decode_into(). The wire
/// form and the signature are those of an aggregate of the same members: with and without Boost.
template <class T>
inline constexpr auto members = wire::no_members{};

namespace wire {

template <class T>
concept listed_outside = !std::same_as<std::remove_cv_t<decltype(members<T>)>, no_members>;

template <class T>
concept listed_inside = requires {
    T::mitogen_members();
};

template <class T>
concept listed_class = std::is_class_v<T> &&(listed_outside<T> || listed_inside<T>);

template <class T>
consteval auto members_of() {
    if constexpr (listed_outside<T>)
        return members<T>;
    else
        return T::mitogen_members();
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
/// The member of `t`, also of a private base class: the C casts reach that.
template <class T, class M, class C>
constexpr M& reach(T& t, M C::*pointer) noexcept {
    return ((C&)t).*pointer;
}
template <class T, class M, class C>
constexpr const M& reach(const T& t, M C::*pointer) noexcept {
    return ((const C&)t).*pointer;
}
#pragma GCC diagnostic pop

/// Why a list of members is of no use.
enum class list_problem : std::uint8_t {
    none,
    no_list,   // not what list() returns
    no_member, // something in it is no data member of T or of a base class
    twice,     // a member stands in it more than once
    inherited, // it seems to be a base class's, which knows nothing of what T adds
};

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
template <class T, class C>
concept has_base = std::is_base_of_v<C, T> && requires(T& t) {
    (C&)t;
}; // and not twice
#pragma GCC diagnostic pop

template <class T, class M, class C>
consteval bool is_member(M C::*pointer) {
    return std::is_object_v<M> && has_base<T, C> && pointer != nullptr;
}
template <class T>
consteval bool is_member(...) {
    return false;
}

template <auto First, auto Second>
consteval bool same_member() {
    if constexpr (requires { First == Second; })
        return First == Second;
    else
        return false;
}

template <class T, class M, class C>
consteval bool is_own(M C::*) {
    return std::is_same_v<C, T>;
}

template <class T, std::size_t I>
inline constexpr auto nth_member = std::get<I>(members_of<T>().pointers);

template <class T, std::size_t I, std::size_t... Before>
consteval bool is_repeated(std::index_sequence<Before...>) {
    return (... || same_member<nth_member<T, Before>, nth_member<T, I>>());
}

template <class T, class... Pointers>
consteval list_problem check_list(const member_list<Pointers...>*) {
    return []<std::size_t... I>(std::index_sequence<I...>) {
        if constexpr (!(... && is_member<T>(nth_member<T, I>)))
            return list_problem::no_member;
        else if constexpr ((... || is_repeated<T, I>(std::make_index_sequence<I>{})))
            return list_problem::twice;
        else if constexpr (!listed_outside<T> && sizeof...(I) != 0 &&
                           !(... || is_own<T>(nth_member<T, I>)))
            return list_problem::inherited;
        else
            return list_problem::none;
    }
    (std::index_sequence_for<Pointers...>{});
}
template <class T>
consteval list_problem check_list(const void*) {
    return list_problem::no_list;
}

template <class T>
consteval list_problem find_list_problem() {
    using listed = decltype(members_of<T>());
    return check_list<T>(static_cast<const listed*>(nullptr));
}

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
