// SPDX-License-Identifier: BSL-1.0
#pragma once
// flush_mode.hpp: when a message is written.

#include <mitogen/base/config.hpp>

#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// When a message leaves.
enum class flush_mode : std::uint8_t {
    /// the caller is about to wait for the answer: written by the calling thread if nobody else is
    /// writing
    now,
    soon, ///< more may follow: gathered, and written by the loop
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
