// SPDX-License-Identifier: BSL-1.0
#pragma once
// native.hpp: the best policy that this system has.

#include <mitogen/base/config.hpp>
#include <mitogen/io/epoll.hpp>
#include <mitogen/io/kqueue.hpp>
#include <mitogen/io/native_name.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/io/poll.hpp>

namespace mitogen::inline MITOGEN_ABI {
namespace io {

static_assert(policy<native>);

} // namespace io
} // namespace mitogen::inline MITOGEN_ABI
