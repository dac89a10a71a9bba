// SPDX-License-Identifier: BSL-1.0
#pragma once
// flush.hpp: writes what the streams of the C library hold, at the end of a process, without
// waiting for ever.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/io/construction.hpp>
#include <mitogen/io/thread.hpp>
#include <mitogen/os/thread/parker.hpp>

#include <cstdio>
#include <memory>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// As fflush(stream), null for all of them, but for a second at most: a thread that reads from a
/// stream, or is stuck in writing to it, holds its lock. Then a thread is left behind that goes on
/// with it, and with null so is the lock of the list of all streams: the process must not call
/// exit() any more.
template <class Io>
MITOGEN_COLD void flush_in_time(Io& io, std::FILE* stream) {
    constexpr duration_ns patience = 1'000'000'000;
    const auto done = std::make_shared<posix_parker>(io);
    const mitogen::detail::construction attempt;
    posix_thread flusher(io, "mitogen flush", [done, stream] {
        std::fflush(stream);
        done->unpark();
    });
    if (attempt.failure()) // no thread is to be had, so there is none to wait for
        std::fflush(stream);
    else if (!done->park_until(mitogen::detail::after(io.now(), patience)))
        flusher.forget();
}

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
