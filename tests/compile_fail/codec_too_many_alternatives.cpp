// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: a variant of at most 254 alternatives can travel: its index is one byte
#include <mitogen/codec/codec.hpp>

template <std::size_t... I>
auto make(std::index_sequence<I...>) -> std::variant<std::array<char, I>...>;

#ifdef FIXED
using choice = decltype(make(std::make_index_sequence<3>{}));
#else
using choice = decltype(make(std::make_index_sequence<300>{}));
#endif

std::size_t least() { return mitogen::codec<choice>::least; }
