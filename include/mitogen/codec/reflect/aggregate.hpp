// SPDX-License-Identifier: BSL-1.0
#pragma once
// aggregate.hpp: the wire form of plain structs, member after member.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/record.hpp>
#include <mitogen/codec/reflect/fields.hpp>
#include <mitogen/codec/reflect/member_codec.hpp>
#include <mitogen/codec/reflect/missing.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>

#include <cstddef>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

template <class T, class Fields>
struct aggregate_members;

template <class T, class... Fields>
struct aggregate_members<T, wire::parts<Fields...>> {
    using record = wire::record<Fields...>;
    using parts = wire::parts<Fields...>;

    // No byte belongs to no member: the whole may be copied.
    static consteval bool is_image() {
        return sizeof...(Fields) != 0 && std::is_trivially_copyable_v<T> &&
               (... && bulk_of<Fields>()) && record::least == sizeof(T);
    }

    static auto tie(T& value) noexcept { return tie_fields(value); }
    static auto tie(const T& value) noexcept { return tie_fields(value); }

    static void signature(signature_sink& s) {
        [[maybe_unused]] bool first = true;
        s.put('{');
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (put_member<Fields>(s, field_name<T, I>.view(), first), ...);
        }
        (std::index_sequence_for<Fields...>{});
        s.put('}');
    }
};

template <class T>
struct aggregate_codec : member_codec<T, aggregate_members<T, fields_of<T>>> {};

template <class T>
struct shaped<T, shape::aggregate>
    : std::conditional_t<find_field_problem<T>() == field_problem::none, aggregate_codec<T>,
                         shaped<T, shape::none>> {};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
