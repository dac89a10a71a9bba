// SPDX-License-Identifier: BSL-1.0
#pragma once
// interrupted.hpp: what the scopes of the caller say of its waits and calls.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/time.hpp>

#include <optional>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The time that the library's own clean-ups, in destructors, give to what they wait for if their
/// scope has ended.
inline constexpr duration_ns cleanup_time = 5'000'000'000;

/// Why a wait of the caller ends, or has ended, at `now`, before its own `deadline`; nothing if its
/// scopes let it go on.
std::optional<error> why_interrupted(instant now, instant deadline = never);

/// What a wait says that has not got what it waited for: why the caller's scopes have ended it;
/// else reason::timeout, with `text`.
error wait_ended(instant now, instant deadline, const char* text);

/// True if time plays a part in the caller's scopes: time_left() may be less than its span.
bool in_timed_scope() noexcept;

/// What is left of `span` at `now` before the deadlines of the caller's scopes.
duration_ns time_left(duration_ns span, instant now) noexcept;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
