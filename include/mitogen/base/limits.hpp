// SPDX-License-Identifier: BSL-1.0
#pragma once
// limits.hpp: every bound that the library puts on what a peer or a caller may make it hold.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

/// Bounds, inherited by every context below the one where they are set. Reaching one is an error of kind `overloaded` (or a
/// `codec_error`, for the two that concern decoding) for whoever caused it; never a crash and never unbounded memory.
struct limits {
    std::uint64_t message_bytes = 128u << 20; ///< largest payload of one message, in bytes
    std::uint64_t queue_bytes = 256u << 20;   ///< unsent bytes that one link may hold
    std::uint32_t nesting = 64;               ///< depth of values inside values while decoding
    std::uint32_t elements = 1u << 28;        ///< elements of one container while decoding
    std::uint32_t open_calls = 1u << 20;      ///< calls that one context may have waiting for an answer

    friend bool operator==(const limits&, const limits&) = default;
};

} // namespace mitogen::inline MITOGEN_ABI
