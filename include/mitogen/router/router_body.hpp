// SPDX-License-Identifier: BSL-1.0
#pragma once
// router_body.hpp: how routers are made.

#include <mitogen/base/config.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/router/router.hpp>
#include <mitogen/router/router_engine.hpp>

#include <memory>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

template <class Io>
router::router(basic_broker<Io>& loop, router_options options)
    : router(std::make_unique<detail::router_engine<Io>>(loop.engine(), std::move(options))) {}

template <class Io>
result<std::unique_ptr<router>> router::make(basic_broker<Io>& loop, router_options options) {
    return std::unique_ptr<router>(
        new router(std::make_unique<detail::router_engine<Io>>(loop.engine(), std::move(options))));
}

} // namespace mitogen::inline MITOGEN_ABI
