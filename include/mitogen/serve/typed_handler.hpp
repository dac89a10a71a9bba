// SPDX-License-Identifier: BSL-1.0
#pragma once
// typed_handler.hpp: decodes a message for a handler that wants values.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/protocol/message.hpp>

#include <cstdint>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Work of a loop: the handler of that number.
inline constexpr loop_work handler_work{
    [](std::uintptr_t of) { return "the handler of handle " + std::to_string(of); }};

/// Wraps `call(const message&, Args...)` for raw messages. One that does not decode is logged and
/// handed to `refuse(message, why)`, which tells the sender. A dead message (the handler's
/// respondent is lost, or the router is at its end) reaches the handler only if it can be called
/// with the message alone.
template <class... Args, class F, class Refuse>
auto typed_handler(F call, Refuse refuse, const limits& bounds, decode_environment environment) {
    static_assert(std::is_invocable_v<F&, const message&, Args&&...>,
                  "mitogen: the handler must be callable as f(const message&, Args...) with the "
                  "Args of its handle");
    return [call = std::move(call), refuse = std::move(refuse), bounds, environment,
            undecoded = std::uint64_t{0}](const message& m) mutable {
        if (m.dead()) {
            if constexpr (sizeof...(Args) > 0 && std::is_invocable_v<F&, const message&>) {
                const at_work here(handler_work, static_cast<std::uintptr_t>(m.head.handle));
                call(m);
            }
            return;
        }
        std::tuple<Args...> values{};
        environment.from = m.head.src;
        reader r(m.payload, bounds, &environment);
        const bool decoded =
            std::apply([&](auto&... v) { return mitogen::decode(r, v...); }, values) && r.finish();
        if (!decoded) {
            const std::string what = "a message to handle " + std::to_string(m.head.handle) +
                                     " does not decode: " + r.failure_text();
            if (log::worth_a_line(++undecoded)) log::write(log::level::warning, what);
            return refuse(m, error(reason::bad_arguments, what));
        }
        const at_work here(handler_work, static_cast<std::uintptr_t>(m.head.handle));
        std::apply([&](auto&... v) { call(m, std::move(v)...); }, values);
    };
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
