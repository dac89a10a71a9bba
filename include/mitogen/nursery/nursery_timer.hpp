// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery_timer.hpp: a moment at which something is done, unless it is called off before.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>

#include <utility>

namespace mitogen::inline MITOGEN_ABI::detail {

/// Runs something once, at a moment, on the loop. Moves. Its event is its own until it is called
/// off or destroyed: a slot of the table that somebody else has by then is not touched.
/// Threads: one at a time. What it runs may outlive it by a moment, and must keep what it needs.
class nursery_timer {
    outstanding_call* event_ = nullptr;

public:
    nursery_timer() = default;
    /// Runs `go` at the moment `at`; not at all if the router closes before.
    nursery_timer(mitogen::node& on, instant at, unique_function<void()> go)
        : event_(&on.open_event()) {
        event_->then([event = event_, go = std::move(go)]() mutable {
            if (event->failure()->reason() == reason::timeout) go();
        });
        on.expire(*event_, at, error(reason::timeout, "a moment has come"));
    }
    nursery_timer(nursery_timer&& other) noexcept : event_(std::exchange(other.event_, nullptr)) {}
    nursery_timer& operator=(nursery_timer&& other) noexcept {
        std::swap(event_, other.event_);
        return *this;
    }
    ~nursery_timer() {
        if (!event_) return;
        event_->fail(error(reason::cancelled, "called off"));
        event_->release();
    }
};

} // namespace mitogen::inline MITOGEN_ABI::detail
