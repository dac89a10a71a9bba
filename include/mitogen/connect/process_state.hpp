// SPDX-License-Identifier: BSL-1.0
#pragma once
// process_state.hpp: what mitogen::init learnt from main()'s arguments.

#include <mitogen/base/config.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

struct process_state {
    int argc = 0;
    char** argv = nullptr;
    bool initialised = false;
};
inline constinit process_state this_process{};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
