// SPDX-License-Identifier: BSL-1.0
#pragma once
// shutdown_timeouts.hpp: how long the end of a child may take.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>

namespace mitogen::inline MITOGEN_ABI {

/// How long the end of a child may take, step by step.
struct shutdown_timeouts {
    duration_ns grace = 3'000'000'000;      ///< from being asked to end, to SIGTERM
    duration_ns after_term = 1'000'000'000; ///< from SIGTERM to SIGKILL
    /// from the link's end, until its loss is reported without exit status; also, from the orderly
    /// end of a context that is reached with ssh, until ssh is not waited for any more
    duration_ns for_status = 500'000'000;
    /// from the process's end, until a link that somebody else keeps open is closed
    duration_ns for_link = 500'000'000;
};

} // namespace mitogen::inline MITOGEN_ABI
