// SPDX-License-Identifier: BSL-1.0
#pragma once
// build_hash.hpp: the short form of a build id, by which two contexts know on every call whether
// they run the same program.

#include <mitogen/base/config.hpp>

#include <cstdint>
#include <string_view>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Hash of a build, as programs compare each other's: equal builds call functions by index. 0: not
/// known.
using build_hash = std::uint64_t;

/// Hash by which builds are compared on the hot path. FNV-1a, 64 bit; never 0.
inline build_hash hash_build(std::string_view id) noexcept {
    std::uint64_t h = 0xCBF2'9CE4'8422'2325u;
    for (const char c : id) h = (h ^ static_cast<unsigned char>(c)) * 0x0000'0100'0000'01B3u;
    return h ? h : 1;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
