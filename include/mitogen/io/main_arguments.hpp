// SPDX-License-Identifier: BSL-1.0
#pragma once
// main_arguments.hpp: what mitogen::init learnt from main(), for the policies that run in real
// processes.

#include <mitogen/base/config.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

/// The arguments of main(). A fact of the operating system's process: simulated processes have
/// none.
struct main_arguments_type {
    int argc = 0;
    char** argv = nullptr;
    bool known = false; ///< mitogen::init was called
};
/// Those of this process.
inline constinit main_arguments_type main_arguments{};

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
