// SPDX-License-Identifier: BSL-1.0
// One of two translation units with the single header: its inline objects must be the same ones in
// both.
#include <mitogen/mitogen.hpp>

#ifdef MITOGEN_ABI
#error "the single header leaks its macros"
#endif

const void* log_state_in_two();

int main() { return log_state_in_two() == &mitogen::log::detail::global ? 0 : 1; }
