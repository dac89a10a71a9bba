// SPDX-License-Identifier: BSL-1.0
#pragma once
// process_wide.hpp: the debugger's objects of which a process has one.

#include <mitogen/base/config.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The one of this type. Never destroyed: threads may outlive main().
template <class T>
T& process_wide() {
    static T& one = *new T;
    return one;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
