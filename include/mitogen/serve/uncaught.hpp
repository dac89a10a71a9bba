// SPDX-License-Identifier: BSL-1.0
#pragma once
// uncaught.hpp: who is shown what remote functions throw, before the caller gets it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>

#include <atomic>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Called with the function's name and the error where an exception has left a remote function, on
/// the thread that ran it; null: nobody. Set once, by the debugger of a tree that is debugged.
inline constinit std::atomic<void (*)(const std::string& function, const error& why)> on_uncaught{
    nullptr};

/// Shows it. Inside a catch block.
MITOGEN_COLD inline void show_uncaught(const std::string& function, const error& why) {
    if (const auto shown = on_uncaught.load(std::memory_order_acquire)) shown(function, why);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
