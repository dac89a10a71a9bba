// SPDX-License-Identifier: BSL-1.0
#pragma once
// aggregate.hpp: the wire form of plain structs, member after member, through Boost.PFR.

#include <mitogen/base/config.hpp>
#include <mitogen/wire/fields.hpp>
#include <mitogen/wire/reader.hpp>
#include <mitogen/wire/record.hpp>
#include <mitogen/wire/shapes.hpp>
#include <mitogen/wire/signature.hpp>
#include <mitogen/wire/writer.hpp>

#include <cstddef>
#include <cstring>
#include <tuple>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {
#if MITOGEN_HAS_PFR
namespace wire {

template <class T, class Fields>
struct aggregate_members;

template <class T, class... Fields>
struct aggregate_members<T, wire::parts<Fields...>> {
    using record = wire::record<Fields...>;

    // No byte belongs to no member: the whole may be copied.
    static constexpr bool is_bulk =
        sizeof...(Fields) != 0 && std::is_trivially_copyable_v<T> && (... && bulk_of<Fields>()) && record::least == sizeof(T);

    static void signature(signature_sink& s) { s.put('{').list<Fields...>(',').put('}'); }
};

template <class T>
struct shaped<T, shape::aggregate> {
    using parts = fields_of<T>;
    using members = aggregate_members<T, parts>;
    using record = typename members::record;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;
    static constexpr bool is_bulk = members::is_bulk;

    static std::size_t size(const T& value) {
        return std::apply([](const auto&... member) { return record::size(member...); }, tie_fields(value));
    }
    static void encode(writer& w, const T& value) {
        if constexpr (is_bulk) w.put(&value, sizeof(T));
        else record::encode(w, &value, tie_fields(value));
    }
    static bool decode(reader& r, T& value) {
        if constexpr (is_bulk) {
            const std::byte* from = r.take(sizeof(T));
            if (!from) [[unlikely]] return r.expected(&signature);
            std::memcpy(static_cast<void*>(&value), from, sizeof(T));
            return true;
        } else {
            return record::decode(r, &value, tie_fields(value));
        }
    }
    static void signature(signature_sink& s) { members::signature(s); }
};

} // namespace wire
#endif
} // namespace mitogen::inline MITOGEN_ABI
