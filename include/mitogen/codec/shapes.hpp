// SPDX-License-Identifier: BSL-1.0
#pragma once
// shapes.hpp: tells what kind of type one is by what it offers, so that no heavy standard header
// need be included to recognise its types.

#include <mitogen/base/config.hpp>
#include <mitogen/codec/reflect/members.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

#if MITOGEN_HAS_DESCRIBE
#include <boost/describe/bases.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/describe/members.hpp>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace wire {

/// The kinds of types that are recognised by their shape. Templates of light headers (vector,
/// string, tuple, …) have codecs of their own.
enum class shape : std::uint8_t {
    none, // has no codec
    boolean,
    scalar, // fixed width, any bits valid
    enumeration,
    listed,     // a class whose members the program lists
    described,  // a class described with Boost.Describe
    path,       // std::filesystem::path
    duration,   // std::chrono::duration
    time_point, // std::chrono::time_point
    complex,    // std::complex
    expected,   // std::expected
    adaptor,    // std::stack, queue, priority_queue
    map,        // ordered or not, unique keys or not
    set,
    sequence, // push_back, and a size
    forward_list,
    aggregate, // a plain struct
};

template <class T>
concept described_class =
#if MITOGEN_HAS_DESCRIBE
    std::is_class_v<T> && boost::describe::has_describe_members<T>::value;
#else
    false;
#endif

// The list of a base class does not stand in the way of a description.
template <class T>
consteval bool inherits_list() {
    if constexpr (!listed_class<T>)
        return false;
    else
        return find_list_problem<T>() == list_problem::inherited;
}

template <class T>
concept described_enum =
#if MITOGEN_HAS_DESCRIBE
    std::is_enum_v<T> && boost::describe::has_describe_enumerators<T>::value;
#else
    false;
#endif

template <class T>
concept range_shape = requires(T& t, const T& c) {
    typename T::value_type;
    c.begin() != c.end();
    t.clear();
};

template <class T>
concept sequence_shape = range_shape<T> && requires(T& t, const T& c) {
    c.size();
    t.push_back(std::declval<typename T::value_type>());
    t.back();
};

template <class T>
concept forward_list_shape = range_shape<T> && requires(T& t, const T& c) {
    t.insert_after(c.before_begin(), std::declval<typename T::value_type>());
};

template <class T>
concept keyed_shape = range_shape<T> && requires(T& t, const T& c) {
    typename T::key_type;
    c.size();
    t.emplace_hint(c.end(), std::declval<typename T::value_type>());
};

template <class T>
concept map_shape = keyed_shape<T> && requires {
    typename T::mapped_type;
};

template <class T>
concept adaptor_shape = requires(T& t, const T& c) {
    typename T::container_type;
    typename T::value_type;
    c.size();
    t.push(std::declval<typename T::value_type>());
    t.pop();
};

template <class T>
concept path_shape = requires(const T& c) {
    typename T::string_type;
    typename T::format;
    { c.native() } -> std::same_as<const typename T::string_type&>;
    c.root_directory();
};

template <class T>
concept duration_shape = requires(const T& c) {
    typename T::rep;
    T::period::num;
    T::period::den;
    { c.count() } -> std::same_as<typename T::rep>;
    T(std::declval<typename T::rep>());
}
&&std::is_arithmetic_v<typename T::rep> && !std::is_same_v<typename T::rep, long double>;

template <class T>
concept time_point_shape = requires(const T& c) {
    typename T::clock;
    { c.time_since_epoch() } -> std::same_as<typename T::duration>;
}
&&duration_shape<typename T::duration>;

template <class T>
concept complex_shape = requires(T& t, const T& c, typename T::value_type v) {
    { c.real() } -> std::same_as<typename T::value_type>;
    { c.imag() } -> std::same_as<typename T::value_type>;
    t.real(v);
    t.imag(v);
    T(v, v);
}
&&std::is_floating_point_v<typename T::value_type> &&
    !std::is_same_v<typename T::value_type, long double>;

template <class T>
concept expected_shape = requires(const T& c) {
    typename T::value_type;
    typename T::error_type;
    typename T::unexpected_type;
    { c.has_value() } -> std::same_as<bool>;
    c.error();
};

// Converts to the bases of T and to nothing else: initialises an aggregate only if that begins with
// a base.
template <class T>
struct any_base {
    template <class Base>
        requires(std::is_base_of_v<Base, T> && !std::is_same_v<Base, T>)
    operator Base() const;
};

// Converts to nothing: initialises an aggregate only if its first member is made from anything, as
// std::any is.
struct no_value {};

/// Aggregates that can be taken apart: those without base classes.
template <class T>
concept plain_aggregate =
    std::is_aggregate_v<T> && std::is_class_v<T> && (!requires { T{any_base<T>{}}; } || requires {
        T{no_value{}};
    });

