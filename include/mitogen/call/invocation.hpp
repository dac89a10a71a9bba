// SPDX-License-Identifier: BSL-1.0
#pragma once
// invocation.hpp: one execution of a remote function: its arguments come in as bytes, its result
// leaves as bytes.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/node/node.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

/// Who calls. Take it as a parameter (`caller&`) to be told.
struct caller {
    context_id id = no_context;   ///< the calling context
    context_id auth = no_context; ///< on whose authority: `id` or a context above it
};

namespace detail {

/// If values are decoded that mean something only inside one context, such as `context`.
struct decode_environment {
    mitogen::node* node = nullptr;
    /// who has sent the bytes, if that is nobody with authority here: see node::may_name
    context_id from = no_context;
    bool made_there = false; ///< a context in them is one that was made below `from`
};

/// Where a function that yields items puts them: see call_frame::flow.
class item_sink {
public:
    virtual ~item_sink() = default;
    /// Sends an item's message; waits for credit. An error if the caller takes no more, is lost, or
    /// has cancelled.
    virtual result<void> send(buffer item) = 0;
};

/// Everything that an invoke thunk needs. Lives on the stack of the thread that executes the call.
struct invocation {
    reader& arguments;
    buffer& result;
    decode_environment& environment;
    caller who{};
    flow_address flow{}; ///< if the caller takes items
    std::optional<error> failure{};
#if defined(__cpp_lib_jthread)
    /// the call's stop token, made when first asked for
    std::stop_token (*stop)(invocation&) = nullptr;
#endif
    /// why the call is to stop: by its caller, or with its context; nothing if it is not
    std::optional<error> (*why_stopped)(invocation&) = [](invocation&) {
        return std::optional<error>();
    };
    void* call = nullptr; ///< for `stop` and `why_stopped`

    /// What an invoke thunk has found wrong, for whoever knows the function's name:
    /// fault_of_call().
    enum class fault : std::uint8_t { none, argument, no_flow };
    fault wrong = fault::none;
    std::size_t position = 0; ///< of the argument that does not decode, from 0

    bool bad_argument(std::size_t at) noexcept {
        wrong = fault::argument;
        position = at;
        return false;
    }

