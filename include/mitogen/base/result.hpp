// SPDX-License-Identifier: BSL-1.0
#pragma once
// result.hpp: a value or the error that took its place.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>

#include <memory>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// A `T` or an `error`: what every `try_` function returns. The shape follows std::expected, which
/// C++20 lacks.
///
/// `operator*` and `->` need a value (check first); value() throws the error instead.
template <class T>
class [[nodiscard]] result {
    union {
        T value_;
        mitogen::error error_;
    };
    bool has_;

    template <class Other>
    void construct(Other&& other) {
        has_ = other.has_;
        if (has_) {
            std::construct_at(&value_, std::forward<Other>(other).value_);
        } else {
            std::construct_at(&error_, std::forward<Other>(other).error_);
        }
    }
    /// If a move throws in the middle of an assignment: there is something to destroy, and nothing
    /// else.
    struct empty_until_done {
        result& self;
        bool done = false;
        ~empty_until_done() {
            if (done) return;
            ::new (static_cast<void*>(std::addressof(self.error_))) mitogen::error();
            self.has_ = false;
        }
    };

    void destroy() noexcept {
        if (has_) {
            value_.~T();
        } else {
            error_.~error();
        }
    }

public:
    using value_type = T;

    result(T value) : value_(std::move(value)), has_(true) {}
    result(mitogen::error e) : error_(std::move(e)), has_(false) {}
    result(const result& other)
        requires std::is_copy_constructible_v<T>
    {
        construct(other);
    }
    result(result&& other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        construct(std::move(other));
    }
    result& operator=(result other) noexcept(std::is_nothrow_move_constructible_v<T>) {
        destroy();
        empty_until_done self{*this};
        construct(std::move(other));
        self.done = true;
        return *this;
    }
    ~result() { destroy(); }

    bool has_value() const noexcept { return has_; }
    explicit operator bool() const noexcept { return has_; }

    T& operator*() & noexcept { return value_; }
    const T& operator*() const& noexcept { return value_; }
    T&& operator*() && noexcept { return std::move(value_); }
    T* operator->() noexcept { return std::addressof(value_); }
    const T* operator->() const noexcept { return std::addressof(value_); }

    /// The error; only if there is no value.
    const mitogen::error& error() const noexcept { return error_; }

    /// The value; throws the error (as the class that belongs to it) if there is none.
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
    // an empty one on success: a result<void> is two words, and success costs no allocation
    mitogen::error error_;

public:
    using value_type = void;

    result() = default;
    result(mitogen::error e) : error_(std::move(e)) {}

    bool has_value() const noexcept { return error_.shared_ == nullptr; }
    explicit operator bool() const noexcept { return has_value(); }
    void operator*() const noexcept {}

    /// The error; only if the operation failed.
    const mitogen::error& error() const noexcept { return error_; }

    /// Returns on success; throws the error otherwise.
    void value() const {
        if (!has_value()) raise(error_);
    }
};

} // namespace mitogen::inline MITOGEN_ABI
