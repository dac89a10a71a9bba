// SPDX-License-Identifier: BSL-1.0
#pragma once
// compounds.hpp: the wire forms of arrays, pairs, tuples, optionals, variants, owning pointers,
// bitsets and std::expected.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/record.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/standard/containers.hpp>
#include <mitogen/codec/text.hpp>
#include <mitogen/codec/writer.hpp>

#include <array>
#include <bitset>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// A number of elements that both sides know: no count travels.
template <class T, std::size_t N>
struct array_codec {
    using parts = wire::parts<T>;

    static constexpr std::size_t extent = N;
    static constexpr bool is_fixed = fixed_of<T>();
    static constexpr std::size_t least = N * least_of<T>();
    static constexpr bool is_bulk = bulk_of<T>() && N != 0;

    static std::size_t size_elements(const T* first) { return wire::size_elements(first, N); }
    static void signature(signature_sink& s) {
        s.put('[').template add<T>().put(';').put_number(N).put(']');
    }
};

// A byte that says whether something follows: a bool with a message of its own.
inline bool decode_flag(reader& r, bool& present, void (*signature)(signature_sink&)) noexcept {
    std::uint8_t byte = 0;
    if (!r.take_scalar(byte)) [[unlikely]]
        return r.expected(signature);
    if (byte > 1) [[unlikely]]
        return r.fail("a presence flag that is neither 0 nor 1:", byte, 1) || r.expected(signature);
    present = byte != 0;
    return true;
}

} // namespace wire

template <class T, std::size_t N>
struct codec<std::array<T, N>> : wire::array_codec<T, N> {
    static std::size_t size(const std::array<T, N>& values) {
        return wire::size_elements(values.data(), N);
    }
    static void encode(writer& w, const std::array<T, N>& values) {
        wire::encode_elements(w, values.data(), N);
    }
    static bool decode(reader& r, std::array<T, N>& values) {
        return wire::decode_elements(r, values.data(), N);
    }
};

template <class T, std::size_t N>
struct codec<T[N]> : wire::array_codec<T, N> {
    static std::size_t size(const T (&values)[N]) { return wire::size_elements(values, N); }
    static void encode(writer& w, const T (&values)[N]) { wire::encode_elements(w, values, N); }
    static bool decode(reader& r, T (&values)[N]) { return wire::decode_elements(r, values, N); }
};

template <class... Ts>
struct codec<std::tuple<Ts...>> {
    using type = std::tuple<Ts...>;
    using record = wire::record<Ts...>;
    using parts = wire::parts<Ts...>;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;

    static std::size_t size(const type& values) { return std::apply(&record::size, values); }
    static void encode(writer& w, const type& values) { record::encode(w, &values, values); }
    static bool decode(reader& r, type& values) { return record::decode(r, &values, values); }
    static void signature(signature_sink& s) { s.put('(').template list<Ts...>(',').put(')'); }
};

template <class A, class B>
struct codec<std::pair<A, B>> {
    using type = std::pair<A, B>;
    using record = wire::record<A, B>;
    using parts = wire::parts<A, B>;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;

    static std::size_t size(const type& values) {
        return record::size(values.first, values.second);
    }
    static void encode(writer& w, const type& values) { record::encode(w, &values, values); }
    static bool decode(reader& r, type& values) { return record::decode(r, &values, values); }
    static void signature(signature_sink& s) { s.put('(').template list<A, B>(',').put(')'); }
};

template <>
struct codec<std::monostate> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 0;

    static void encode(writer&, std::monostate) noexcept {}
    static bool decode(reader&, std::monostate&) noexcept { return true; }
    static void signature(signature_sink& s) { s.put("()"); }
};

/// A byte 0, or a byte 1 and the value.
template <class T>
struct codec<std::optional<T>> {
    using parts = wire::parts<T>;

    static constexpr std::size_t least = 1;

    static std::size_t size(const std::optional<T>& value) {
        return value ? 1 + wire::size_of<T>(*value) : 1;
    }
    static void encode(writer& w, const std::optional<T>& value) {
        w.put_u8(value.has_value());
        if (value) codec<T>::encode(w, *value);
    }
    static bool decode(reader& r, std::optional<T>& value) {
        bool present = false;
        if (!wire::decode_flag(r, present, &signature)) [[unlikely]]
            return false;
        if (present) return codec<T>::decode(r, value.emplace());
        value.reset();
        return true;
    }
    static void signature(signature_sink& s) { s.put('?').template add<T>(); }
};

/// As an optional; null if it holds nothing. Sharing, cycles and derived classes do not travel.
template <class T>
    requires(!std::is_array_v<T> && (!std::is_polymorphic_v<T> || std::is_final_v<T>))
struct codec<std::unique_ptr<T>> {
    using parts = wire::parts<T>;

    static constexpr std::size_t least = 1;

