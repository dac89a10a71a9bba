// SPDX-License-Identifier: BSL-1.0
#pragma once
// basic_router.hpp: a router under the I/O policy of one's choice.

#include <mitogen/base/config.hpp>
#include <mitogen/io/native_name.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/router/router.hpp>
#include <mitogen/router/router_options.hpp>

#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// A router on a broker of the policy `Io`; all that a program does with it is `router`.
///
/// Threads: as router.
template <class Io = io::native>
class basic_router final : public router {
public:
    using policy = Io;

    /// The broker must outlive it. Errors, thrown: overloaded_error, without descriptors or
    /// threads.
    explicit basic_router(basic_broker<Io>& loop, router_options options = {})
        : router(loop, std::move(options)) {}
};

} // namespace mitogen::inline MITOGEN_ABI
