// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: a view in T may point into memory of the reader that decodes it; make a mitogen::reader that lives as long as the value
#include <mitogen/codec/codec.hpp>

#ifdef FIXED
using numbers = std::span<const std::uint8_t>; // always a view of the received bytes
#else
using numbers = std::span<const double>; // a copy, if the bytes are not aligned
#endif

auto receive(std::span<const std::byte> bytes) {
    return mitogen::decode<std::pair<int, numbers>>(bytes);
}