template <class T>
consteval shape class_shape() {
    if constexpr (!std::is_default_constructible_v<T>)
        return shape::none;
    else if constexpr (described_class<T> && inherits_list<T>())
        return shape::described;
    else if constexpr (listed_class<T>)
        return shape::listed;
    else if constexpr (described_class<T>)
        return shape::described;
    else if constexpr (path_shape<T>)
        return shape::path;
    else if constexpr (duration_shape<T>)
        return shape::duration;
    else if constexpr (time_point_shape<T>)
        return shape::time_point;
    else if constexpr (complex_shape<T>)
        return shape::complex;
    else if constexpr (expected_shape<T>)
        return shape::expected;
    else if constexpr (adaptor_shape<T>)
        return shape::adaptor;
    else if constexpr (map_shape<T>)
        return shape::map;
    else if constexpr (keyed_shape<T>)
        return shape::set;
    else if constexpr (sequence_shape<T>)
        return shape::sequence;
    else if constexpr (forward_list_shape<T>)
        return shape::forward_list;
    else if constexpr (plain_aggregate<T>)
        return shape::aggregate;
    else
        return shape::none;
}

template <class T>
consteval shape shape_of() {
    if constexpr (std::is_const_v<T> || std::is_volatile_v<T>)
        return shape::none;
    else if constexpr (std::is_same_v<T, bool>)
        return shape::boolean;
    else if constexpr (std::is_same_v<T, long double>)
        return shape::none;
    else if constexpr (std::is_arithmetic_v<T> || std::is_same_v<T, std::byte>)
        return shape::scalar;
    else if constexpr (std::is_enum_v<T>)
        return shape::enumeration;
    else if constexpr (std::is_class_v<T>)
        return class_shape<T>();
    else
        return shape::none;
}

/// The wire form of a `T` that has the shape `S`.
template <class T, shape S>
struct shaped;

/// The types that a codec passes its work on to; what is looked into when a type without a codec is
/// searched for.
template <class... Ts>
struct parts {};

} // namespace wire

/// How a `T` travels. Specialise it for a type of your own that is no aggregate, and whose members
/// are neither listed (see mitogen::members) nor described: ``` template <> struct
/// mitogen::codec<celsius> {
///     static std::size_t size(const celsius& t) { return mitogen::encoded_size(t.degrees()); }
///     static void encode(mitogen::writer& w, const celsius& t) { mitogen::encode(w, t.degrees());
///     }
///     static bool decode(mitogen::reader& r, celsius& t) { double d; return mitogen::decode(r, d)
///     && (t = celsius(d), true); }
///     static void signature(mitogen::signature_sink& s) { s.put("celsius"); }
/// };
/// ```
/// encode() must write exactly size() bytes. decode() gets a default-constructed object and returns
/// false after r.fail("why"). Optional members: `static constexpr std::size_t least`, the fewest
/// bytes that one can take (default 1; a type that may take none must say 0, and then one message
/// may hold 65,536 elements of it), and `static constexpr bool is_fixed` (all take exactly `least`;
/// size() is then not used).
template <class T>
struct codec : wire::shaped<T, wire::shape_of<T>()> {};

namespace wire {

/// The fewest bytes that a `T` takes.
template <class T>
consteval std::size_t least_of() {
    if constexpr (requires { codec<T>::least; })
        return codec<T>::least;
    else
        return 1;
}

/// True if every `T` takes least_of<T>() bytes.
template <class T>
consteval bool fixed_of() {
    if constexpr (requires { codec<T>::is_fixed; })
        return codec<T>::is_fixed;
    else
        return false;
}

/// True if the bytes of a `T` in memory are its wire form on this host, and any bytes are a valid
/// `T`.
template <class T>
consteval bool bulk_of() {
    if constexpr (requires { codec<T>::is_bulk; })
        return codec<T>::is_bulk;
    else
        return false;
}

/// True if `T` has no codec.
template <class T>
consteval bool missing() {
    return requires { codec<T>::is_missing; };
}

// Its first block comes with it, even if it is empty.
template <class T>
concept block_container = requires(T& t) {
    t.push_front(std::declval<typename T::value_type>());
    t[0];
}
&&!std::is_nothrow_default_constructible_v<T>;

/// Bytes of memory that an empty `T` takes outside itself.
template <class T>
consteval std::size_t hidden_of();

template <class... Ts>
consteval std::size_t hidden_in(parts<Ts...>) {
    return (std::size_t{0} + ... + hidden_of<Ts>());
}

template <class T>
consteval std::size_t hidden_of() {
    if constexpr (block_container<T>)
        return 640; // as libstdc++ does
    else if constexpr (adaptor_shape<T>)
        return hidden_of<typename T::container_type>();
    else if constexpr (requires { codec<T>::extent; })
        return codec<T>::extent * hidden_in(typename codec<T>::parts{});
    else if constexpr (requires { typename codec<T>::record; })
        return hidden_in(typename codec<T>::parts{});
    else
        return 0;
}

/// Bytes of memory that a `T` takes before anything of it is decoded, for reader::charge().
template <class T>
consteval std::size_t cost_of() {
    return sizeof(T) + hidden_of<T>();
}

/// What a node of a list or a tree takes beside its value.
inline constexpr std::size_t node_cost = 40;

template <class T>
inline std::size_t size_of(const T& value) {
    if constexpr (fixed_of<T>())
        return least_of<T>();
    else
        return codec<T>::size(value);
}

} // namespace wire
} // namespace mitogen::inline MITOGEN_ABI
