// SPDX-License-Identifier: BSL-1.0
// mitogen.cpp: the library as one translation unit, for programs whose files are compiled with
// MITOGEN_SEPARATE.
#define MITOGEN_SOURCE
#include <mitogen/mitogen.hpp>
