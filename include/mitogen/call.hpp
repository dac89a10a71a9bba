// SPDX-License-Identifier: BSL-1.0
#pragma once
// call.hpp: calls to functions of other contexts: context, future, chain, and waiting for several.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/method/local_options.hpp>
#include <mitogen/task/select.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
