// SPDX-License-Identifier: BSL-1.0
#pragma once
// router_body.hpp: how routers are made.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/debug/debugging.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/router/router.hpp>
#include <mitogen/router/router_engine.hpp>

#include <cstdlib>
#include <memory>
#include <string_view>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// With what the environment says of them.
template <class Io>
MITOGEN_COLD inline router_options completed(router_options options) {
    const char* const debug = std::getenv("MITOGEN_DEBUG");
    if (debug && *debug && std::string_view(debug) != "0") options.rules.debug = true;
    if (options.rules.debug && !debugger_maker<Io>::named.load())
        log::write(log::level::warning,
                   "this program is to be debugged, but has no debugger: it names none, as "
                   "mitogen::breakpoint() or mitogen::use_debugger() does");
    return options;
}

} // namespace detail

template <class Io>
router::router(basic_broker<Io>& loop, router_options options)
    : router(std::make_unique<detail::router_engine<Io>>(
          loop.engine(), detail::completed<Io>(std::move(options)))) {}

template <class Io>
result<std::unique_ptr<router>> router::make(basic_broker<Io>& loop, router_options options) {
    return std::unique_ptr<router>(new router(std::make_unique<detail::router_engine<Io>>(
        loop.engine(), detail::completed<Io>(std::move(options)))));
}

} // namespace mitogen::inline MITOGEN_ABI
