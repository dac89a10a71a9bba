// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery.hpp: scopes that own contexts and calls: nursery, and SIGINT.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/kit/interrupt.hpp>
#include <mitogen/kit/nursery.hpp>
#include <mitogen/kit/nursery_task.hpp>
#include <mitogen/kit/restart.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
