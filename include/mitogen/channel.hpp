// SPDX-License-Identifier: BSL-1.0
#pragma once
// channel.hpp: typed queues between contexts: sender, receiver, broadcast.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/io/native_latch.hpp>
#include <mitogen/kit/broadcast.hpp>
#include <mitogen/rpc/channel.hpp>
#include <mitogen/rpc/select.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
