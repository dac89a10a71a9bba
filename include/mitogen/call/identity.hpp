// SPDX-License-Identifier: BSL-1.0
#pragma once
// identity.hpp: the text that names a remote function in every program that has it: qualified name
// and wire signature.
//
// Everything here is made at run time, when somebody asks; before that a function costs a few words
// of constant data.
//
// If the name comes from, and what it is worth between two builds:
//   with RTTI              complete: templates, default arguments, inline namespaces; the same from
//                          gcc and clang
//   gcc without RTTI       the same, but default arguments of the program's own class templates are
//                          missing, and enumerators and
//                          functions as template arguments are spelt differently
//   clang without RTTI     the arguments of function templates and the program's inline namespaces
//                          are missing: see `exact`

#include <mitogen/base/config.hpp>
#include <mitogen/call/canonical_name.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/codec/signature.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include <cxxabi.h>
#include <typeinfo>

namespace mitogen::inline MITOGEN_ABI {

/// The name by which `F` is known in other programs, in place of its qualified name:
/// `template <> inline constexpr std::string_view mitogen::name_of<&fn> = "db.count";` (before the
/// first use of `fn`). Needed for lambdas and functions in anonymous namespaces that two different
/// builds call in each other.
template <auto F>
inline constexpr std::string_view name_of{};

namespace detail {

/// What is known of a function's name. Made once per function, when first asked for.
struct function_texts {
    std::string name;      ///< canonical qualified name, or what name_of says
    std::string signature; ///< `(i32,string)->[u64]`
    std::string identity;  ///< name and signature
    std::uint64_t key = 0; ///< hash of `identity`
    bool is_stable = true; ///< false: the name means something within one build only
    /// false: other functions may have printed the same name (clang without RTTI)
    bool is_exact = true;
};

// The pieces of a signature, shared by all functions that have it.
struct signature_parts {
    using writer = void (*)(signature_sink&);
    const writer* parameters;
    std::size_t count;
    writer result;
};

template <class T>
void write_type(signature_sink& sink) {
    if constexpr (std::is_void_v<T>) {
        sink.put("void");
        // else check_function() says so, with the function and the position
    } else if constexpr (wire::travels<T>()) {
        sink.add<T>();
    }
}

template <class Result, class Parameters>
struct parts_of;
template <class Result, class... Ps>
struct parts_of<Result, type_list<Ps...>> {
    static constexpr signature_parts::writer parameters[sizeof...(Ps) + 1] = {&write_type<Ps>...,
                                                                              nullptr};
    static constexpr signature_parts value{parameters, sizeof...(Ps), &write_type<Result>};
};

// The source of the texts of one function: constant data only. A null `read_name` stands for
// name_from_type(), also in a core that was compiled without run-time type information; so that is
// not compiled where a function is only called.
struct function_source {
    void (*read_name)(const void* raw, function_texts& to);
    const void* raw;
    const signature_parts* signature;
};

template <auto F>
inline constexpr std::string_view given_name = name_of<F>;

inline void name_from_given(const void* raw, function_texts& to) {
    to.name = *static_cast<const std::string_view*>(raw);
}

template <auto F>
struct name_tag {};

// The mangled name of name_tag<F> contains F's own with everything in it; no other place does in
// both compilers.
inline void name_from_type(const void* raw, function_texts& to) {
    const char* const mangled = static_cast<const std::type_info*>(raw)->name();
    int status = 0;
    char* const demangled = abi::__cxa_demangle(mangled, nullptr, nullptr, &status);
    if (demangled) {
        constexpr std::string_view tag = "name_tag<";
        std::string_view text = demangled;
        text.remove_prefix(text.find(tag) + tag.size());
        text.remove_suffix(1);
        to.name = canonical_function(text);
        to.is_stable = !names_within_one_build(to.name);
        std::free(demangled);
        // mangled in a way that is newer than the demangler: unique, but unreadable and this
        // compiler's alone
    } else {
        to.name = mangled;
        to.is_stable = false;
    }
}

#if !MITOGEN_HAS_RTTI
// A function of its own: gcc replaces the macro too early if it initialises a constant.
template <auto F>
consteval const char* printed_value() noexcept {
    return __PRETTY_FUNCTION__;
}
template <class F>
consteval const char* printed_type() noexcept {
    return __PRETTY_FUNCTION__;
}

// gcc: `… [with auto F = ns::f<1>]`; clang: `… [F = &ns::f]`.
template <auto F>
consteval std::string_view printed_name() noexcept {
    using function = std::remove_cv_t<decltype(F)>;
    std::string_view text;
    if constexpr (std::is_empty_v<function>)
        // clang prints a closure as `{}`, but its type with its place
        text = printed_type<function>();
    else
        text = printed_value<F>();
    const std::size_t begin = text.find("F = ") + 4;
    return text.substr(begin, text.size() - begin - 1);
}

// The name alone, without what the compiler prints around it: that would be most of the bytes that
// a function costs.
template <auto F>
inline constexpr auto name_bytes = [] {
    constexpr std::string_view text = printed_name<F>();
    std::array<char, text.size() + 1> bytes{};
    for (std::size_t i = 0; i < text.size(); ++i) bytes[i] = text[i];
    return bytes;
}();

inline void name_from_print(const void* raw, function_texts& to) {
#if defined(__clang__)
    to.is_exact = false;
#endif
    to.name = canonical_function(static_cast<const char*>(raw));
    to.is_stable = !names_within_one_build(to.name);
}
#endif

template <auto F>
consteval function_source source_of() noexcept {
    using traits = function_traits<F>;
    constexpr void (*check)() = &check_function<F>;
    static_cast<void>(check);
    constexpr const signature_parts* signature =
        &parts_of<typename wire_result<typename traits::result>::type,
                  typename traits::signature_parameters>::value;
    if constexpr (!given_name<F>.empty()) {
        return {&name_from_given, &given_name<F>, signature};
    } else {
#if MITOGEN_HAS_RTTI
        return {nullptr, &typeid(name_tag<F>), signature};
#else
        return {&name_from_print, name_bytes<F>.data(), signature};
#endif
    }
}

// One per function; a local constant would be laid out again by each that asks.
template <auto F>
inline constexpr function_source source = source_of<F>();

/// FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923): the key of an identity. Its inputs are the
/// program's own names, not an attacker's.
constexpr std::uint64_t identity_hash(std::string_view text) noexcept {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const char c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    return hash;
}

MITOGEN_COLD inline function_texts read_texts(const function_source& from) {
    function_texts texts;
    if (from.read_name) {
        from.read_name(from.raw, texts);
    } else {
        name_from_type(from.raw, texts);
    }
    signature_sink sink;
    sink.put('(');
    for (std::size_t i = 0; i < from.signature->count; ++i) {
        if (i > 0) sink.put(',');
        from.signature->parameters[i](sink);
    }
    sink.put(")->");
    from.signature->result(sink);
    texts.signature = sink.take();
    texts.identity = texts.name + texts.signature;
    texts.key = identity_hash(texts.identity);
    return texts;
}

MITOGEN_COLD inline std::string read_text(const function_source& from,
                                          std::string function_texts::*which) {
    function_texts texts = read_texts(from);
    return std::move(texts.*which);
}

} // namespace detail

/// The canonical qualified name of `F`, for instance `app::scale<i32>`; or what `name_of<F>` says.
/// Composed at each call: keep it.
template <auto F>
std::string function_name() {
    return detail::read_text(detail::source<F>, &detail::function_texts::name);
}

/// The wire signature of `F`, for instance `(i32,string)->[u64]`. Parameters that are injected if
/// the function runs are not in it, except dialogs.
template <auto F>
std::string function_signature() {
    return detail::read_text(detail::source<F>, &detail::function_texts::signature);
}

/// Name and signature: equal in two programs if one may call the other's `F`.
template <auto F>
std::string function_identity() {
    return detail::read_text(detail::source<F>, &detail::function_texts::identity);
}

} // namespace mitogen::inline MITOGEN_ABI
