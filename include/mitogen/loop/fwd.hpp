// SPDX-License-Identifier: BSL-1.0
#pragma once
// fwd.hpp: the names of brokers.

#include <mitogen/base/config.hpp>
#include <mitogen/io/native_name.hpp>

namespace mitogen::inline MITOGEN_ABI {

struct broker_options;
template <class Io>
class basic_broker;

/// The loop with this platform's best I/O policy.
using broker = basic_broker<io::native>;

} // namespace mitogen::inline MITOGEN_ABI
