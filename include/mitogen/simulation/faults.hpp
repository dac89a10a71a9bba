// SPDX-License-Identifier: BSL-1.0
#pragma once
// faults.hpp: what goes wrong in a simulated world, and how often.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>

#include <cstddef>
#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {
namespace simulation {

/// How likely things go wrong by themselves. All off by default. Probabilities are per operation,
/// from 0 to 1; times are nanoseconds. What should happen at a certain moment is planned with
/// world::at().
struct faults {
    double interrupt = 0.1;      ///< another thread goes on at a synchronisation point
    double partial_transfer = 0; ///< a read or write moves fewer bytes than it could
    /// a poller reports a descriptor that has nothing (the read says EAGAIN)
    double spurious_readiness = 0;
    double early_wait = 0;              ///< a poller's wait ends before its time, as with EINTR
    duration_ns least_latency = 0;      ///< of bytes on a link
    duration_ns most_latency = 0;       ///< drawn once per link
    std::uint64_t bytes_per_second = 0; ///< of a link; 0: no limit
    std::size_t pipe_bytes = 64 * 1024; ///< what a link takes before its reader reads
    double spawn_failure = 0;           ///< a process can't be started
    std::size_t most_descriptors = 1'000'000; ///< of one process: more is EMFILE
    double out_of_descriptors = 0;            ///< making a pipe fails with EMFILE
    // What happens to running processes and their links, as Poisson processes over the whole world:
    double kills_per_second = 0;   ///< of virtual time: a process that is not the root is killed
    double freezes_per_second = 0; ///< a process is stopped, for a time drawn from the next two
    duration_ns least_freeze = 1'000'000;
    duration_ns most_freeze = 500'000'000;
    double cuts_per_second = 0;  ///< a link is cut within its next few kilobytes
    double jumps_per_second = 0; ///< the clock leaps forward, as when a machine was suspended
    duration_ns most_jump = 2'000'000'000;
    double silences_per_second = 0; ///< a link swallows everything from now on, and says nothing
};

} // namespace simulation
} // namespace mitogen::inline MITOGEN_ABI
