// SPDX-License-Identifier: BSL-1.0
#pragma once
// record.hpp: several values one after another: the common part of tuples, pairs, aggregates and
// described classes.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/writer.hpp>

#include <array>
#include <cstddef>
#include <cstring>
#include <tuple>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// Values of the types `Ts` in this order. Neighbours whose bytes are their wire form, and that lie
/// side by side in memory, are copied at once.
template <class... Ts>
struct record {
    static constexpr std::size_t count = sizeof...(Ts);
    static constexpr bool is_fixed = (... && fixed_of<Ts>());
    static constexpr std::size_t least = (std::size_t{0} + ... + least_of<Ts>());

    template <std::size_t I>
    using type_at = std::tuple_element_t<I, std::tuple<Ts...>>;

    // run[i]: how many fields from i on are bulk; 0 within a run that began before i.
    static constexpr auto runs = [] {
        std::array<std::size_t, count + 1> run{};
        constexpr std::array<bool, count + 1> bulk{bulk_of<Ts>()..., false};
        for (std::size_t i = 0; i < count;) {
            std::size_t end = i + 1;
            while (bulk[i] && bulk[end]) ++end;
            run[i] = end - i;
            i = end;
        }
        return run;
    }();

    // Bytes of the fields [I, I + N).
    template <std::size_t I, std::size_t N>
    static constexpr std::size_t run_bytes = []<std::size_t... J>(std::index_sequence<J...>) {
        return (std::size_t{0} + ... + least_of<type_at<I + J>>());
    }
    (std::make_index_sequence<N>{});

    static std::size_t size(const Ts&... values) {
        return (std::size_t{0} + ... + size_of<Ts>(values));
    }

    /// `fields` is a tuple of references into the object at `base`.
    template <class Fields>
    [[gnu::always_inline]] static inline void encode(writer& w, const void* base,
                                                     const Fields& fields) {
        [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
            (encode_at<I>(w, static_cast<const std::byte*>(base), fields), ...);
        }
        (std::make_index_sequence<count>{});
    }

    template <class Fields>
    [[gnu::always_inline]] static inline bool decode(reader& r, void* base, Fields&& fields) {
        return [&]<std::size_t... I>(std::index_sequence<I...>) __attribute__((always_inline)) {
            return (... && decode_at<I>(r, static_cast<std::byte*>(base), fields));
        }
        (std::make_index_sequence<count>{});
    }

private:
    // Where field I begins and whether the run from I lies side by side: constants, once the
    // optimiser has seen the addresses.
    template <std::size_t I, class Fields>
    [[gnu::always_inline]] static inline std::size_t offset(const std::byte* base,
                                                            const Fields& fields) noexcept {
        return static_cast<std::size_t>(reinterpret_cast<const std::byte*>(&std::get<I>(fields)) -
                                        base);
    }

    template <std::size_t I, class Fields>
    [[gnu::always_inline]] static inline bool adjacent(const std::byte* base,
                                                       const Fields& fields) noexcept {
        return [&]<std::size_t... J>(std::index_sequence<J...>) __attribute__((always_inline)) {
            return (... && (offset<I + J>(base, fields) + least_of<type_at<I + J>>() ==
                            offset<I + J + 1>(base, fields)));
        }
        (std::make_index_sequence<runs[I] - 1>{});
    }

    template <std::size_t I, class Fields>
    [[gnu::always_inline]] static inline void encode_at(writer& w, const std::byte* base,
                                                        const Fields& fields) {
        if constexpr (runs[I] == 1) {
            codec<type_at<I>>::encode(w, std::get<I>(fields));
        } else if constexpr (runs[I] > 1) {
            if (adjacent<I>(base, fields)) {
                w.put(base + offset<I>(base, fields), run_bytes<I, runs[I]>);
            } else {
                [&]<std::size_t... J>(std::index_sequence<J...>) {
                    (codec<type_at<I + J>>::encode(w, std::get<I + J>(fields)), ...);
                }
                (std::make_index_sequence<runs[I]>{});
            }
        }
    }

    template <std::size_t I, class Fields>
    [[gnu::always_inline]] static inline bool decode_at(reader& r, std::byte* base,
                                                        Fields& fields) {
        if constexpr (runs[I] == 1) {
            return codec<type_at<I>>::decode(r, std::get<I>(fields));
        } else if constexpr (runs[I] > 1) {
            if (r.remaining() >= run_bytes<I, runs[I]> && adjacent<I>(base, fields)) {
                constexpr std::size_t bytes = run_bytes<I, runs[I]>;
                std::memcpy(base + offset<I>(base, fields), r.take(bytes), bytes);
                return true;
            }
            return [&]<std::size_t... J>(std::index_sequence<J...>) {
                return (... && codec<type_at<I + J>>::decode(r, std::get<I + J>(fields)));
            }
            (std::make_index_sequence<runs[I]>{});
        } else {
            return true; // copied with the run that it belongs to
        }
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
