// SPDX-License-Identifier: BSL-1.0
#pragma once
// item_codec.hpp: an item of a flow as a message, and back.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/protocol/flow.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

template <class T>
inline constexpr bool is_view = false;
template <class C, class Traits>
inline constexpr bool is_view<std::basic_string_view<C, Traits>> = true;
template <class T, std::size_t N>
inline constexpr bool is_view<std::span<T, N>> = true;

template <class T, class... Outer>
consteval bool shows_bytes();
template <class... Outer, class... Ts>
consteval bool any_shows_bytes(wire::parts<Ts...>) {
    return (... || shows_bytes<Ts, Outer...>());
}
// True if a value of type T, or a part of it, is a view of the message that brought it.
template <class T, class... Outer>
consteval bool shows_bytes() {
    if constexpr (is_view<T>)
        return true;
    else if constexpr ((... || std::is_same_v<T, Outer>))
        return false;
    else if constexpr (requires { typename codec<T>::parts; })
        return any_shows_bytes<T, Outer...>(typename codec<T>::parts{});
    else
        return false;
}

/// What the receiving end holds of items of type `T`: what owns its memory, since the message is
/// gone.
template <class T>
struct received_item {
    using type = typename owned_result<T>::type;
    static_assert(!shows_bytes<type>(),
                  "mitogen: an item outlives the message that brings it, so what is inside of it "
                  "must own its "
                  "memory: std::string, std::vector instead of std::string_view, std::span");
};

/// Makes `bytes` the message of one item. Returns why that cannot be, or null.
template <class T>
const char* encode_item(buffer& bytes, context_id to, const void* router, const T& value) {
    return wire::encode_from(router, bytes, to, static_cast<std::uint8_t>(wire::flow_frame::item),
                             value);
}

/// The message of one item that `out` sends.
template <class T>
result<buffer> item_frame(const outbox& out, const T& value) {
    buffer bytes;
    if (const char* why = encode_item(bytes, out.peer(), &out.node(), value))
        return error(reason::misuse, why);
    return bytes;
}

/// Encodes an item and sends it: see outbox::send.
template <class T>
result<void> send_item(outbox& out, const T& value, instant deadline) {
    result<buffer> bytes = item_frame(out, value);
    if (!bytes) return bytes.error();
    return out.send(std::move(*bytes), deadline);
}

/// The value of one item.
template <class T>
result<T> item_value(const flow_item& item, const limits& bounds, decode_environment environment) {
    reader r(item.value(), bounds, &environment);
    T value{};
    if (mitogen::decode(r, value) && r.finish()) return result<T>(std::move(value));
    return r.failure(&codec<T>::signature);
}

/// The next item of an inbox, as a value.
template <class T>
result<T> next_item(inbox& items, instant deadline) {
    const result<flow_item> item = items.get(deadline);
    if (!item) return item.error();
    return item_value<T>(*item, items.node().bounds(), {&items.node(), item->from});
}

/// An item, or nothing if that was the end.
template <class T>
result<std::optional<T>> item_or_end(result<T> item) {
    if (item) return std::optional<T>(std::move(*item));
    if (is_end(item.error())) return std::optional<T>();
    return item.error();
}

/// Ends the items of a call with its answer, or its error.
inline void end_with(const std::shared_ptr<inbox>& items, future_base& answer) {
    outstanding_call* p = answer.state();
    if (p->respondent() == items->node().id() && !p->done()) items->comes_from_here(*p);
    answer.then([items, p] { items->answered(p->failure()); });
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
