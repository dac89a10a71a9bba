// SPDX-License-Identifier: BSL-1.0
#pragma once
// loop_task.hpp: work for the loop that is posted again and again.

#include <mitogen/base/config.hpp>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Work for the loop that is posted again and again: posting allocates nothing, and posting it
/// twice before it ran runs it once.
struct loop_task {
    void (*run)(loop_task& self) = nullptr;
    loop_task* next = nullptr;
    bool posted = false;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
