// SPDX-License-Identifier: BSL-1.0
#pragma once
// on.hpp: where the functions of a context run.

#include <mitogen/base/config.hpp>

#include <cstdint>

namespace mitogen::inline MITOGEN_ABI {

/// The place that a function runs in, in the context that is called.
enum class on : std::uint8_t {
    main, ///< on the context's main thread, one after another
    pool, ///< on any of the context's worker threads, concurrently
    loop, ///< on the I/O thread, in place: for functions that never block
    task, ///< on the I/O thread, as a coroutine: every function that returns task<T>, and no other
    /// if the options of the context say with `.executor`, which is on its main thread if they do
    /// not
    context,
    thread, ///< on a thread that it has for itself as long as it runs: what holds its thread anyway
};

} // namespace mitogen::inline MITOGEN_ABI
