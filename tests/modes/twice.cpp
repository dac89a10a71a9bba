// SPDX-License-Identifier: BSL-1.0
// The other file of the programs here, with a function that they call in a child.
#include <mitogen/mitogen.hpp>

int twice(int n);
int twice(int n) { return 2 * n; }
