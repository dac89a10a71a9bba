// SPDX-License-Identifier: BSL-1.0
#pragma once
// run.hpp: a whole program: init(), run(), the router, and children on this machine.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/connect/methods/options/attach.hpp>
#include <mitogen/connect/methods/options/fork.hpp>
#include <mitogen/connect/methods/options/local.hpp>
#include <mitogen/connect/router.hpp>
#include <mitogen/connect/run.hpp>
#include <mitogen/rpc/context.hpp>
#include <mitogen/rpc/select.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
