// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: long double has another format on every kind of machine; send a double
#include <mitogen/codec/codec.hpp>

#ifdef FIXED
using number = double;
#else
using number = long double;
#endif

std::size_t size(const std::vector<number>& numbers) { return mitogen::encoded_size(numbers); }
