// SPDX-License-Identifier: BSL-1.0
#pragma once
// boot_progress.hpp: how far the start of a child is, and what it took.

#include <mitogen/base/config.hpp>

#include <cstdint>
#include <string>

namespace mitogen::inline MITOGEN_ABI {

/// How far a connection attempt is.
struct connect_progress {
    enum class phase : std::uint8_t {
        login,  ///< what leads there has been started: it finds the host, and authenticates
        upload, ///< the program is sent; not if the target has it already, or it is this machine's
        start,  ///< the program is started there, and has not answered yet
        up,     ///< it has
    };

    phase now = phase::login;
    std::uint64_t sent = 0;  ///< of the program, as it is sent, compressed or not; bytes
    std::uint64_t total = 0; ///< 0: nothing is sent
};

/// What the start of a child took.
struct boot_info {
    std::string machine{};                ///< what it says of its machine: "Linux aarch64"
    std::uint64_t payload_bytes_sent = 0; ///< 0 if the target had the program, or is this machine
};

} // namespace mitogen::inline MITOGEN_ABI
