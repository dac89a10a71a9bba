// SPDX-License-Identifier: BSL-1.0
#pragma once
// urgency.hpp: when a message is written.

#include <mitogen/base/config.hpp>

#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

/// When a message leaves.
enum class urgency : std::uint8_t {
    now,  ///< the caller is about to wait for the answer: written by the calling thread if nobody else is writing
    soon, ///< more may follow: gathered, and written by the loop
};

} // namespace mitogen::inline MITOGEN_ABI
