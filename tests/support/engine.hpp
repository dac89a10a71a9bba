// SPDX-License-Identifier: BSL-1.0
#pragma once
// engine.hpp: what is behind a router, for tests of what no program sees.

#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/router/router_engine.hpp>
#endif

#include <cstddef>
#include <cstdlib>

namespace support {

/// The engine of a router that runs under `Io`. Ends the program if it runs under another policy.
template <class Io = mitogen::io::native>
mitogen::detail::router_engine<Io>& engine(const mitogen::router& router) {
    if (router.node().policy_tag() != &mitogen::detail::policy_tag<Io>) std::abort();
    return mitogen::detail::engine_of<Io>(router.node());
}

/// How many answers are still awaited there.
template <class Io = mitogen::io::native>
std::size_t open_answers(const mitogen::router& router) {
    return engine<Io>(router).outstanding().open_count();
}

} // namespace support
