// SPDX-License-Identifier: BSL-1.0
#pragma once
// body_scope.hpp: the scope of a nursery's body: what that waits for ends when the nursery stops.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/scope/cancel_scope.hpp>

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Entered by the worker that makes the nursery, left when the nursery is joined or destroyed, on
/// whatever thread. Threads: under the nursery's lock, but for what the worker asks.
class body_scope final : public cancel_scope {
    std::atomic<std::uint32_t> references_{1};
    std::optional<error> why_{}; // set before it is cancelled

    void retain() noexcept override { references_.fetch_add(1, std::memory_order_relaxed); }
    void release() noexcept override {
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    bool counted() const noexcept override { return true; }

    ~body_scope() = default;

public:
    struct drop {
        void operator()(body_scope* s) const noexcept { s->release(); }
    };

    /// The nursery in context `here` stops, because of `cause`.
    void stop(const error& cause, context_id here) {
        if (is_cancelled() || has_left()) return;
        const cancel_radius radius =
            cause.reason() == reason::cancelled ? cause.detail().radius : cancel_radius::nursery;
        const context_id who =
            cause.reason() == reason::cancelled ? cause.detail().canceller : here;
        why_.emplace(cause.reason() == reason::cancelled || cause.reason() == reason::timeout
                         ? cause
                         : cancelled_by(who, radius,
                                        std::string("cancelled with its nursery, of which a part "
                                                    "has failed: ") +
                                            cause.what()));
        cancel(radius, who);
    }

    error why_cancelled() const override { return *why_; }
    std::string deadline_of() const override { return "the nursery"; }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
