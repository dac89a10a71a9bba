// SPDX-License-Identifier: BSL-1.0
#pragma once
// keyed.hpp: the wire forms of sets and maps: a count, then the keys, each with its value.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reader.hpp>
#include <mitogen/codec/shapes.hpp>
#include <mitogen/codec/signature.hpp>
#include <mitogen/codec/standard/containers.hpp>
#include <mitogen/codec/standard/key_checks.hpp>
#include <mitogen/codec/text.hpp>
#include <mitogen/codec/writer.hpp>

#include <cstddef>
#include <iterator>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

// Ordered containers travel last key first: each key then goes in front of all others, which takes
// one comparison if the other end takes two. What arrives in another order is accepted.
template <class Container, class Visit>
inline void for_each_key(const Container& values, Visit visit) {
    if constexpr (requires { --values.end(); }) {
        for (auto at = values.end(); at != values.begin();) visit(*--at);
    } else {
        for (const auto& value : values) visit(value);
    }
}

// Sorted vectors: inserting in front would move everything each time.
template <class T>
concept flat = requires(const T& c) {
    c.end() - c.begin();
};

/// Sets, ordered or not. A key that occurs twice is refused, except by multisets.
template <class T>
struct shaped<T, shape::set> {
    using key = typename T::key_type;
    using parts = wire::parts<key>;

    static constexpr std::size_t least = 4;

    static std::size_t size(const T& values) { return 4 + size_range(values); }
    static void encode(writer& w, const T& values) {
        w.put_count(values.size());
        for_each_key(values, [&w](const key& k) { codec<key>::encode(w, k); });
    }
    static bool decode(reader& r, T& values) {
        std::size_t count = 0;
        if (!r.take_count(count, least_of<key>(), cost_of<key>() + node_cost)) [[unlikely]]
            return r.expected(&signature);
        const level<key> depth(r);
        if (!depth) [[unlikely]]
            return false;
        values.clear();
        if constexpr (requires { values.reserve(count); }) values.reserve(count);
        std::vector<key> sorted_later;
        [[maybe_unused]] bucket_watch<T> watch(count);
        [[maybe_unused]] auto last = values.end();
        for (std::size_t i = 1; i <= count; ++i) {
            key k{};
            if (!codec<key>::decode(r, k)) [[unlikely]]
                return false;
            if (!equals_itself(k)) [[unlikely]]
                return fail_key(r, key_unequal, &signature);
            if constexpr (flat<T>) {
                sorted_later.push_back(std::move(k));
            } else {
                const auto at = values.emplace_hint(hint_of(values, last), std::move(k));
                if (values.size() != i) [[unlikely]]
                    return fail_key(r, key_twice, &signature);
                if (!watch.entered(values, last, at)) [[unlikely]]
                    return fail_key(r, keys_collide, &signature);
                last = at;
            }
        }
        if constexpr (flat<T>) values.insert(sorted_later.begin(), sorted_later.end());
        return values.size() == count || fail_key(r, key_twice, &signature);
    }
    static void signature(signature_sink& s) { s.put('<').template add<key>().put('>'); }
};

/// Maps, ordered or not. A key that occurs twice is refused, except by multimaps.
template <class T>
struct shaped<T, shape::map> {
    using key = typename T::key_type;
    using mapped = typename T::mapped_type;
    using parts = wire::parts<key, mapped>;

    static constexpr std::size_t least = 4;
    static constexpr bool is_flat = fixed_of<key>() && fixed_of<mapped>();

    static std::size_t size(const T& values) {
        std::size_t size = 4 + values.size() * ((fixed_of<key>() ? least_of<key>() : 0) +
                                                (fixed_of<mapped>() ? least_of<mapped>() : 0));
        if constexpr (!is_flat) {
            for (const auto& [k, v] : values) {
                if constexpr (!fixed_of<key>()) size += codec<key>::size(k);
                if constexpr (!fixed_of<mapped>()) size += codec<mapped>::size(v);
            }
        }
        return size;
    }
    static void encode(writer& w, const T& values) {
        w.put_count(values.size());
        for_each_key(values, [&w](const auto& value) {
            codec<key>::encode(w, value.first);
            codec<mapped>::encode(w, value.second);
        });
    }
    static bool decode(reader& r, T& values) {
        std::size_t count = 0;
        if (!r.take_count(count, least_of<key>() + least_of<mapped>(),
                          cost_of<std::pair<key, mapped>>() + node_cost)) [[unlikely]]
            return r.expected(&signature);
        const level<std::conditional_t<is_flat, key, T>> depth(r);
        if (!depth) [[unlikely]]
            return false;
        values.clear();
        if constexpr (flat<T>) {
            std::vector<std::pair<key, mapped>> sorted_later(count);
            for (auto& [k, v] : sorted_later) {
                if (!codec<key>::decode(r, k) || !codec<mapped>::decode(r, v)) [[unlikely]]
                    return false;
                if (!equals_itself(k)) [[unlikely]]
                    return fail_key(r, key_unequal, &signature);
            }
            values.insert(std::make_move_iterator(sorted_later.begin()),
                          std::make_move_iterator(sorted_later.end()));
            return values.size() == count || fail_key(r, key_twice, &signature);
        } else {
            if constexpr (requires { values.reserve(count); }) values.reserve(count);
            bucket_watch<T> watch(count);
            auto last = values.end();
            for (std::size_t i = 1; i <= count; ++i) {
                typename T::iterator at = last;
                if (!decode_key(r, values, at)) [[unlikely]]
                    return false;
                if (values.size() != i) [[unlikely]]
                    return fail_key(r, key_twice, &signature);
                if (!watch.entered(values, last, at)) [[unlikely]]
                    return fail_key(r, keys_collide, &signature);
                if (!codec<mapped>::decode(r, at->second)) [[unlikely]]
                    return false;
                last = at;
            }
            return true;
        }
    }
    static void signature(signature_sink& s) {
        s.put('{').template add<key>().put("=>").template add<mapped>().put('}');
    }

private:
    // `at`: first where the key before it went.
    static bool decode_key(reader& r, T& values, typename T::iterator& at) {
        if constexpr (is_text<key>) {
            std::string_view k; // the key is made in its node
            if (!codec<std::string_view>::decode(r, k)) [[unlikely]]
                return false;
            at = values.emplace_hint(hint_of(values, at), std::piecewise_construct,
                                     std::forward_as_tuple(k.data(), k.size()), std::tuple<>());
        } else {
            key k{};
            if (!codec<key>::decode(r, k)) [[unlikely]]
                return false;
            if (!equals_itself(k)) [[unlikely]]
                return fail_key(r, key_unequal, &signature);
            at = values.emplace_hint(hint_of(values, at), std::piecewise_construct,
                                     std::forward_as_tuple(std::move(k)), std::tuple<>());
        }
        return true;
    }
};

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
