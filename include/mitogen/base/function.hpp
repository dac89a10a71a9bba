// SPDX-License-Identifier: BSL-1.0
#pragma once
// function.hpp: a move-only callable. Small ones are stored in place, so that handing work to the loop does not allocate.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <new>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

template <class Signature>
class unique_function;

/// A move-only `std::function`. Callables of up to six pointers that move without throwing live inside the object.
///
/// Calling an empty one is undefined: test with `explicit operator bool` first.
template <class R, class... Args>
class unique_function<R(Args...)> {
    static constexpr std::size_t capacity = 6 * sizeof(void*);

    struct table {
        R (*call)(void*, Args&&...);
        void (*move)(void* to, void* from) noexcept; // constructs at `to`, destroys at `from`
        void (*destroy)(void*) noexcept;
    };

    alignas(std::max_align_t) std::byte storage_[capacity];
    const table* table_ = nullptr;

    template <class F>
    static constexpr bool fits = sizeof(F) <= capacity &&
                                 alignof(F) <= alignof(std::max_align_t) && std::is_nothrow_move_constructible_v<F>;

    template <class F>
    static R invoke(F& callable, Args&&... args) {
        if constexpr (std::is_void_v<R>) {
            static_cast<void>(callable(std::forward<Args>(args)...)); // it may return what nobody wants
        } else {
            return callable(std::forward<Args>(args)...);
        }
    }

    template <class F>
    static constexpr table in_place{
        [](void* self, Args&&... args) -> R { return invoke(*static_cast<F*>(self), std::forward<Args>(args)...); },
        [](void* to, void* from) noexcept {
            ::new (to) F(std::move(*static_cast<F*>(from)));
            static_cast<F*>(from)->~F();
        },
        [](void* self) noexcept { static_cast<F*>(self)->~F(); }};

    template <class F>
    static constexpr table on_heap{
        [](void* self, Args&&... args) -> R { return invoke(**static_cast<F**>(self), std::forward<Args>(args)...); },
        [](void* to, void* from) noexcept { *static_cast<F**>(to) = *static_cast<F**>(from); },
        [](void* self) noexcept { delete *static_cast<F**>(self); }};

public:
    unique_function() = default;
    unique_function(std::nullptr_t) noexcept {}

    template <class F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, unique_function> && std::is_invocable_r_v<R, std::decay_t<F>&, Args...>)
    unique_function(F&& callable) {
        using stored = std::decay_t<F>;
        if constexpr (fits<stored>) {
            ::new (static_cast<void*>(storage_)) stored(std::forward<F>(callable));
            table_ = &in_place<stored>;
        } else {
            ::new (static_cast<void*>(storage_)) stored*(new stored(std::forward<F>(callable)));
            table_ = &on_heap<stored>;
        }
    }

    unique_function(unique_function&& other) noexcept : table_(std::exchange(other.table_, nullptr)) {
        if (table_) table_->move(storage_, other.storage_);
    }

    unique_function& operator=(unique_function&& other) noexcept {
        if (this != &other) {
            reset();
            table_ = std::exchange(other.table_, nullptr);
            if (table_) table_->move(storage_, other.storage_);
        }
        return *this;
    }

    ~unique_function() { reset(); }

    /// Destroys the callable; the object is empty afterwards.
    void reset() noexcept {
        if (table_) std::exchange(table_, nullptr)->destroy(storage_);
    }

    explicit operator bool() const noexcept { return table_ != nullptr; }

    R operator()(Args... args) { return table_->call(storage_, std::forward<Args>(args)...); }
};

} // namespace mitogen::inline MITOGEN_ABI
