// SPDX-License-Identifier: BSL-1.0
#pragma once
// arrivals.hpp: which of several answers have come, in the order in which they did.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/sync/host.hpp>

#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Numbers of answers that have come. Threads: tell() any; the rest one. What tells keeps it, so
/// that nobody needs to wait for answers that are not wanted any more.
class arrivals {
    mutex mutex_;
    condition changed_;
    std::vector<std::size_t> told_;  // under the mutex
    std::size_t wanted_ = 1;         // under the mutex: with so many whoever waits is woken
    std::vector<std::size_t> taken_; // of those that were told, what take() gives next is last

public:
    explicit arrivals(const mitogen::node& host) : mutex_(host) {}

    void tell(std::size_t number) {
        const std::lock_guard lock(mutex_);
        told_.push_back(number);
        if (told_.size() >= wanted_) changed_.notify_all();
    }

    /// Sleeps until take() has something to give, once `wanted` have come; false if the deadline or
    /// a scope of the caller comes first.
    bool wait(mitogen::node& here, std::size_t wanted, instant deadline, const char* what) {
        if (!taken_.empty()) return true;
        std::unique_lock lock(mutex_);
        wanted_ = wanted;
        const bool some =
            changed_.wait(lock, here, deadline, [&] { return told_.size() >= wanted_; }, {what});
        wanted_ = 1;
        if (!some) return false;
        taken_.assign(told_.rbegin(), told_.rend());
        told_.clear();
        return true;
    }

    /// The one that came first of those that were not taken. Only after wait() has said so.
    std::size_t take() {
        const std::size_t number = taken_.back();
        taken_.pop_back();
        return number;
    }
};

/// Tells when an answer has come.
struct arrival_notice {
    std::shared_ptr<arrivals> to;
    std::size_t number;
    void operator()() const { to->tell(number); }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
