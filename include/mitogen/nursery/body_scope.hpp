// SPDX-License-Identifier: BSL-1.0
#pragma once
// body_scope.hpp: the scope of a nursery's body: what that waits for ends when the nursery stops.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/scope/cancel_scope.hpp>

#include <optional>
#include <string>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Entered by the worker that makes the nursery, left when the nursery is joined or destroyed, on
/// whatever thread. Threads: under the nursery's lock, but for what the worker asks.
class body_scope final : public counted_scope {
    std::optional<error> why_{}; // set before it is cancelled

public:
    /// The nursery in context `here` stops, because of `cause`: the failure of a part, or of all.
    void stop(const error& cause, bool of_part, context_id here) {
        if (is_cancelled() || has_left()) return;
        const bool says_so = cause.reason() == reason::cancelled ||
                             (cause.reason() == reason::timeout && !of_part);
        why_.emplace(says_so ? cause
                             : cancelled_by(here, cancel_radius::nursery,
                                            std::string("cancelled with its nursery, of which a "
                                                        "part has failed: ") +
                                                cause.what()));
        if (why_->reason() == reason::cancelled) {
            cancel(why_->radius(), why_->canceller());
        } else {
            cancel(cancel_radius::nursery, here);
        }
    }

    error why_cancelled() const override { return *why_; }
    std::string deadline_of() const override { return "the nursery"; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
