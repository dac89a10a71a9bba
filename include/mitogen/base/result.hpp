// SPDX-License-Identifier: BSL-1.0
#pragma once
// result.hpp: a value or the error that took its place.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>

#include <type_traits>
#include <utility>
#include <variant>

namespace mitogen::inline MITOGEN_ABI {

/// A `T` or an `error`: what every `try_` function returns. The shape follows std::expected, which C++20 lacks.
///
/// `operator*` and `->` need a value (check first); value() throws the error instead.
template <class T>
class [[nodiscard]] result {
    std::variant<T, mitogen::error> state_;

public:
    using value_type = T;

    result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    result(mitogen::error e) : state_(std::in_place_index<1>, std::move(e)) {}

    bool has_value() const noexcept { return state_.index() == 0; }
    explicit operator bool() const noexcept { return has_value(); }

    T& operator*() & noexcept { return *std::get_if<0>(&state_); }
    const T& operator*() const& noexcept { return *std::get_if<0>(&state_); }
    T&& operator*() && noexcept { return std::move(*std::get_if<0>(&state_)); }
    T* operator->() noexcept { return std::get_if<0>(&state_); }
    const T* operator->() const noexcept { return std::get_if<0>(&state_); }

    /// The error; only where there is no value.
    const mitogen::error& error() const noexcept { return *std::get_if<1>(&state_); }

    /// The value; throws the error (as the class that belongs to it) where there is none.
    T& value() & {
        if (!has_value()) raise(error());
        return **this;
    }
    T&& value() && {
        if (!has_value()) raise(error());
        return std::move(**this);
    }
    const T& value() const& {
        if (!has_value()) raise(error());
        return **this;
    }

    template <class U>
    T value_or(U&& other) const& {
        return has_value() ? **this : static_cast<T>(std::forward<U>(other));
    }
};

/// Success without a value, or an `error`.
template <>
class [[nodiscard]] result<void> {
    std::shared_ptr<const mitogen::error> error_; // null on success: a result<void> is two words, and success costs no allocation

public:
    using value_type = void;

    result() = default;
    result(mitogen::error e) : error_(std::make_shared<const mitogen::error>(std::move(e))) {}

    bool has_value() const noexcept { return error_ == nullptr; }
    explicit operator bool() const noexcept { return has_value(); }
    void operator*() const noexcept {}

    /// The error; only where the operation failed.
    const mitogen::error& error() const noexcept { return *error_; }

    /// Returns on success; throws the error otherwise.
    void value() const {
        if (error_) raise(*error_);
    }
};

} // namespace mitogen::inline MITOGEN_ABI
