// SPDX-License-Identifier: BSL-1.0
// The other file of the program: both include the library.
#include <mitogen/mitogen.hpp>

int twice(int n);
int twice(int n) { return 2 * n; }
