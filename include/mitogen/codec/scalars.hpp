// SPDX-License-Identifier: BSL-1.0
#pragma once
// scalars.hpp: the wire forms of numbers, characters, bool, enums and std::byte.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

// The name says the width, not the C++ type: `long` is i64 in one program and i32 in another, and
// those two must not understand each other.
template <class T>
consteval std::string_view scalar_name() {
    if constexpr (std::is_same_v<T, std::byte>)
        return "byte";
    else if constexpr (std::is_same_v<T, char>)
        return "char";
    else if constexpr (std::is_same_v<T, char8_t>)
        return "char8";
    else if constexpr (std::is_same_v<T, char16_t>)
        return "char16";
    else if constexpr (std::is_same_v<T, char32_t>)
        return "char32";
    else if constexpr (std::is_same_v<T, wchar_t>)
        return sizeof(T) == 2 ? "char16" : "char32";
    else if constexpr (std::is_floating_point_v<T>)
        return sizeof(T) == 4 ? "f32" : "f64";
    else if constexpr (std::is_signed_v<T>)
        return sizeof(T) == 1   ? "i8"
               : sizeof(T) == 2 ? "i16"
               : sizeof(T) == 4 ? "i32"
               : sizeof(T) == 8 ? "i64"
                                : "i128";
    else
        return sizeof(T) == 1   ? "u8"
               : sizeof(T) == 2 ? "u16"
               : sizeof(T) == 4 ? "u32"
               : sizeof(T) == 8 ? "u64"
                                : "u128";
}

template <class T>
struct shaped<T, shape::scalar> {
    static_assert(!std::is_floating_point_v<T> ||
                      (std::numeric_limits<T>::is_iec559 && (sizeof(T) == 4 || sizeof(T) == 8)),
                  "mitogen: floating point travels as IEEE 754 binary32 and binary64; this host "
                  "has another format");

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = sizeof(T);
    static constexpr bool is_bulk = little || sizeof(T) == 1;

    static void encode(writer& w, const T& value) noexcept { w.put_scalar(value); }
    static bool decode(reader& r, T& value) noexcept {
        if (!r.take_scalar(value)) [[unlikely]]
            return r.expected(&signature);
        return true;
    }
    static void signature(signature_sink& s) { s.put(scalar_name<T>()); }
};

template <class T>
struct shaped<T, shape::boolean> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 1;

    static void encode(writer& w, bool value) noexcept { w.put_u8(value); }
    static bool decode(reader& r, bool& value) noexcept {
        std::uint8_t byte = 0;
        if (!r.take_scalar(byte)) [[unlikely]]
            return r.expected(&signature);
        if (byte > 1) [[unlikely]]
            return r.fail("a bool that is neither 0 nor 1:", byte, 1) || r.expected(&signature);
        value = byte != 0;
        return true;
    }
    static void signature(signature_sink& s) { s.put("bool"); }
};

#if MITOGEN_HAS_DESCRIBE
template <class T, template <class...> class List, class... Enumerators>
constexpr bool is_enumerator(T value, List<Enumerators...>*) noexcept {
    return (... || (value == Enumerators::value));
}
#endif

// An enum travels as its underlying type. One that is described with Boost.Describe must be one of
// its enumerators on arrival, so an enum whose values are combined as flags must not be described.
template <class T>
struct shaped<T, shape::enumeration> {
    using number = std::underlying_type_t<T>;

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = codec<number>::least;
    static constexpr bool is_bulk = bulk_of<number>() && !described_enum<T>;

    static void encode(writer& w, const T& value) noexcept {
        codec<number>::encode(w, static_cast<number>(value));
    }
    static bool decode(reader& r, T& value) noexcept {
        number n{};
        if (!codec<number>::decode(r, n)) [[unlikely]]
            return false;
        value = static_cast<T>(n);
#if MITOGEN_HAS_DESCRIBE
        if constexpr (described_enum<T>) {
            if (!is_enumerator(value,
                               static_cast<boost::describe::describe_enumerators<T>*>(nullptr)))
                [[unlikely]]
                return r.fail("not an enumerator of the described enum:",
                              static_cast<std::uint64_t>(n), least) ||
                       r.expected(&signature);
        }
#endif
        return true;
    }
    static void signature(signature_sink& s) { codec<number>::signature(s); }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
