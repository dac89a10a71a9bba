// SPDX-License-Identifier: BSL-1.0
#pragma once
// random.hpp: numbers that nobody can guess.

#include <mitogen/base/config.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/fault.hpp>

#include <cstdint>

#if defined(__APPLE__)
#include <sys/random.h>
#endif
#include <unistd.h>

namespace mitogen::inline MITOGEN_ABI {
namespace os {

/// 64 bits of getentropy(3): a system call. A kernel that has none gives what the clock and the
/// process id say, which somebody who knows much about this machine may guess. Threads: any.
MITOGEN_COLD inline std::uint64_t random_number() {
    std::uint64_t number = 0;
    if (checked("getentropy", -1, [&] { return ::getentropy(&number, sizeof number); }) >= 0)
        return number;
    return static_cast<std::uint64_t>(monotonic_now()) ^
           static_cast<std::uint64_t>(::getpid()) << 40;
}

} // namespace os
} // namespace mitogen::inline MITOGEN_ABI
