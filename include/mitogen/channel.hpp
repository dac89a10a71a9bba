// SPDX-License-Identifier: BSL-1.0
#pragma once
// channel.hpp: typed queues between contexts: sender, receiver, broadcast.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/flow/broadcast.hpp>
#include <mitogen/flow/channel.hpp>
#include <mitogen/io/native_latch.hpp>
#include <mitogen/task/select.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
