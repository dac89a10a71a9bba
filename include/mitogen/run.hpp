// SPDX-License-Identifier: BSL-1.0
#pragma once
// run.hpp: a whole program: init(), run(), the router, and children on this machine.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/method/attach_options.hpp>
#include <mitogen/method/fork_options.hpp>
#include <mitogen/method/local_options.hpp>
#include <mitogen/router/router.hpp>
#include <mitogen/router/run.hpp>
#include <mitogen/task/select.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
