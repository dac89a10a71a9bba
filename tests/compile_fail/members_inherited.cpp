// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: mitogen_members() of T, named beside this message, names members of base classes alone, as one that is inherited does; list those of T itself in mitogen::members<T>
// expect: {with T = coloured|no_codec<coloured}
#include <mitogen/codec/codec.hpp>

struct label {
    std::string text{};
    static constexpr auto mitogen_members() { return mitogen::list(&label::text); }
};

struct coloured : label {
    int colour = 0;
};

#ifdef FIXED
template <>
inline constexpr auto mitogen::members<coloured> = mitogen::list(&label::text, &coloured::colour);
#endif

mitogen::buffer send(const coloured& value) { return mitogen::encode(value); }
