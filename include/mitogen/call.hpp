// SPDX-License-Identifier: BSL-1.0
#pragma once
// call.hpp: calls to functions of other contexts: context, future, chain, and waiting for several.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/connect/methods/options/local.hpp>
#include <mitogen/rpc/context.hpp>
#include <mitogen/rpc/future.hpp>
#include <mitogen/rpc/select.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