    /// The error that `wrong` stands for. `function`: the name of the one that was called.
    MITOGEN_COLD error fault_of_call(const std::string& function) const {
        if (wrong == fault::no_flow)
            return error(reason::bad_arguments,
                         function + " exchanges items with its caller: open it, or stream it");
        return error(reason::bad_arguments, "argument " + std::to_string(position + 1) + " of " +
                                                function + ": " + arguments.failure_text());
    }
};

/// If the function that runs puts its items: opens invocation::flow.
std::unique_ptr<item_sink> open_item_sink(invocation& inv);

/// Makes, for the time of one call, the object that a parameter of type `Parameter&` refers to: it
/// is constructible from `invocation&` and converts to that reference. Specialised for dialogs.
template <class Parameter>
struct injected_object;

/// Runs a function's result that is a range of items: sends each. Specialised for generators.
template <class R>
struct item_range_result;

/// Begins a function whose result comes later. Specialised for tasks.
template <auto F, class R, class Parameters, class Is, class Ws>
struct suspended_result;

/// What a function gets for a parameter that is not sent.
template <class Parameter>
decltype(auto) supply(invocation& inv) {
    using plain = std::remove_cvref_t<Parameter>;
    if constexpr (std::is_same_v<plain, caller>) {
        return (inv.who);
    } else if constexpr (std::is_same_v<plain, log::sink>) {
        return log::current();
#if defined(__cpp_lib_jthread)
    } else if constexpr (std::is_same_v<plain, std::stop_token>) {
        return inv.stop(inv);
#endif
    } else {
        static_assert(std::is_same_v<plain, router>);
        return (inv.environment.node->as_router());
    }
}

template <class Parameter, std::size_t Next>
decltype(auto) argument(invocation& inv, auto& values) {
    if constexpr (is_dialog<std::remove_cvref_t<Parameter>>) {
        return injected_object<std::remove_cvref_t<Parameter>>(inv);
    } else if constexpr (injected<Parameter>) {
        return supply<Parameter>(inv);
    } else {
        return static_cast<std::conditional_t<std::is_lvalue_reference_v<Parameter>, Parameter,
                                              std::remove_cvref_t<Parameter>&&>>(
            std::get<Next>(values));
    }
}

/// For each parameter: how many before it travel, that is, its place among the decoded values.
template <class List>
struct places;
template <class... Ps>
struct places<type_list<Ps...>> {
    static constexpr auto table = [] {
        struct {
            std::size_t at[sizeof...(Ps) + 1];
        } t{};
        std::size_t i = 0;
        [[maybe_unused]] std::size_t next = 0;
        ((t.at[i++] = next, next += injected<Ps> ? 0 : 1), ...);
        return t;
    }();
};

template <class List>
struct value_tuple;
template <class... Ts>
struct value_tuple<type_list<Ts...>> {
    using type = std::tuple<Ts...>;
};

/// The arguments from the message. False, with a fault, if `F` cannot be run with what has come.
template <auto F, class... Ps, std::size_t... Ws, class Values>
bool take_arguments(invocation& inv, type_list<Ps...>, std::index_sequence<Ws...>, Values& values) {
    using traits = function_traits<F>;
    if (!(... &&
          (codec<std::tuple_element_t<Ws, Values>>::decode(inv.arguments, std::get<Ws>(values)) ||
           inv.bad_argument(Ws))))
        return false;
    if (!inv.arguments.finish()) return inv.bad_argument(sizeof...(Ws));
    if constexpr (traits::dialogs > 0 || is_item_range<typename traits::result>) {
        if (!inv.flow.port) {
            inv.wrong = invocation::fault::no_flow;
            return false;
        }
    }
    return true;
}

/// What a function has returned becomes the result, or the failure, of its call.
template <class T>
void put_result(invocation& inv, const T& value) {
    if (const char* why = wire::encode_from(inv.environment.node, inv.result, inv.who.id, value))
        inv.failure.emplace(reason::misuse, why);
}
template <class T>
void put_result(invocation& inv, const result<T>& value) {
    if (!value) {
        inv.failure.emplace(value.error());
    } else if constexpr (!std::is_void_v<T>) {
        put_result<T>(inv, *value);
    }
}

template <auto F, class... Ps, std::size_t... Is, std::size_t... Ws>
void invoke(invocation& inv, type_list<Ps...>, std::index_sequence<Is...>,
            std::index_sequence<Ws...>) {
    using traits = function_traits<F>;
    typename value_tuple<typename traits::wire_parameters>::type values{};
    if (!take_arguments<F>(inv, type_list<Ps...>{}, std::index_sequence<Ws...>{}, values)) return;
    using returned = std::remove_cvref_t<typename traits::result>;
    if constexpr (is_item_range<typename traits::result>) {
        item_range_result<typename traits::result>::run(
            inv, F(argument<Ps, places<type_list<Ps...>>::table.at[Is]>(inv, values)...));
    } else if constexpr (std::is_void_v<returned>) {
        F(argument<Ps, places<type_list<Ps...>>::table.at[Is]>(inv, values)...);
    } else {
        const returned& value =
            F(argument<Ps, places<type_list<Ps...>>::table.at[Is]>(inv, values)...);
        put_result(inv, value);
    }
}

template <>
inline constexpr bool is_injected<caller> = true;
template <>
inline constexpr bool is_injected<log::sink> = true;
template <>
inline constexpr bool is_injected<router> = true;
#if defined(__cpp_lib_jthread)
template <>
inline constexpr bool is_injected<std::stop_token> = true;
#endif

/// Decodes the arguments, calls `F`, encodes what it returns. One instance for each remote
/// function; all else is shared.
template <auto F>
void invoke_thunk(invocation& inv) {
    using traits = function_traits<F>;
    using parameters = std::make_index_sequence<traits::arity>;
    using values = std::make_index_sequence<traits::wire_parameters::size>;
    if constexpr (is_task<typename traits::result>) {
        suspended_result<F, typename traits::result, typename traits::parameters,
                                 parameters, values>::begin(inv);
    } else {
        invoke<F>(inv, typename traits::parameters{}, parameters{}, values{});
    }
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
