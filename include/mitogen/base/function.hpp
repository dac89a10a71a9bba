// SPDX-License-Identifier: BSL-1.0
#pragma once
// function.hpp: a move-only callable. Small ones are stored in place, so that handing work to the
// loop does not allocate.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstring>
#include <new>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {

/// A move-only `std::function`: `unique_function<R(Args...)>`. Callables of up to six pointers that
/// move without throwing live inside the object.
///
/// Calling an empty one is undefined: test with `explicit operator bool` first.
template <class Signature>
class unique_function;

namespace detail {

/// What unique_function does with trivial callables of one size, whatever their types are: moves
/// one, or, if `to` is null, has nothing to destroy.
template <std::size_t Size>
void manage_bytes(void* to, void* from) noexcept {
    if (to) std::memcpy(to, from, Size);
}

} // namespace detail

/// The one that there is: what it stands for is said above.
template <class R, class... Args>
class unique_function<R(Args...)> {
    static constexpr std::size_t capacity = 6 * sizeof(void*);

    // Two functions for each type of callable, and often one: a program has hundreds of these
    // types, and compiles each.
    using caller = R (*)(void*, Args&&...);
    using manager = void (*)(
        void* to, void* from) noexcept; // constructs at `to`, if there is one; destroys at `from`

    alignas(std::max_align_t) std::byte storage_[capacity];
    caller call_ = nullptr; // null: empty
    manager manage_ = nullptr;

    template <class F>
    static constexpr bool
        fits = sizeof(F) <= capacity &&
               alignof(F) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<F>;

    template <class F>
    static constexpr bool is_bytes =
        std::is_trivially_copyable_v<F>&& std::is_trivially_destructible_v<F>;

    template <class F>
    static R call(void* self, Args&&... args) {
        F* callable = nullptr;
        if constexpr (fits<F>)
            callable = static_cast<F*>(self);
        else
            callable = *static_cast<F**>(self);
        if constexpr (std::is_void_v<R>) {
            static_cast<void>(
                (*callable)(static_cast<Args&&>(args)...)); // it may return what nobody wants
        } else {
            return (*callable)(static_cast<Args&&>(args)...);
        }
    }

    template <class F>
    static void manage(void* to, void* from) noexcept {
        if constexpr (fits<F>) {
            F* const callable = static_cast<F*>(from);
            if (to) ::new (to) F(static_cast<F&&>(*callable));
            callable->~F();
        } else {
            F* const callable = *static_cast<F**>(from);
            if (to)
                *static_cast<F**>(to) = callable;
            else
                delete callable;
        }
    }

    void take(unique_function& other) noexcept {
        call_ = other.call_;
        manage_ = other.manage_;
        other.call_ = nullptr;
        if (call_) manage_(storage_, other.storage_);
    }

public:
    unique_function() = default;
    unique_function(std::nullptr_t) noexcept {}

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, unique_function> &&
                 std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
    unique_function(F&& callable) {
        using stored = std::decay_t<F>;
        void* const place = storage_;
        if constexpr (fits<stored>)
            ::new (place) stored(static_cast<F&&>(callable));
        else
            ::new (place) stored*(new stored(static_cast<F&&>(callable)));
        call_ = &call<stored>;
        if constexpr (fits<stored> && is_bytes<stored>)
            manage_ = &detail::manage_bytes<sizeof(stored)>;
        else
            manage_ = &manage<stored>;
    }

    unique_function(unique_function&& other) noexcept { take(other); }

    unique_function& operator=(unique_function&& other) noexcept {
        if (this != &other) {
            reset();
            take(other);
        }
        return *this;
    }

    ~unique_function() { reset(); }

    /// Destroys the callable; the object is empty afterwards.
    void reset() noexcept {
        if (!call_) return;
        call_ = nullptr;
        manage_(nullptr, storage_);
    }

    explicit operator bool() const noexcept { return call_ != nullptr; }

    R operator()(Args... args) { return call_(storage_, static_cast<Args&&>(args)...); }
};

} // namespace mitogen::inline MITOGEN_ABI
