// SPDX-License-Identifier: BSL-1.0
// expect: mitogen: a pointer means nothing in another process; send the value itself, a std::optional or a std::unique_ptr
// expect: {with T = int*|no_codec<int *}
#include <mitogen/codec/codec.hpp>

#ifdef FIXED
using reference = std::unique_ptr<int>;
#else
using reference = int*;
#endif

struct record {
    std::string name{};
    std::vector<reference> references{};
};

mitogen::result<record> receive(std::span<const std::byte> bytes) {
    return mitogen::decode<record>(bytes);
}
