// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: the members of T, named beside this message, are not what mitogen::list() returns; write mitogen::members<T> = mitogen::list(&T::first, &T::second)
// expect: {with T = label|no_codec<label}
#include <mitogen/codec/codec.hpp>

struct label {
    std::string text{};
};

template <>
#ifdef FIXED
inline constexpr auto mitogen::members<label> = mitogen::list(&label::text);
#else
inline constexpr auto mitogen::members<label> = &label::text;
#endif

mitogen::buffer send(const label& value) { return mitogen::encode(value); }
