// SPDX-License-Identifier: BSL-1.0
#pragma once
// task_invocation.hpp: one execution of a remote function that returns task<T>: what must live
// until its answer.

#include <mitogen/base/config.hpp>
#include <mitogen/call/function_entry.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/task/task.hpp>
#include <mitogen/task/task_scope.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The arguments of a task, and its coroutine.
class suspended_call {
public:
    virtual ~suspended_call() = default;
    /// Runs it to its first wait, or to its end.
    virtual void start(task_scope& scope) = 0;
    /// After its end: its result becomes that of the invocation. Throws what it threw.
    virtual void take(invocation& inv) = 0;
};

/// What the thunk of such a function is called with; for the others it is an invocation like any
/// other.
struct task_invocation : invocation {
    std::unique_ptr<suspended_call> body{}; ///< if nothing was wrong
};

/// What a parameter that is not sent refers to, if nothing else keeps it.
template <class Plain>
struct kept_parameter {
    explicit kept_parameter(invocation&) noexcept {}
    template <class Parameter, std::size_t Next>
    decltype(auto) get(invocation& inv, auto& values) {
        return argument<Parameter, Next>(inv, values);
    }
};
template <class Plain>
    requires is_dialog<Plain>
struct kept_parameter<Plain> {
    injected_object<Plain> made;

    explicit kept_parameter(invocation& inv) : made(inv) {}
    template <class Parameter, std::size_t Next>
    Plain& get(invocation&, auto&) {
        return made;
    }
};
#if defined(__cpp_lib_jthread)
template <>
struct kept_parameter<std::stop_token> {
    std::stop_token made;

    explicit kept_parameter(invocation& inv) : made(inv.stop(inv)) {}
    template <class Parameter, std::size_t Next>
    std::stop_token& get(invocation&, auto&) {
        return made;
    }
};
#endif

template <auto F, class T, class... Ps, std::size_t... Is, std::size_t... Ws>
struct suspended_result<F, task<T>, type_list<Ps...>, std::index_sequence<Is...>,
                        std::index_sequence<Ws...>>
    final : suspended_call {
    typename value_tuple<typename function_traits<F>::wire_parameters>::type values{};
    std::tuple<std::optional<kept_parameter<std::remove_cvref_t<Ps>>>...> kept{};
    std::optional<task<T>> coroutine{};

    static void begin(invocation& inv) {
        auto self = std::make_unique<suspended_result>();
        if (!take_arguments<F>(inv, type_list<Ps...>{}, std::index_sequence<Ws...>{}, self->values))
            return;
        (std::get<Is>(self->kept).emplace(inv), ...);
        [[maybe_unused]] constexpr auto place = places<type_list<Ps...>>::table;
        self->coroutine.emplace(
            F(std::get<Is>(self->kept)->template get<Ps, place.at[Is]>(inv, self->values)...));
        static_cast<task_invocation&>(inv).body = std::move(self);
    }

    void start(task_scope& scope) override { coroutine->start(scope); }

    void take(invocation& inv) override {
        if constexpr (std::is_void_v<T>) {
            coroutine->take();
        } else {
            const T& value = coroutine->take();
            put_result(inv, value);
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
