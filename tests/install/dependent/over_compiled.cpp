// SPDX-License-Identifier: BSL-1.0
// A library in between has code of its own.
#include <mitogen/mitogen.hpp>

#ifndef MITOGEN_SEPARATE
#error "what the target says about the mode has not arrived"
#endif

mitogen::error dependent_error();
mitogen::error dependent_error() { return {mitogen::reason::timeout, "no answer"}; }