    static std::size_t size(const std::unique_ptr<T>& value) {
        return value ? 1 + wire::size_of<T>(*value) : 1;
    }
    static void encode(writer& w, const std::unique_ptr<T>& value) {
        w.put_u8(value != nullptr);
        if (value) codec<T>::encode(w, *value);
    }
    static bool decode(reader& r, std::unique_ptr<T>& value) {
        bool present = false;
        if (!wire::decode_flag(r, present, &signature)) [[unlikely]]
            return false;
        value.reset();
        if (!present) return true;
        const depth_guard depth(r);
        if (!depth || !r.charge(wire::cost_of<T>() + 16)) [[unlikely]]
            return false;
        value = std::make_unique<T>();
        return codec<T>::decode(r, *value);
    }
    static void signature(signature_sink& s) { s.put('?').template add<T>(); }
};

/// The index of the alternative in a byte, then the alternative. One that is valueless by exception
/// arrives nowhere: it is refused.
template <class... Ts>
struct codec<std::variant<Ts...>> {
    static_assert(
        sizeof...(Ts) < 255,
        "mitogen: a variant of at most 254 alternatives can travel: its index is one byte");

    using type = std::variant<Ts...>;
    using parts = wire::parts<Ts...>;

    static constexpr std::size_t least = [] {
        std::size_t smallest = static_cast<std::size_t>(-2);
        ((smallest = wire::least_of<Ts>() < smallest ? wire::least_of<Ts>() : smallest), ...);
        return 1 + smallest;
    }();

    static std::size_t size(const type& value) {
        std::size_t size = 1;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((value.index() == I ? void(size += wire::size_of<Ts>(*std::get_if<I>(&value)))
                                 : void()),
             ...);
        }
        (std::index_sequence_for<Ts...>{});
        return size;
    }
    static void encode(writer& w, const type& value) {
        w.put_u8(static_cast<std::uint8_t>(value.index())); // 255 where valueless
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((value.index() == I ? codec<Ts>::encode(w, *std::get_if<I>(&value)) : void()), ...);
        }
        (std::index_sequence_for<Ts...>{});
    }
    static bool decode(reader& r, type& value) {
        std::uint8_t index = 0;
        if (!r.take_scalar(index)) [[unlikely]]
            return r.expected(&signature);
        if (index >= sizeof...(Ts)) [[unlikely]]
            return r.fail("an index that the variant does not have:", index, 1) ||
                   r.expected(&signature);
        bool decoded = false;
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            ((index == I ? void(decoded = codec<Ts>::decode(r, value.template emplace<I>()))
                         : void()),
             ...);
        }
        (std::index_sequence_for<Ts...>{});
        return decoded;
    }
    static void signature(signature_sink& s) { s.put('(').template list<Ts...>('|').put(')'); }
};

/// As std::vector<bool>, without the count.
template <std::size_t N>
struct codec<std::bitset<N>> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = (N + 7) / 8;

    static void encode(writer& w, const std::bitset<N>& bits) { wire::encode_bits(w, bits); }
    static bool decode(reader& r, std::bitset<N>& bits) {
        bits.reset();
        return wire::decode_bits(r, bits) || r.expected(&signature);
    }
    static void signature(signature_sink& s) { s.put("[bit;").put_number(N).put(']'); }
};

namespace wire {

/// std::expected: a byte 1 and the value, or a byte 0 and the error.
template <class T>
struct shaped<T, shape::expected> {
    using value_type = typename T::value_type;
    using error_type = typename T::error_type;
    using sent_value = std::conditional_t<std::is_void_v<value_type>, std::monostate, value_type>;
    using parts = wire::parts<sent_value, error_type>;

    static constexpr std::size_t least =
        1 + (least_of<sent_value>() < least_of<error_type>() ? least_of<sent_value>()
                                                             : least_of<error_type>());

    static std::size_t size(const T& value) {
        if (!value.has_value()) return 1 + size_of<error_type>(value.error());
        if constexpr (std::is_void_v<value_type>)
            return 1;
        else
            return 1 + size_of<value_type>(*value);
    }
    static void encode(writer& w, const T& value) {
        w.put_u8(value.has_value());
        if (!value.has_value())
            codec<error_type>::encode(w, value.error());
        else if constexpr (!std::is_void_v<value_type>)
            codec<value_type>::encode(w, *value);
    }
    static bool decode(reader& r, T& value) {
        bool present = false;
        if (!decode_flag(r, present, &signature)) [[unlikely]]
            return false;
        if (!present) {
            error_type error{};
            if (!codec<error_type>::decode(r, error)) [[unlikely]]
                return false;
            value = typename T::unexpected_type(std::move(error));
        } else if constexpr (std::is_void_v<value_type>) {
            value = T();
        } else {
            value_type decoded{};
            if (!codec<value_type>::decode(r, decoded)) [[unlikely]]
                return false;
            value = std::move(decoded);
        }
        return true;
    }
    static void signature(signature_sink& s) {
        s.put('(').template add<sent_value>().put('!').template add<error_type>().put(')');
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
