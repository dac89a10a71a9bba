// SPDX-License-Identifier: BSL-1.0
#pragma once
// text.hpp: the wire forms of strings, and of views into the bytes that were received.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/scalars.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

// Elements that lie side by side: `count` is known to be backed by remaining bytes where T is
// fixed.
template <class T>
inline void encode_elements(writer& w, const T* first, std::size_t count) {
    if constexpr (bulk_of<T>()) {
        w.put(first, count * sizeof(T));
    } else {
        for (const T* last = first + count; first != last; ++first) codec<T>::encode(w, *first);
    }
}

template <class T>
inline bool decode_elements(reader& r, T* first, std::size_t count) {
    if constexpr (bulk_of<T>()) {
        const std::byte* from = r.take(count * sizeof(T));
        if (!from) [[unlikely]]
            return r.expected(&codec<T>::signature);
        if (count != 0) std::memcpy(static_cast<void*>(first), from, count * sizeof(T));
    } else {
        for (T* last = first + count; first != last; ++first) {
            if (!codec<T>::decode(r, *first)) [[unlikely]]
                return false;
        }
    }
    return true;
}

template <class T>
inline std::size_t size_elements(const T* first, std::size_t count) {
    if constexpr (fixed_of<T>()) {
        return count * least_of<T>();
    } else {
        std::size_t size = 0;
        for (const T* last = first + count; first != last; ++first) size += codec<T>::size(*first);
        return size;
    }
}

template <class C>
inline void text_signature(signature_sink& s) {
    if constexpr (std::is_same_v<C, char>)
        s.put("string");
    else
        s.put('[').template add<C>().put(']');
}

// Bytes that no alignment can spoil may be looked at in place; others only by luck.
template <class T>
inline const T* view_in_place(const std::byte* from) noexcept {
    if constexpr (bulk_of<T>()) {
        if (alignof(T) == 1 || reinterpret_cast<std::uintptr_t>(from) % alignof(T) == 0)
            return reinterpret_cast<const T*>(from);
    }
    return nullptr;
}

template <class T>
inline bool decode_view(reader& r, const T*& first, std::size_t& count,
                        void (*signature)(signature_sink&)) {
    first = nullptr;
    if (!r.take_count(count, least_of<T>(), bulk_of<T>() ? 0 : cost_of<T>())) [[unlikely]]
        return r.expected(signature);
    if (count == 0) return true;
    if constexpr (bulk_of<T>()) {
        first = view_in_place<T>(r.here());
        if (first) return r.take(count * sizeof(T)) != nullptr;
    }
    T* copy = r.template hold<T>(count);
    first = copy;
    return decode_elements(r, copy, count);
}

} // namespace wire

template <class C, class Traits, class Allocator>
struct codec<std::basic_string<C, Traits, Allocator>> {
    using type = std::basic_string<C, Traits, Allocator>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const type& text) noexcept { return 4 + text.size() * sizeof(C); }
    static void encode(writer& w, const type& text) noexcept {
        w.put_count(text.size());
        if constexpr (sizeof(C) == 1)
            w.put_text(text.data(), text.size());
        else
            wire::encode_elements(w, text.data(), text.size());
    }
    static bool decode(reader& r, type& text) {
        std::size_t count = 0;
        if (!r.take_count(count, sizeof(C))) [[unlikely]]
            return r.expected(&signature);
        if constexpr (sizeof(C) == 1) {
            const C* const first = reinterpret_cast<const C*>(r.take(count));
            // the old bytes need not be moved
            if (count > text.capacity())
                text = type(first, count, text.get_allocator());
            else
                text.assign(first, count);
            return true;
        } else {
            text.resize(count);
            return wire::decode_elements(r, text.data(), count);
        }
    }
    static void signature(signature_sink& s) { wire::text_signature<C>(s); }
};

/// Decodes to a view of the received bytes (of char16_t and wider: of a copy that the reader owns,
/// if they are not aligned).
template <class C, class Traits>
struct codec<std::basic_string_view<C, Traits>> {
    using type = std::basic_string_view<C, Traits>;

    static constexpr std::size_t least = 4;
    static constexpr bool may_hold = sizeof(C) != 1;

    static std::size_t size(type text) noexcept { return 4 + text.size() * sizeof(C); }
    static void encode(writer& w, type text) noexcept {
        w.put_count(text.size());
        if constexpr (sizeof(C) == 1)
            w.put_text(text.data(), text.size());
        else
            wire::encode_elements(w, text.data(), text.size());
    }
    static bool decode(reader& r, type& text) {
        const C* first = nullptr;
        std::size_t count = 0;
        if (!wire::decode_view(r, first, count, &signature)) [[unlikely]]
            return false;
        text = type(first, count);
        return true;
    }
    static void signature(signature_sink& s) { wire::text_signature<C>(s); }
};

/// Decodes to a view of the received bytes if `T` is copied as it is and they are aligned for it;
/// else of a copy that the reader owns.
template <class T>
struct codec<std::span<const T>> {
    using parts = wire::parts<T>;

    static constexpr std::size_t least = 4;
    static constexpr bool may_hold = !wire::bulk_of<T>() || alignof(T) != 1;

    static std::size_t size(std::span<const T> view) {
        return 4 + wire::size_elements(view.data(), view.size());
    }
    static void encode(writer& w, std::span<const T> view) {
        w.put_count(view.size());
        wire::encode_elements(w, view.data(), view.size());
    }
    static bool decode(reader& r, std::span<const T>& view) {
        const T* first = nullptr;
        std::size_t count = 0;
        const depth_guard depth(r);
        if (!depth || !wire::decode_view(r, first, count, &signature)) [[unlikely]]
            return false;
        view = std::span<const T>(first, count);
        return true;
    }
    static void signature(signature_sink& s) { s.put('[').template add<T>().put(']'); }
};

} // namespace mitogen::inline MITOGEN_ABI
