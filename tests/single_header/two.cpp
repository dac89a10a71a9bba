// SPDX-License-Identifier: BSL-1.0
// The other of the two translation units with the single header.
#include <mitogen/mitogen.hpp>

const void* log_state_in_two();
const void* log_state_in_two() { return &mitogen::log::detail::global; }
