// SPDX-License-Identifier: BSL-1.0
#pragma once
// wipe.hpp: overwrites memory that held what nobody may find there.

#include <mitogen/base/config.hpp>

#include <cstddef>
#include <cstring>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Overwrites memory that is about to be given back.
inline void wipe(void* bytes, std::size_t size) noexcept {
    if (size == 0) return;
    std::memset(bytes, 0, size);
    asm volatile("" : : "r"(bytes) : "memory"); // somebody might look: the stores are not dead
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
