// SPDX-License-Identifier: BSL-1.0
#pragma once
// basic_router.hpp: a router under the I/O policy of one's choice.

#include <mitogen/base/config.hpp>
#include <mitogen/connect/router.hpp>
#include <mitogen/connect/router_engine.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/loop/broker.hpp>

#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// A router on a broker of the policy `Io`; all that a program does with it is `router`.
///
/// Threads: as router.
template <class Io = io::native>
class basic_router final : public router {
public:
    using policy = Io;

    /// The broker must outlive it. Errors, thrown: overloaded_error, without descriptors or threads.
    explicit basic_router(basic_broker<Io>& loop, router_options options = {})
        : router(std::make_unique<detail::router_engine<Io>>(loop, std::move(options))) {}
};

inline router::router(broker& loop, router_options options)
    : router(std::make_unique<detail::router_engine<io::native>>(loop, std::move(options))) {}

inline result<std::unique_ptr<router>> router::make(broker& loop, router_options options) {
    return std::unique_ptr<router>(new router(std::make_unique<detail::router_engine<io::native>>(loop, std::move(options))));
}

} // namespace mitogen::inline MITOGEN_ABI
