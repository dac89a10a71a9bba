// SPDX-License-Identifier: BSL-1.0
#pragma once
// rethrow.hpp: throws what a remote function threw as the type that it had there.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/static_registry.hpp>

#include <string>
#include <string_view>

#if MITOGEN_HAS_EXCEPTIONS && defined(__cpp_rtti)
#include <typeinfo>
#endif

namespace mitogen::inline MITOGEN_ABI {

#if MITOGEN_HAS_EXCEPTIONS && defined(__cpp_rtti)

namespace detail {

/// True if `readable`, an error's type, is the type of that mangled name.
bool names_type(std::string_view readable, const char* mangled);
/// Throws one of the standard library's exceptions, if `e` is one.
void rethrow_standard(const error& e);

template <class E>
void rethrow_one(const error& e) {
    if (names_type(e.detail().type, typeid(E).name())) throw E(std::string(e.message()));
}

/// One type that the program has registered.
class rethrowable_entry {
    const rethrowable_entry* before_ = nullptr;

public:
    void (*const rethrow)(const error&);

    explicit rethrowable_entry(void (*throws)(const error&)) noexcept;
    const rethrowable_entry* before() const noexcept { return before_; }
};

inline constinit static_registry<rethrowable_entry> all_rethrowables;

inline rethrowable_entry::rethrowable_entry(void (*throws)(const error&)) noexcept
    : rethrow(throws) {
    all_rethrowables.add(*this, [this](const rethrowable_entry* last) { before_ = last; });
}

template <class E>
struct rethrowable_slot {
    static rethrowable_entry entry;
};
template <class E>
rethrowable_entry rethrowable_slot<E>::entry{&rethrow_one<E>};

template <class... E>
struct rethrower {
    static void run(const error& e) { (rethrow_one<E>(e), ...); }
};
template <>
struct rethrower<> {
    static void run(const error& e) {
        for (const auto* one = all_rethrowables.newest(); one; one = one->before())
            one->rethrow(e);
        rethrow_standard(e);
    }
};

} // namespace detail

/// Registers an exception of the program's for error::rethrow_as(). Any mention that is compiled
/// suffices: `[[maybe_unused]] constexpr auto& registered = mitogen::rethrowable<app::trouble>;`.
/// It is constructible from a std::string.
template <class E>
inline constexpr const detail::rethrowable_entry& rethrowable = detail::rethrowable_slot<E>::entry;

#endif

} // namespace mitogen::inline MITOGEN_ABI
