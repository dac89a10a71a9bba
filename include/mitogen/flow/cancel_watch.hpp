// SPDX-License-Identifier: BSL-1.0
#pragma once
// cancel_watch.hpp: what happens when the call that runs is told to stop.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/call/invocation.hpp>

#include <memory>
#include <optional>
#include <utility>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Runs `go` with the reason when the call that runs is told to stop; while it lives. Once, on any
/// thread.
class cancel_watch {
    using work = unique_function<void(const error&)>;
    struct fire {
        std::shared_ptr<work> what;
        invocation* inv;
        void operator()() const {
            // If threads are simulated the function may leave meanwhile: std::stop_callback knows
            // the real ones only.
            const std::shared_ptr<work> kept = what;
            const std::optional<error> why = inv->why_stopped(*inv);
            (*kept)(why ? *why : error(reason::cancelled, "the call was told to stop"));
        }
    };
#if defined(__cpp_lib_jthread)
    std::stop_callback<fire> callback_;

public:
    cancel_watch(invocation& inv, unique_function<void(const error&)> go)
        : callback_(inv.stop(inv),
                    fire{std::make_shared<work>(std::move(go)), &inv}) {}
#else
public:
    // without stop tokens a function runs to its end
    cancel_watch(invocation&, unique_function<void(const error&)>) {}
#endif
};

} // namespace detail

} // namespace mitogen::inline MITOGEN_ABI
