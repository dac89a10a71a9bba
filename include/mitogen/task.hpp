// SPDX-License-Identifier: BSL-1.0
#pragma once
// task.hpp: coroutines on the loop: task, spawn, block_on, sleep_for.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/flow/flow_wait.hpp>
#include <mitogen/nursery/executor.hpp>
#include <mitogen/task/task.hpp>
#include <mitogen/task/task_invocation.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
