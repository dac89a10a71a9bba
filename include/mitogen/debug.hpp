// SPDX-License-Identifier: BSL-1.0
#pragma once
// debug.hpp: breakpoints, and the variables that their prompt knows.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/debug/breakpoint.hpp>
#include <mitogen/debug/watch.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
