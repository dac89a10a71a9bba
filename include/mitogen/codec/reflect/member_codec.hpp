// SPDX-License-Identifier: BSL-1.0
#pragma once
// member_codec.hpp: the wire form of a class whose members are known, in whatever way: one after
// another, by name in the signature.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/record.hpp>
#include <mitogen/codec/reflect/members.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <cstring>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// `Members` has the types `record` and `parts`, tie() that makes a tuple of references to the
/// members of an object, is_image() that is true if the wire form is the object's bytes (on a host
/// of that byte order), and signature().
template <class T, class Members>
struct member_codec {
    using record = typename Members::record;
    using parts = typename Members::parts;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;
    static constexpr bool is_bulk = Members::is_image();

    static std::size_t size(const T& value) {
        return std::apply([](const auto&... member) { return record::size(member...); },
                          Members::tie(value));
    }
    static void encode(writer& w, const T& value) {
        if constexpr (is_bulk)
            w.put(&value, sizeof(T));
        else
            record::encode(w, &value, Members::tie(value));
    }
    static bool decode(reader& r, T& value) {
        if constexpr (is_bulk) {
            const std::byte* from = r.take(sizeof(T));
            if (!from) [[unlikely]]
                return r.expected(&signature);
            std::memcpy(static_cast<void*>(&value), from, sizeof(T));
            return true;
        } else {
            return record::decode(r, &value, Members::tie(value));
        }
    }
    static void signature(signature_sink& s) { Members::signature(s); }
};

/// Writes `name:type` of a member, after a comma if something is in the braces already.
template <class Type>
void put_member(signature_sink& s, std::string_view name, bool& first) {
    if (!first) s.put(',');
    first = false;
    s.put(name).put(':').template add<Type>();
}

// ---- members that are known by pointers to them ----------------------------------------

template <class>
struct pointee;
template <class C, class M>
struct pointee<M C::*> {
    using type = M;
};
template <class Member>
using pointed_type = typename pointee<std::remove_cv_t<decltype(Member::pointer)>>::type;

// Holds an object that is never made: only the addresses of its members are looked at.
template <class T>
union layout_probe {
    char none;
    T object;
    constexpr layout_probe() noexcept : none() {}
    constexpr ~layout_probe() {}
};
template <class T>
inline constexpr layout_probe<T> layout_of{};

// Compilers order the addresses of two members at compile time only if these have one type and are
// of one class.
template <class T, class First, class... Rest>
consteval bool ascending() {
    if constexpr (!(... && std::is_same_v<decltype(First::pointer), decltype(Rest::pointer)>)) {
        return false;
    } else {
        auto* last = std::addressof(reach(layout_of<T>.object, First::pointer));
        bool sorted = true;
        const auto follows = [&](const auto& member) {
            sorted = sorted && last < std::addressof(member);
            last = std::addressof(member);
        };
        (follows(reach(layout_of<T>.object, Rest::pointer)), ...);
        return sorted;
    }
}

/// The base classes `Bases` (a `parts`), then `Members`: each has a `pointer` and a `name`.
template <class T, class Bases, class... Members>
struct pointed_members;

template <class T, class... Bases, class... Members>
struct pointed_members<T, parts<Bases...>, Members...> {
    using record = wire::record<Bases..., pointed_type<Members>...>;
    using parts = wire::parts<Bases..., pointed_type<Members>...>;

    // The wire has the order of `Members`, memory that of the declarations: the whole may be copied
    // only if they agree.
    static consteval bool is_image() {
        if constexpr (sizeof...(Members) == 0 || sizeof...(Bases) != 0)
            return false;
        else if constexpr (!std::is_trivially_copyable_v<T>)
            return false;
        else if constexpr (!(... && bulk_of<pointed_type<Members>>()))
            return false;
        else if constexpr (record::least != sizeof(T))
            return false;
        else
            return ascending<T, Members...>();
    }

    // The C casts reach bases that are private.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
    static auto tie(T& t) noexcept {
        return std::tuple<Bases&..., pointed_type<Members>&...>((Bases&)(t)...,
                                                                reach(t, Members::pointer)...);
    }
    static auto tie(const T& t) noexcept {
        return std::tuple<const Bases&..., const pointed_type<Members>&...>(
            (const Bases&)(t)..., reach(t, Members::pointer)...);
    }
#pragma GCC diagnostic pop

    static void signature(signature_sink& s) {
        s.put('{').template list<Bases...>(',');
        [[maybe_unused]] bool first = sizeof...(Bases) == 0;
        (put_member<pointed_type<Members>>(s, Members::name, first), ...);
        s.put('}');
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
