// SPDX-License-Identifier: BSL-1.0
#pragma once
// route_table.hpp: which link leads to which context, and what is known about it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/link/build_hash.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// One context below this one.
template <class Link>
struct route {
    context_id id = no_context;
    context_id parent = no_context; ///< who made it
    std::string name{};
    build_hash build = 0;
    std::shared_ptr<Link> via{}; ///< the link to it, or to whoever leads to it
};

/// All contexts below this one. Sorted by id: children get ascending ids, so that adding is
/// appending. Threads: any; the lock is held for a binary search.
template <class Link, class Io>
class basic_route_table {
    typename Io::mutex mutex_;
    std::vector<route<Link>> routes_;
    // there has been one: most contexts have none, and look nothing up
    std::atomic<bool> any_{false};
    std::atomic<build_hash> common_{0}; // see common_build()

    auto lower(context_id id) {
        return std::lower_bound(
            routes_.begin(), routes_.end(), id,
            [](const route<Link>& r, context_id wanted) { return r.id < wanted; });
    }

public:
    explicit basic_route_table(Io& io) : mutex_(io) {}

    /// False if the id is taken.
    bool add(route<Link> r) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(r.id);
        if (at != routes_.end() && at->id == r.id) return false;
        if (r.build != common_.load(std::memory_order_relaxed))
            common_.store(routes_.empty() ? r.build : 0, std::memory_order_release);
        routes_.insert(at, std::move(r));
        any_.store(true, std::memory_order_release);
        return true;
    }

    /// The link to `id`, or null.
    std::shared_ptr<Link> find(context_id id) {
        if (!any_.load(std::memory_order_acquire)) return nullptr;
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        return at != routes_.end() && at->id == id ? at->via : nullptr;
    }

    /// True if `id` is reached through `via`.
    bool leads(context_id id, const Link* via) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        return at != routes_.end() && at->id == id && at->via.get() == via;
    }

    /// The one build that all contexts here have, or 0.
    build_hash common_build() const noexcept { return common_.load(std::memory_order_acquire); }

    /// The build of `id`, or 0.
    build_hash build_of(context_id id) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        return at != routes_.end() && at->id == id ? at->build : 0;
    }

    /// Everything about `id`; its `id` is no_context if nothing is known.
    route<Link> get(context_id id) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        return at != routes_.end() && at->id == id ? *at : route<Link>{};
    }

    /// Removes one; false if it was not there, or is reached through another link.
    bool remove(context_id id, const Link* via) {
        const std::lock_guard lock(mutex_);
        const auto at = lower(id);
        if (at == routes_.end() || at->id != id || at->via.get() != via) return false;
        routes_.erase(at);
        return true;
    }

    /// The ids of all that are reached through `via`.
    std::vector<context_id> ids_via(const Link* via) {
        const std::lock_guard lock(mutex_);
        std::vector<context_id> ids;
        for (const route<Link>& r : routes_)
            if (r.via.get() == via) ids.push_back(r.id);
        return ids;
    }

    /// Removes all that are reached through `via`.
    void remove_via(const Link* via) {
        const std::lock_guard lock(mutex_);
        std::erase_if(routes_, [&](const route<Link>& r) { return r.via.get() == via; });
    }

    /// How many contexts lie between this one and `id`, one below the other.
    std::uint32_t depth_of(context_id id) {
        const std::lock_guard lock(mutex_);
        std::uint32_t depth = 0;
        for (auto at = lower(id); at != routes_.end() && at->id == id && depth < routes_.size();
             at = lower(id)) {
            id = at->parent;
            ++depth;
        }
        return depth > 0 ? depth - 1 : 0;
    }

    /// A copy of all.
    std::vector<route<Link>> all() {
        const std::lock_guard lock(mutex_);
        return routes_;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
