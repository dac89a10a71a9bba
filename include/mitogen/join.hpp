// SPDX-License-Identifier: BSL-1.0
#pragma once
// join.hpp: programs that join a running tree.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/join/joined.hpp>
#include <mitogen/router/listener_handle.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
