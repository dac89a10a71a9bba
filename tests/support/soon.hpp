// SPDX-License-Identifier: BSL-1.0
#pragma once
// soon.hpp: looks again until something has happened that cannot be waited for.

#include <chrono>
#include <poll.h>

namespace support {

/// Looks until `holds()`: for processes, files and mounts of others, which wake nobody. False: not
/// even after `limit`, which is long enough for a busy machine.
template <class Condition>
bool soon(Condition holds, std::chrono::seconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!holds()) {
        if (std::chrono::steady_clock::now() > end) return false;
        ::poll(nullptr, 0, 5);
    }
    return true;
}

} // namespace support
