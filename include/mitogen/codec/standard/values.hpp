// SPDX-License-Identifier: BSL-1.0
#pragma once
// values.hpp: the wire forms of durations, time points, paths, complex numbers and error codes;
// their headers are not included here.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/scalars.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/text.hpp>
#include <mitogen/codec/writer.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// A count of ticks: i64, or f64 if the count is floating point, whatever the width here. The
/// period is part of the signature.
template <class T>
struct shaped<T, shape::duration> {
    using rep = typename T::rep;
    using number = std::conditional_t<std::is_floating_point_v<rep>, double, std::int64_t>;

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8;
    static constexpr bool is_bulk =
        little && sizeof(T) == 8 && sizeof(rep) == 8 && std::is_trivially_copyable_v<T>;

    static void encode(writer& w, const T& span) noexcept {
        w.put_scalar(static_cast<number>(span.count()));
    }
    static bool decode(reader& r, T& span) noexcept {
        number ticks{};
        if (!r.take_scalar(ticks)) [[unlikely]]
            return r.expected(&signature);
        const rep count = static_cast<rep>(ticks);
        if constexpr (std::is_integral_v<rep>) {
            if (static_cast<number>(count) != ticks) [[unlikely]]
                return r.fail("a duration that does not fit:", static_cast<std::uint64_t>(ticks),
                              8) ||
                       r.expected(&signature);
        }
        span = T(count);
        return true;
    }
    static void ticks_signature(signature_sink& s) {
        s.put(scalar_name<number>())
            .put(',')
            .put_number(static_cast<std::uint64_t>(T::period::num))
            .put('/');
        s.put_number(static_cast<std::uint64_t>(T::period::den)).put(')');
    }
    static void signature(signature_sink& s) { ticks_signature(s.put("duration(")); }
};

/// The time since the clock's epoch. A steady clock's epoch is meaningless on another machine;
/// nobody can check that here.
template <class T>
struct shaped<T, shape::time_point> {
    using duration = typename T::duration;

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 8;
    static constexpr bool is_bulk =
        bulk_of<duration>() && sizeof(T) == 8 && std::is_trivially_copyable_v<T>;

    static void encode(writer& w, const T& moment) noexcept {
        codec<duration>::encode(w, moment.time_since_epoch());
    }
    static bool decode(reader& r, T& moment) noexcept {
        duration since{};
        if (!codec<duration>::decode(r, since)) [[unlikely]]
            return false;
        moment = T(since);
        return true;
    }
    static void signature(signature_sink& s) {
        s.put(T::clock::is_steady ? "steady(" : "time(");
        codec<duration>::ticks_signature(s);
    }
};

/// The bytes of the native form: no conversion, since the names of files are bytes.
template <class T>
struct shaped<T, shape::path> {
    using text = typename T::string_type;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& path) noexcept { return codec<text>::size(path.native()); }
    static void encode(writer& w, const T& path) noexcept { codec<text>::encode(w, path.native()); }
    static bool decode(reader& r, T& path) {
        text native;
        if (!codec<text>::decode(r, native)) [[unlikely]]
            return r.expected(&signature);
        path = std::move(native);
        return true;
    }
    static void signature(signature_sink& s) { s.put("path"); }
};

/// The real part, then the imaginary one.
template <class T>
struct shaped<T, shape::complex> {
    using part = typename T::value_type;

    static constexpr bool is_fixed = true;
    static constexpr std::size_t least = 2 * sizeof(part);
    static constexpr bool is_bulk =
        bulk_of<part>() && sizeof(T) == 2 * sizeof(part) && std::is_trivially_copyable_v<T>;

    static void encode(writer& w, const T& value) noexcept {
        w.put_scalar(part(value.real()));
        w.put_scalar(part(value.imag()));
    }
    static bool decode(reader& r, T& value) noexcept {
        part real{};
        part imaginary{};
        if (!r.take_scalar(real) || !r.take_scalar(imaginary)) [[unlikely]]
            return r.expected(&signature);
        value = T(real, imaginary);
        return true;
    }
    static void signature(signature_sink& s) {
        s.put("complex(").put(scalar_name<part>()).put(')');
    }
};

inline constinit std::atomic<const std::error_category*> known_categories[16]{};

inline const std::error_category* find_category(std::string_view name) noexcept {
    if (name == std::generic_category().name()) return &std::generic_category();
    if (name == std::system_category().name()) return &std::system_category();
    for (const auto& slot : known_categories) {
        const std::error_category* known = slot.load(std::memory_order_acquire);
        if (!known) return nullptr;
        if (name == known->name()) return known;
    }
    return nullptr;
}

} // namespace wire

/// Lets error codes of `category` be received: one arrives as a number and the category's name, and
/// only `generic` and `system` are known beforehand. `category` must live as long as the program.
/// False if 16 are known already. Threads: any.
inline bool know_error_category(const std::error_category& category) noexcept {
    for (auto& slot : wire::known_categories) {
        const std::error_category* known = nullptr;
        if (slot.compare_exchange_strong(known, &category, std::memory_order_acq_rel) ||
            known == &category)
            return true;
    }
    return false;
}

/// The value, then the category's name.
template <>
struct codec<std::error_code> {
    static constexpr std::size_t least = 8;

    static std::size_t size(const std::error_code& code) noexcept {
        return 8 + std::strlen(code.category().name());
    }
    static void encode(writer& w, const std::error_code& code) noexcept {
        const std::string_view name = code.category().name();
        w.put_scalar(static_cast<std::int32_t>(code.value()));
        codec<std::string_view>::encode(w, name);
    }
    static bool decode(reader& r, std::error_code& code) {
        std::int32_t value = 0;
        std::string_view name;
        if (!r.take_scalar(value) || !codec<std::string_view>::decode(r, name)) [[unlikely]]
            return r.expected(&signature);
        const std::error_category* category = wire::find_category(name);
        if (!category) [[unlikely]] {
            return r.fail("an error_code of a category that was not given to "
                          "mitogen::know_error_category()") ||
                   r.expected(&signature);
        }
        code.assign(value, *category);
        return true;
    }
    static void signature(signature_sink& s) { s.put("error_code"); }
};

} // namespace mitogen::inline MITOGEN_ABI
