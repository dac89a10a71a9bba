// SPDX-License-Identifier: BSL-1.0
#pragma once
// watch.hpp: variables that the debugger's prompt can show and set by name.

#include <mitogen/base/config.hpp>
#include <mitogen/debug/shown_value.hpp>

#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// How a prompt looks at one variable.
struct watched_type {
    void (*show)(shown_text& to, const void* value);
    bool (*set)(std::string_view typed, void* value); ///< null: it cannot be typed
};

template <class T>
inline constexpr watched_type watched_as{
    [](shown_text& to, const void* value) { show(to, *static_cast<const T*>(value)); },
    [] {
        using setter = bool (*)(std::string_view, void*);
        if constexpr (can_be_typed<T>)
            return setter([](std::string_view typed, void* value) {
                return read_typed(typed, *static_cast<T*>(value));
            });
        else
            return setter(nullptr);
    }(),
};

/// See mitogen::watch and mitogen::unwatch.
template <class = void> // compiled where it is used
void add_watched(std::string_view name, void* value, const watched_type& type);
template <class = void>
void remove_watched(std::string_view name) noexcept;

} // namespace detail

/// From now on the prompt of a debugger that stops this thread knows the variable by `name`: it
/// prints it, member by member, and sets numbers, enumerations and strings. Watching the same name
/// again in this thread replaces it.
///
/// A variable of a function is forgotten when the function has returned: the next call of watch(),
/// or breakpoint, of this thread finds out. Anything else must live until unwatch(). Threads: any.
/// Never blocks.
template <class T>
void watch(std::string_view name, T& value) {
    using plain = std::remove_const_t<T>;
    static constexpr detail::watched_type constant{detail::watched_as<plain>.show, nullptr};
    detail::add_watched(name, const_cast<plain*>(std::addressof(value)),
                        std::is_const_v<T> ? constant : detail::watched_as<plain>);
}
template <class T>
void watch(std::string_view name, const T&& value) = delete; // it would be gone at once

/// Forgets what this thread has watched by that name. Threads: any. Never blocks.
template <class = void>
void unwatch(std::string_view name) noexcept {
    detail::remove_watched(name);
}

} // namespace mitogen::inline MITOGEN_ABI
