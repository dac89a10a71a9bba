// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery.hpp: scopes that own contexts and calls: nursery, and signals; scopes entered by hand.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/nursery/nursery.hpp>
#include <mitogen/nursery/nursery_task.hpp>
#include <mitogen/nursery/on_signal.hpp>
#include <mitogen/nursery/restart.hpp>
#include <mitogen/nursery/restarted_dialog.hpp>
#include <mitogen/scope/scope.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
