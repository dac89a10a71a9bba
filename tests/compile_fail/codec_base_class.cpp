// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the aggregate T, named beside this message, has base classes, whose members cannot be told; list all members in mitogen::members<T>, or describe it
// expect: {with T = derived|no_codec<derived}
#include <mitogen/codec/codec.hpp>

struct base {
    int number = 0;
};

struct derived : base {
    std::string text{};
};

#ifdef FIXED
template <>
inline constexpr auto mitogen::members<derived> = mitogen::list(&derived::number, &derived::text);
#endif

mitogen::buffer send(const derived& value) { return mitogen::encode(value); }
