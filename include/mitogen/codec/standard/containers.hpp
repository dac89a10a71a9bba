// SPDX-License-Identifier: BSL-1.0
#pragma once
// containers.hpp: the wire forms of sequences and of the adaptors over them: a count, then the
// elements.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/text.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

template <class Container>
inline std::size_t size_range(const Container& values) {
    using element = typename Container::value_type;
    if constexpr (fixed_of<element>()) {
        return values.size() * least_of<element>();
    } else {
        std::size_t size = 0;
        for (const element& value : values) size += codec<element>::size(value);
        return size;
    }
}

template <class Container>
inline void encode_range(writer& w, const Container& values) {
    using element = typename Container::value_type;
    for (const element& value : values) codec<element>::encode(w, value);
}

// Elements may hold containers in their turn, of this very type too: only those count as a level.
template <class Element>
struct level {
    bool entered;
    reader& r;
    explicit level(reader& from) noexcept : entered(fixed_of<Element>() || from.enter()), r(from) {}
    level(level&&) = delete;
    ~level() {
        if (!fixed_of<Element>() && entered) r.leave();
    }
    explicit operator bool() const noexcept { return entered; }
};

template <class Bits>
inline void encode_bits(writer& w, const Bits& bits) {
    for (std::size_t i = 0; i < bits.size(); i += 8) {
        unsigned byte = 0;
        for (std::size_t j = 0; j < 8 && i + j < bits.size(); ++j)
            byte |= unsigned{bits[i + j]} << j;
        w.put_u8(static_cast<std::uint8_t>(byte));
    }
}

// Into bits that are all false.
template <class Bits>
inline bool decode_bits(reader& r, Bits& bits) {
    for (std::size_t i = 0; i < bits.size(); i += 8) {
        std::uint8_t byte = 0;
        if (!r.take_scalar(byte)) [[unlikely]]
            return false;
        for (std::size_t j = 0; j < 8 && i + j < bits.size(); ++j) {
            if (byte >> j & 1) bits[i + j] = true;
        }
        if (bits.size() - i < 8 && byte >> (bits.size() - i) != 0) [[unlikely]]
            return r.fail("bits after the last one:", byte, 1);
    }
    return true;
}

/// Reads unaligned elements one at a time: lets a vector be filled from received bytes without
/// first being filled with zeros.
template <class T>
struct packed_iterator {
    using iterator_category = std::random_access_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using pointer = const T*;
    using reference = T;

    const std::byte* at;

    T operator*() const noexcept {
        T value;
        std::memcpy(static_cast<void*>(&value), at, sizeof(T));
        return value;
    }
    packed_iterator& operator++() noexcept {
        at += sizeof(T);
        return *this;
    }
    packed_iterator operator++(int) noexcept {
        packed_iterator old = *this;
        at += sizeof(T);
        return old;
    }
    packed_iterator& operator--() noexcept {
        at -= sizeof(T);
        return *this;
    }
    packed_iterator& operator+=(difference_type n) noexcept {
        at += n * static_cast<difference_type>(sizeof(T));
        return *this;
    }
    friend packed_iterator operator+(packed_iterator i, difference_type n) noexcept {
        return i += n;
    }
    friend difference_type operator-(packed_iterator a, packed_iterator b) noexcept {
        return (a.at - b.at) / static_cast<difference_type>(sizeof(T));
    }
    friend bool operator==(packed_iterator, packed_iterator) = default;
};

} // namespace wire

/// Bits, eight to a byte, the first one lowest; those after the last are zero.
template <class Allocator>
struct codec<std::vector<bool, Allocator>> {
    using type = std::vector<bool, Allocator>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const type& bits) noexcept { return 4 + (bits.size() + 7) / 8; }
    static void encode(writer& w, const type& bits) {
        w.put_count(bits.size());
        wire::encode_bits(w, bits);
    }
    static bool decode(reader& r, type& bits) {
        std::size_t count = 0;
        if (!r.take_bit_count(count)) [[unlikely]]
            return r.expected(&signature);
        bits.assign(count, false);
        return wire::decode_bits(r, bits) || r.expected(&signature);
    }
    static void signature(signature_sink& s) { s.put("[bit]"); }
};

namespace wire {

// A vector cannot grow without writing something into the new elements: a page at a time, so that
// what is then copied over it finds it cached.
template <class Vector>
inline void fill_by_pages(Vector& values, const std::byte* from, std::size_t count) {
    using element = typename Vector::value_type;
    constexpr std::size_t page = sizeof(element) < 4096 ? 4096 / sizeof(element) : 1;
    if (values.size() > count) values.resize(count);
    values.reserve(count);
    std::size_t done = 0;
    while (done < count) {
        if (done == values.size()) values.resize(count - done < page ? count : done + page);
        const std::size_t step = values.size() - done;
        std::memcpy(static_cast<void*>(values.data() + done), from + done * sizeof(element),
                    step * sizeof(element));
        done += step;
    }
}

template <class Vector>
inline void fill(Vector& values, const std::byte* from, std::size_t count) {
    using element = typename Vector::value_type;
    const std::size_t bytes = count * sizeof(element);
    if (const element* aligned = view_in_place<element>(from))
        values.assign(aligned, aligned + count);
    else if (bytes <= 1024)
        values.assign(packed_iterator<element>{from}, packed_iterator<element>{from + bytes});
    else
        fill_by_pages(values, from, count);
}

} // namespace wire

