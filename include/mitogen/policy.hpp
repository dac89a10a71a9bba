// SPDX-License-Identifier: BSL-1.0
#pragma once
// policy.hpp: brokers, routers and latches under an I/O policy of one's choice.

#include <mitogen/base/config.hpp>
#include <mitogen/base/separate.hpp>
#include <mitogen/io/native_latch.hpp>
#include <mitogen/io/native_name.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/router/basic_router.hpp>
#include <mitogen/sync/latch.hpp>

#include <mitogen/core.hpp>

#include <mitogen/base/undef.hpp>
