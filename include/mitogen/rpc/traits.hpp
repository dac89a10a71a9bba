// SPDX-License-Identifier: BSL-1.0
#pragma once
// traits.hpp: what a remote function takes and returns, and which of its parameters travel.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// A list of types; nothing is ever stored in one.
template <class... Ts>
struct type_list {
    static constexpr std::size_t size = sizeof...(Ts);
};

/// True for parameters that are supplied where the function runs and are not sent (`router&`, `caller&`, …).
///
/// Specialise it for the parameter type exactly as functions spell it (`is_injected<router&>`), or for the plain type
/// (`is_injected<std::stop_token>`): then any spelling counts, by value or by reference.
template <class Parameter>
inline constexpr bool is_injected = false;

/// What the caller gets of a result of type `R`. Specialise it for types that stand for another, as `task<T>` does for `T`.
template <class R>
struct wire_result {
    using type = std::remove_cvref_t<R>;
};

namespace rpc::detail {

template <class Parameter>
inline constexpr bool injected = is_injected<Parameter> || is_injected<std::remove_cvref_t<Parameter>>;

template <class List, class... Ts>
struct append;
template <class... Listed, class... Ts>
struct append<type_list<Listed...>, Ts...> {
    using type = type_list<Listed..., Ts...>;
};

// Folds the parameters into those that travel, without const and references.
template <class Sent, class... Parameters>
struct sent_parameters {
    using type = Sent;
};
template <class Sent, class First, class... Rest>
struct sent_parameters<Sent, First, Rest...>
    : std::conditional_t<injected<First>, sent_parameters<Sent, Rest...>,
                         sent_parameters<typename append<Sent, std::remove_cvref_t<First>>::type, Rest...>> {};

template <bool Noexcept, class R, class... Parameters>
struct callable {
    using result = R;
    using parameters = type_list<Parameters...>;
    using wire_parameters = typename sent_parameters<type_list<>, Parameters...>::type;
    static constexpr bool is_noexcept = Noexcept;
};

template <class>
inline constexpr bool never_true = false;

template <class Operator>
struct call_operator {
    static_assert(never_true<Operator>, "mitogen: the operator() of a remote function object must be const: drop `mutable`");
};
template <class C, class R, class... Ps>
struct call_operator<R (C::*)(Ps...) const> : callable<false, R, Ps...> {};
template <class C, class R, class... Ps>
struct call_operator<R (C::*)(Ps...) const noexcept> : callable<true, R, Ps...> {};

template <class T>
concept has_one_call_operator = requires { &T::operator(); };

} // namespace rpc::detail

/// Result, parameters and exception specification of a function pointer or of a captureless closure.
///
/// `result` and every member of `parameters` are as declared; `wire_parameters` are those that travel, without const and
/// references (`const T&` is `T`; views stay views).
template <class F>
struct callable_traits {
    static_assert(rpc::detail::never_true<F>,
                  "mitogen: a remote function is a function, a static member function, or a captureless lambda without `auto` "
                  "parameters; a member function needs an object, which lives in one process only: see call_service");
};
template <class R, class... Ps>
struct callable_traits<R (*)(Ps...)> : rpc::detail::callable<false, R, Ps...> {};
template <class R, class... Ps>
struct callable_traits<R (*)(Ps...) noexcept> : rpc::detail::callable<true, R, Ps...> {};
template <rpc::detail::has_one_call_operator F>
struct callable_traits<F> : rpc::detail::call_operator<decltype(&F::operator())> {};

namespace rpc::detail {

// Its name and arguments are what the compiler prints above the message: the function, the position and the parameter.
template <auto Function, std::size_t Position, class Parameter>
struct parameter_of {
    static constexpr bool writes_back = std::is_lvalue_reference_v<Parameter> && !std::is_const_v<std::remove_reference_t<Parameter>>;
    static_assert(injected<Parameter> || !writes_back,
                  "mitogen: this Parameter of Function (counted from 1 by Position) is a reference to non-const: what the function "
                  "writes there would stay in the other process; take it by value or by const&, and return what changes");
    static_assert(injected<Parameter> || !std::is_pointer_v<std::remove_cvref_t<Parameter>>,
                  "mitogen: this Parameter of Function (counted from 1 by Position) is a pointer: an address means nothing in another "
                  "process; take a value, std::string_view or std::span<const T>, or std::optional where null has a meaning");
    static constexpr bool checked = true;
};

template <auto F, class Parameters, class Positions>
struct check_parameters;
template <auto F, class... Ps, std::size_t... Is>
struct check_parameters<F, type_list<Ps...>, std::index_sequence<Is...>> {
    static constexpr bool checked = (parameter_of<F, Is + 1, Ps>::checked && ... && true);
};

} // namespace rpc::detail

/// callable_traits of the function `F`, once all its parameters are known to be ones that can travel or are injected.
template <auto F>
struct function_traits : callable_traits<std::remove_cv_t<decltype(F)>> {
    using base = callable_traits<std::remove_cv_t<decltype(F)>>;
    static constexpr std::size_t arity = base::parameters::size;
    static constexpr bool is_closure = std::is_class_v<std::remove_cv_t<decltype(F)>>;
    static_assert(rpc::detail::check_parameters<F, typename base::parameters, std::make_index_sequence<arity>>::checked);
};

} // namespace mitogen::inline MITOGEN_ABI
