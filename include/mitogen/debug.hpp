// SPDX-License-Identifier: BSL-1.0
#pragma once
// debug.hpp: breakpoints, the variables that their prompt knows, and a second terminal for them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/debug/breakpoint.hpp>
#include <mitogen/debug/clients/debug_client.hpp>
#include <mitogen/debug/watch.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
