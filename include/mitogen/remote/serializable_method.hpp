// SPDX-License-Identifier: BSL-1.0
#pragma once
// serializable_method.hpp: connection methods on their way to the context that shall use them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/serializable_method.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/protocol/inherited.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <tuple>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

template <class Method>
result<boot_plan> plan_encoded(reader& r, const limits& inherited) {
    Method method{};
    const bool decoded = std::apply(
        [&](auto&... members) { return mitogen::decode(r, members...); }, Method::fields(method));
    if (!decoded || !r.finish())
        return error(reason::bad_arguments, "the options of the connection method \"" +
                                                std::string(Method::method_name) +
                                                "\" do not decode: " + r.failure_text() +
                                                "; the two programs are of different versions");
    return plan_of(method, inherited);
}

/// The payload of a message to handles::connect: the method's name and its fields.
template <class Method>
result<buffer> encode_method(const Method& method) {
    if constexpr (requires { method.why_not_sent(); }) {
        if (result<void> may = method.why_not_sent(); !may) return may.error();
    }
    return std::apply(
        [](const auto&... members) {
            return encode(std::string_view(Method::method_name), members...);
        },
        Method::fields(method));
}

template <class Method>
const method_operations& operations_of() noexcept {
    constexpr auto plan = [](const void* method, const limits& inherited) {
        return plan_of(*static_cast<const Method*>(method), inherited);
    };
    if constexpr (serializable_method<Method>) {
        static constexpr method_operations all{
            Method::method_name, plan,
            [](const void* method) { return encode_method(*static_cast<const Method*>(method)); },
            &plan_encoded<Method>};
        return all;
    } else {
        static constexpr method_operations all{
            {},
            plan,
            [](const void*) -> result<buffer> {
                return error(
                    reason::misuse,
                    "this connection method can be used by its own context only: it cannot travel");
            },
            nullptr};
        return all;
    }
}

/// What such a message wants executed.
inline result<boot_plan> plan_from(std::span<const std::byte> payload, const limits& inherited) {
    reader r(payload, inherited);
    std::string_view name;
    if (!decode(r, name))
        return error(reason::bad_arguments, "not a connection method: " + r.failure_text());
    if (const known_method* method = name.empty() ? nullptr : known_method::find(name))
        return method->operations().plan_encoded(r, inherited);
    return error(
        reason::unknown_function,
        "this program does not know the connection method \"" + std::string(name.substr(0, 100)) +
            "\": it is another build than the one that asks, and does not use the method itself");
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
