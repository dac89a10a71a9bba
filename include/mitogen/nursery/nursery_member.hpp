// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery_member.hpp: a task as its nursery sees it, whatever it calls.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/flow/watchers.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/sync/host.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {
class nursery_hub;
class nursery_state;

/// Ends once: with a value, an error, or because it was given up.
class nursery_member : public std::enable_shared_from_this<nursery_member> {
    friend class nursery_state;

    static constexpr std::size_t nowhere = SIZE_MAX;
    std::size_t place_ = nowhere; // under the nursery's lock: among those that have not ended
    std::uint64_t number_ = 0;    // the later it was started, the larger
    condition wake_;              // whoever waits for this one task
    watchers told_;               // under the nursery's lock: to be run when it has ended
    std::atomic<bool> ended_{false};
    bool spared_ = false;          // under the nursery's lock: its own side has cancelled it
    std::optional<error> failure_; // fixed once it has ended

protected:
    std::shared_ptr<nursery_hub> nursery_;

    explicit nursery_member(std::shared_ptr<nursery_hub> nursery) : nursery_(std::move(nursery)) {}
    ~nursery_member() = default;

public:
    nursery_member(nursery_member&&) = delete;

    /// Tells what executes it to stop, and goes on waiting for its end. Never blocks. Not under a
    /// lock.
    virtual void ask_to_stop(const error& why) = 0;
    /// Waits no longer for its end. Not under a lock.
    virtual void give_up(const error& why) = 0;
    /// The context that it runs in; no_context if that is not connected yet.
    virtual context_id where() = 0;

    bool ended() const noexcept { return ended_.load(std::memory_order_acquire); }
    const error* failure() const noexcept { return failure_ ? &*failure_ : nullptr; }

    /// The moment after such a span, from now.
    instant until(duration_ns span) const;
    /// Sleeps until it has ended or the deadline passes; returns ended(). Not on the loop.
    bool wait_until(instant deadline);
    /// Cancelled by whoever holds it: that is no failure of the nursery.
    void cancel();
    /// Runs `go` when it has ended: now, if it has. On the thread that ends it.
    void when_ended(unique_function<void()> go, const void* key);
    /// Takes back what was given to when_ended() with this key.
    void forget(const void* key);
    mitogen::node& node() const noexcept;
    std::optional<error> stopped_for() const;
    /// The program is about to be told of this error.
    void saw(const error& why) const;
    /// False if it has ended already and there is nothing to wait for.
    bool may_wait() const;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
