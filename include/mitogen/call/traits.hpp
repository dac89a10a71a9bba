// SPDX-License-Identifier: BSL-1.0
#pragma once
// traits.hpp: what a remote function takes and returns, and which of its parameters travel.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/codec/check.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A list of types; nothing is ever stored in one.
template <class... Ts>
struct type_list {
    static constexpr std::size_t size = sizeof...(Ts);
};

/// True for parameters that are supplied if the function runs and are not sent (`router&`,
/// `caller&`, …).
///
/// Specialise it for the parameter type exactly as functions spell it (`is_injected<router&>`), or
/// for the plain type (`is_injected<std::stop_token>`): then any spelling counts, by value or by
/// reference.
template <class Parameter>
inline constexpr bool is_injected = false;

/// True for parameters that are supplied if the function runs and through which it exchanges items
/// with its caller, such as `dialog<…>&`. They are part of the signature; the function is opened,
/// not called.
template <class Parameter>
inline constexpr bool is_dialog = false;

/// True for results that arrive item by item, such as `generator<T>`: the function is streamed, not
/// called.
template <class R>
inline constexpr bool is_item_range = false;

/// True for results of coroutines that run on the loop, `task<T>`: the function is called, and
/// answers when it has ended.
template <class R>
inline constexpr bool is_task = false;

/// What the caller gets of a result of type `R`. Specialise it for types that stand for another, as
/// `task<T>` does for `T`.
template <class R>
struct wire_result {
    using type = std::remove_cvref_t<R>;
};
/// A function that returns result<T> gives its caller a `T`, or its error as that of the call.
template <class T>
struct wire_result<result<T>> {
    using type = T;
};

template <class Parameter>
inline constexpr bool injected =
    is_injected<Parameter> || is_injected<std::remove_cvref_t<Parameter>>;

template <class List, class... Ts>
struct append;
template <class... Listed, class... Ts>
struct append<type_list<Listed...>, Ts...> {
    using type = type_list<Listed..., Ts...>;
};

// Folds the parameters into those that travel and, `WithDialogs`, those that are dialogs; without
// const and references.
template <bool WithDialogs, class Kept, class... Parameters>
struct kept_parameters {
    using type = Kept;
};
template <bool WithDialogs, class Kept, class First, class... Rest>
struct kept_parameters<WithDialogs, Kept, First, Rest...>
    : std::conditional_t<
          injected<First> && !(WithDialogs && is_dialog<std::remove_cvref_t<First>>),
          kept_parameters<WithDialogs, Kept, Rest...>,
          kept_parameters<WithDialogs, typename append<Kept, std::remove_cvref_t<First>>::type,
                          Rest...>> {};

// The one with that index, from 0, of the parameters that travel, as it is declared.
template <std::size_t Index, class List>
struct nth_declared;
template <std::size_t Index, class First, class... Rest>
struct nth_declared<Index, type_list<First, Rest...>>
    : std::conditional_t<
          injected<First>, nth_declared<Index, type_list<Rest...>>,
          std::conditional_t<Index == 0, std::type_identity<First>,
                             nth_declared<Index - 1, type_list<Rest...>>>> {};

// Why something is no remote function. Reported by check_function(), because a class that fails to
// compile causes more errors if it is used.
enum class fault : unsigned char { none, not_a_function, not_const };

template <bool Noexcept, class R, class... Parameters>
struct callable {
    static constexpr fault what_is_wrong = fault::none;
    using result = R;
    using parameters = type_list<Parameters...>;
    using wire_parameters = typename kept_parameters<false, type_list<>, Parameters...>::type;
    using signature_parameters = typename kept_parameters<true, type_list<>, Parameters...>::type;
    static constexpr std::size_t dialogs =
        (std::size_t{0} + ... + is_dialog<std::remove_cvref_t<Parameters>>);
    static constexpr bool is_noexcept = Noexcept;
};

template <class>
inline constexpr bool never_true = false;

template <class Operator>
struct call_operator : callable<false, void> {
    static constexpr fault what_is_wrong = fault::not_const;
};
template <class C, class R, class... Ps>
struct call_operator<R (C::*)(Ps...) const> : callable<false, R, Ps...> {};
template <class C, class R, class... Ps>
struct call_operator<R (C::*)(Ps...) const noexcept> : callable<true, R, Ps...> {};

template <class T>
concept has_one_call_operator = requires {
    &T::operator();
};

/// Result, parameters and exception specification of a function pointer or of a captureless
/// closure.
///
/// `result` and every member of `parameters` are as declared; `wire_parameters` are those that
/// travel, without const and references (`const T&` is `T`; views stay views);
/// `signature_parameters` are these and the dialogs.
template <class F>
struct callable_traits : callable<false, void> {
    static constexpr auto what_is_wrong = fault::not_a_function;
};
template <class R, class... Ps>
struct callable_traits<R (*)(Ps...)> : callable<false, R, Ps...> {};
template <class R, class... Ps>
struct callable_traits<R (*)(Ps...) noexcept> : callable<true, R, Ps...> {};
template <has_one_call_operator F>
struct callable_traits<F> : call_operator<decltype(&F::operator())> {};

/// callable_traits of the function `F`.
template <auto F>
struct function_traits : callable_traits<std::remove_cv_t<decltype(F)>> {
    static constexpr std::size_t arity =
        callable_traits<std::remove_cv_t<decltype(F)>>::parameters::size;
    static constexpr bool is_closure = std::is_class_v<std::remove_cv_t<decltype(F)>>;
};

/// The parameter with that index, from 0, of those of `F` that travel, as it is declared.
template <auto F, std::size_t Index>
using declared_parameter =
    typename nth_declared<Index, typename function_traits<F>::parameters>::type;

// Fail to compile if something cannot travel. Compilers print the template arguments above the
// message: function, position, type.
template <auto Function, std::size_t Position, class Parameter>
void check_parameter() {
    using referred = std::remove_reference_t<Parameter>;
    if constexpr (!injected<Parameter>) {
        if constexpr (std::is_lvalue_reference_v<Parameter> && !std::is_const_v<referred>) {
            static_assert(never_true<Parameter>,
                          "mitogen: this Parameter of Function (counted from 1 by Position) is a "
                          "reference to non-const: what the function "
                          "writes there would stay in the other process; take it by value or by "
                          "const&, and return what changes");
        } else {
            wire::require<std::remove_cvref_t<Parameter>>();
        }
    }
}

template <auto Function, class Result>
void check_result() {
    if constexpr (!std::is_void_v<Result>) wire::require<Result>();
}

template <auto F, class... Ps, std::size_t... Is>
void check_parameters(type_list<Ps...>, std::index_sequence<Is...>) {
    (check_parameter<F, Is + 1, Ps>(), ...);
}

// Never called: to take its address is to have it compiled, and its failure does not spoil the
// constant that does so.
template <auto F>
void check_function() {
    using traits = function_traits<F>;
    static_assert(traits::what_is_wrong != fault::not_a_function,
                  "mitogen: a remote function is a function, a static member function, or a "
                  "captureless lambda without `auto` "
                  "parameters; a member function needs an object, which lives in one process only: "
                  "see call_service");
    static_assert(
        traits::what_is_wrong != fault::not_const,
        "mitogen: the operator() of a remote function object must be const: drop `mutable`");
    check_parameters<F>(typename traits::parameters{}, std::make_index_sequence<traits::arity>{});
    check_result<F, typename wire_result<typename traits::result>::type>();
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