template <class T, class Allocator>
struct codec<std::vector<T, Allocator>> {
    using type = std::vector<T, Allocator>;
    using parts = wire::parts<T>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const type& values) {
        return 4 + wire::size_elements(values.data(), values.size());
    }
    static void encode(writer& w, const type& values) {
        w.put_count(values.size());
        wire::encode_elements(w, values.data(), values.size());
    }
    static bool decode(reader& r, type& values) {
        std::size_t count = 0;
        if (!r.take_count(count, wire::least_of<T>(), wire::bulk_of<T>() ? 0 : wire::cost_of<T>()))
            [[unlikely]]
            return r.expected(&signature);
        if constexpr (wire::bulk_of<T>()) {
            wire::fill(values, r.take(count * sizeof(T)), count);
            return true;
        } else {
            const wire::level<T> depth(r);
            if (!depth) [[unlikely]]
                return false;
            values.clear();
            values.resize(count);
            return wire::decode_elements(r, values.data(), count);
        }
    }
    static void signature(signature_sink& s) { s.put('[').template add<T>().put(']'); }
};

namespace wire {

/// std::deque, std::list and whatever else has push_back(): the same wire form as a vector.
template <class T>
struct shaped<T, shape::sequence> {
    using element = typename T::value_type;
    using parts = wire::parts<element>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& values) { return 4 + size_range(values); }
    static void encode(writer& w, const T& values) {
        w.put_count(values.size());
        encode_range(w, values);
    }
    static bool decode(reader& r, T& values) {
        std::size_t count = 0;
        if (!r.take_count(count, least_of<element>(), cost_of<element>() + node_cost)) [[unlikely]]
            return r.expected(&signature);
        const level<element> depth(r);
        if (!depth) [[unlikely]]
            return false;
        values.clear();
        if constexpr (requires { values.reserve(count); }) values.reserve(count);
        for (; count != 0; --count) {
            values.push_back(element());
            if (!codec<element>::decode(r, values.back())) [[unlikely]]
                return false;
        }
        return true;
    }
    static void signature(signature_sink& s) { s.put('[').template add<element>().put(']'); }
};

template <class T>
struct shaped<T, shape::forward_list> {
    using element = typename T::value_type;
    using parts = wire::parts<element>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& values) {
        std::size_t size = 4;
        for (const element& value : values) size += size_of<element>(value);
        return size;
    }
    static void encode(writer& w, const T& values) {
        std::byte* const count_at = w.skip(4); // the list does not know its length
        std::uint32_t count = 0;
        for (const element& value : values) {
            codec<element>::encode(w, value);
            ++count;
        }
        store(count_at, count);
    }
    static bool decode(reader& r, T& values) {
        std::size_t count = 0;
        if (!r.take_count(count, least_of<element>(), cost_of<element>() + node_cost)) [[unlikely]]
            return r.expected(&signature);
        const level<element> depth(r);
        if (!depth) [[unlikely]]
            return false;
        values.clear();
        for (auto last = values.before_begin(); count != 0; --count) {
            last = values.insert_after(last, element());
            if (!codec<element>::decode(r, *last)) [[unlikely]]
                return false;
        }
        return true;
    }
    static void signature(signature_sink& s) { s.put('[').template add<element>().put(']'); }
};

// The container of an adaptor is a protected member by the standard's own wording, so that derived
// classes may use it.
template <class T>
struct adaptor_access : T {
    using container_type = typename T::container_type;
    static container_type& container(T& adaptor) noexcept { return adaptor.*(&adaptor_access::c); }
    static const container_type& container(const T& adaptor) noexcept {
        return adaptor.*(&adaptor_access::c);
    }
    static auto& compare(T& adaptor) noexcept { return adaptor.*(&adaptor_access::comp); }
};

/// std::stack, std::queue and std::priority_queue: the wire form of the container inside.
template <class T>
struct shaped<T, shape::adaptor> {
    using container = typename T::container_type;
    using access = adaptor_access<T>;
    using parts = wire::parts<container>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& values) {
        return codec<container>::size(access::container(values));
    }
    static void encode(writer& w, const T& values) {
        codec<container>::encode(w, access::container(values));
    }
    static bool decode(reader& r, T& values) {
        if (!codec<container>::decode(r, access::container(values))) [[unlikely]]
            return false;
        if constexpr (requires { typename T::value_compare; }) {
            // Nobody promised that what arrived is a heap: build one.
            values = T(access::compare(values), std::move(access::container(values)));
        }
        return true;
    }
    static void signature(signature_sink& s) { codec<container>::signature(s); }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
