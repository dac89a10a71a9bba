// SPDX-License-Identifier: BSL-1.0
#pragma once
// describe.hpp: the wire form of classes described with Boost.Describe: bases, then members, private ones too, by name in the
// signature.

#include <mitogen/base/config.hpp>
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
#if MITOGEN_HAS_DESCRIBE
namespace wire {

template <class>
struct pointee;
template <class C, class M>
struct pointee<M C::*> {
    using type = M;
};
template <class Member>
using described_type = typename pointee<std::remove_cv_t<decltype(Member::pointer)>>::type;

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

// Compilers order the addresses of two members at compile time only where the members have one type.
template <class T, class First, class... Rest>
consteval bool ascending() {
    if constexpr (!(... && std::is_same_v<described_type<First>, described_type<Rest>>)) {
        return false;
    } else {
        auto* last = &(layout_of<T>.object.*First::pointer);
        bool sorted = true;
        ((sorted = sorted && last < &(layout_of<T>.object.*Rest::pointer), last = &(layout_of<T>.object.*Rest::pointer)), ...);
        return sorted;
    }
}

template <class T, class Bases, class Members>
struct description;

template <class T, template <class...> class L, class... Bases, template <class...> class M, class... Members>
struct description<T, L<Bases...>, M<Members...>> {
    using record = wire::record<typename Bases::type..., described_type<Members>...>;
    using parts = wire::parts<typename Bases::type..., described_type<Members>...>;

    // The wire has the order of the description, memory that of the declarations: the whole may be copied only where they agree.
    static consteval bool is_image() {
        if constexpr (sizeof...(Members) == 0 || sizeof...(Bases) != 0 || !std::is_trivially_copyable_v<T>) return false;
        else if constexpr (!(... && bulk_of<described_type<Members>>()) || record::least != sizeof(T)) return false;
        else return ascending<T, Members...>();
    }

    // The C casts reach bases that are private, as the pointers reach members that are.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wold-style-cast"
    static auto tie(T& t) noexcept {
        return std::tuple<typename Bases::type&..., described_type<Members>&...>((typename Bases::type&)(t)...,
                                                                                 t.*Members::pointer...);
    }
    static auto tie(const T& t) noexcept {
        return std::tuple<const typename Bases::type&..., const described_type<Members>&...>((const typename Bases::type&)(t)...,
                                                                                            t.*Members::pointer...);
    }
#pragma GCC diagnostic pop

    static void signature(signature_sink& s) {
        s.put('{').template list<typename Bases::type...>(',');
        [[maybe_unused]] bool first = sizeof...(Bases) == 0;
        ((first ? void(first = false) : void(s.put(',')), s.put(Members::name).put(':').template add<described_type<Members>>()),
         ...);
        s.put('}');
    }
};

template <class T>
struct shaped<T, shape::described> {
    using members = description<T, boost::describe::describe_bases<T, boost::describe::mod_any_access>,
                                boost::describe::describe_members<T, boost::describe::mod_any_access>>;
    using record = typename members::record;
    using parts = typename members::parts;

    static constexpr bool is_fixed = record::is_fixed;
    static constexpr std::size_t least = record::least;
    static constexpr bool is_bulk = members::is_image();

    static std::size_t size(const T& value) {
        return std::apply([](const auto&... member) { return record::size(member...); }, members::tie(value));
    }
    static void encode(writer& w, const T& value) {
        if constexpr (is_bulk) w.put(&value, sizeof(T));
        else record::encode(w, &value, members::tie(value));
    }
    static bool decode(reader& r, T& value) {
        if constexpr (is_bulk) {
            const std::byte* from = r.take(sizeof(T));
            if (!from) [[unlikely]] return r.expected(&signature);
            std::memcpy(static_cast<void*>(&value), from, sizeof(T));
            return true;
        } else {
            return record::decode(r, &value, members::tie(value));
        }
    }
    static void signature(signature_sink& s) { members::signature(s); }
};

} // namespace wire
#endif
} // namespace mitogen::inline MITOGEN_ABI
