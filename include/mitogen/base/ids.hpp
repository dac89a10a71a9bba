// SPDX-License-Identifier: BSL-1.0
#pragma once
// ids.hpp: the numbers that name contexts and handles.

#include <mitogen/base/config.hpp>

#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

/// Names one context in the tree. The root of every tree is 0; the parent that makes a child
/// assigns the child's id.
using context_id = std::uint32_t;

/// The root's id.
inline constexpr context_id root_id = 0;

/// No context: what a default-constructed `context` refers to.
inline constexpr context_id no_context = 0xffff'ffff;

/// Names one receiver of messages inside a context. Below 100 reserved; 100 to 999 the library's
/// own; from 1000 the program's; from 2^32 those of pending replies and of flows, whose upper half
/// nobody can guess. 64 bits wide, because a number is never reused: at a million calls per second
/// 32 bits last 71 minutes.
using handle_id = std::uint64_t;

/// Written as `reply_to` in a message that reports why another message could not be delivered
/// ("dead message").
inline constexpr handle_id is_dead = 999;

/// The first handle that a program may choose itself.
inline constexpr handle_id first_dynamic_handle = 1000;

namespace detail {

/// Set in the lower half of the handle of a flow, and not in that of a pending reply.
inline constexpr handle_id flow_bit = handle_id{1} << 31;

/// True of a number that a pending reply may have; nothing can be registered under it.
constexpr bool is_reply_handle(handle_id number) noexcept {
    return number > 0xffff'ffffu && !(number & flow_bit);
}

/// True of a number that a flow's end may have, and nothing else has.
constexpr bool is_port(handle_id number) noexcept {
    return number > 0xffff'ffffu && (number & flow_bit);
}

} // namespace detail

} // namespace mitogen::inline MITOGEN_ABI
