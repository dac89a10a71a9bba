// SPDX-License-Identifier: BSL-1.0
#pragma once
// payload_option.hpp: the programs that may be sent to a target.

#include <mitogen/base/config.hpp>

#include <string>

namespace mitogen::inline MITOGEN_ABI {

/// A program to send to machines that this program was not built for: the same source, built for
/// them.
struct payload {
    std::string machine{}; ///< what `uname -sm` prints there: "Linux aarch64"
    std::string path{};    ///< of the program, here
};

} // namespace mitogen::inline MITOGEN_ABI
