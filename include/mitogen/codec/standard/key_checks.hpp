// SPDX-License-Identifier: BSL-1.0
#pragma once
// key_checks.hpp: what keys of sets and maps must not be, if their sender is hostile: not equal to
// themselves, or chosen to have one hash.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>

#include <cstddef>
#include <string>
#include <tuple>
#include <type_traits>
#include <variant>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

template <class T>
inline constexpr bool is_text = false;
template <class Traits, class Allocator>
inline constexpr bool is_text<std::basic_string<char, Traits, Allocator>> = true;

inline constexpr const char* key_twice = "a key occurs twice";
inline constexpr const char* key_unequal = "a key that is not equal to itself (NaN)";
inline constexpr const char* keys_collide = "too many keys have the same hash";

MITOGEN_COLD inline bool fail_key(reader& r, const char* what,
                                  void (*signature)(signature_sink&)) noexcept {
    return r.fail(what) || r.expected(signature);
}

// Types whose operator== is there only if it can be used: not those of the standard's templates.
template <class T>
concept own_equality = (requires { typename codec<T>::record; } ||
                        !requires { typename codec<T>::parts; }) && requires(const T& k) {
    static_cast<bool>(k == k);
};

/// False for a key in which there is a NaN: a container finds it nowhere, or takes all others for
/// it, and what sorts it may leave its bounds.
template <class Key>
bool equals_itself(const Key& k) {
    if constexpr (std::is_floating_point_v<Key>) {
        const Key& same = k;
        return k == same;
    } else if constexpr (!std::is_class_v<Key> || is_text<Key>) {
        return true;
    } else if constexpr (duration_shape<Key>) {
        return equals_itself(k.count());
    } else if constexpr (requires { std::tuple_size<Key>::value; }) {
        return std::apply([](const auto&... each) { return (... && equals_itself(each)); }, k);
    } else if constexpr (range_shape<Key>) {
        for (const auto& each : k)
            if (!equals_itself(each)) return false;
        return true;
    } else if constexpr (requires { k.valueless_by_exception(); }) {
        return std::visit([](const auto& held) { return equals_itself(held); }, k);
    } else if constexpr (requires { k.has_value(), *k; }) {
        return !k.has_value() || equals_itself(*k);
    } else if constexpr (own_equality<Key>) {
        const Key& same = k;
        return static_cast<bool>(k == same);
    } else {
        return true;
    }
}

template <class T>
concept hashed = requires(const T& c, const typename T::key_type& k) {
    c.bucket_size(c.bucket(k));
    c.key_eq();
};

/// Notices keys that were chosen to have one hash before they cost much: on the way to its place
/// each passes those that are in its bucket. Few keys cannot cost much.
template <class T>
class bucket_watch {
    std::size_t left_;
    bool on_;

public:
    /// For `count` keys.
    explicit bucket_watch(std::size_t count) noexcept
        : left_(4096 + 32 * count), on_(hashed<T> && count > 256) {}

    /// After a key has been entered at `at`; `last` is where the one before it went, or the end.
    /// False if this was one too many in its bucket.
    bool entered([[maybe_unused]] const T& values,
                 [[maybe_unused]] typename T::const_iterator last,
                 [[maybe_unused]] typename T::const_iterator at) {
        if constexpr (hashed<T>) {
            if (!on_) return true;
            // equal keys of a multimap follow one another, and cost nothing
            if (last != values.end() && values.key_eq()(key_at(last), key_at(at))) return true;
            const std::size_t passed = values.bucket_size(values.bucket(key_at(at)));
            if (passed > left_) [[unlikely]]
                return false;
            left_ -= passed;
        }
        return true;
    }

private:
    static const typename T::key_type& key_at(typename T::const_iterator at) noexcept {
        if constexpr (map_shape<T>)
            return at->first;
        else
            return *at;
    }
};

// Where the next key is looked for first: after the one before it, to which it may be equal, or in
// front of all (see for_each_key).
template <class T>
typename T::iterator hint_of(T& values, [[maybe_unused]] typename T::iterator last) {
    if constexpr (hashed<T>)
        return last;
    else
        return values.begin();
}

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
