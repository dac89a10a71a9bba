// SPDX-License-Identifier: BSL-1.0
#pragma once
// join.hpp: programs that join a running tree.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/connect/joining/joined.hpp>
#include <mitogen/connect/joining/listener_value.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
