// SPDX-License-Identifier: BSL-1.0
#pragma once
// route_table.hpp: which link leads to which context, and what is known about it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/link/build_hash.hpp>

#include <atomic>
#include <cstdint>
#include <map>
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

/// All contexts below this one. A tree by id: whatever order they come and go in, none costs much.
/// Threads: any; the lock is held for a search.
template <class Link, class Io>
class basic_route_table {
    typename Io::mutex mutex_;
    std::map<context_id, route<Link>> routes_;
    // there has been one: most contexts have none, and look nothing up
    std::atomic<bool> any_{false};
    std::atomic<build_hash> common_{0}; // see common_build()

    /// Under mutex_; null if it is not known.
    const route<Link>* lookup(context_id id) const {
        const auto at = routes_.find(id);
        return at == routes_.end() ? nullptr : &at->second;
    }

public:
    explicit basic_route_table(Io& io) : mutex_(io) {}

    /// False if the id is taken.
    bool add(route<Link> r) {
        const std::lock_guard lock(mutex_);
        const bool first = routes_.empty();
        const build_hash build = r.build;
        const context_id id = r.id;
        if (!routes_.try_emplace(id, std::move(r)).second) return false;
        if (build != common_.load(std::memory_order_relaxed))
            common_.store(first ? build : 0, std::memory_order_release);
        any_.store(true, std::memory_order_release);
        return true;
    }

    /// The link to `id`, or null.
    std::shared_ptr<Link> find(context_id id) {
        if (!any_.load(std::memory_order_acquire)) return nullptr;
        const std::lock_guard lock(mutex_);
        const route<Link>* known = lookup(id);
        return known ? known->via : nullptr;
    }

    /// True if `id` is reached through `via`.
    bool leads(context_id id, const Link* via) {
        const std::lock_guard lock(mutex_);
        const route<Link>* known = lookup(id);
        return known && known->via.get() == via;
    }

    /// The one build that all contexts here have, or 0.
    build_hash common_build() const noexcept { return common_.load(std::memory_order_acquire); }

    /// The build of `id`, or 0.
    build_hash build_of(context_id id) {
        const std::lock_guard lock(mutex_);
        const route<Link>* known = lookup(id);
        return known ? known->build : 0;
    }

    /// Everything about `id`; its `id` is no_context if nothing is known.
    route<Link> get(context_id id) {
        const std::lock_guard lock(mutex_);
        const route<Link>* known = lookup(id);
        return known ? *known : route<Link>{};
    }

    /// Removes one; false if it was not there, or is reached through another link.
    bool remove(context_id id, const Link* via) {
        const std::lock_guard lock(mutex_);
        const auto at = routes_.find(id);
        if (at == routes_.end() || at->second.via.get() != via) return false;
        routes_.erase(at);
        return true;
    }

    /// The ids of all that are reached through `via`.
    std::vector<context_id> ids_via(const Link* via) {
        const std::lock_guard lock(mutex_);
        std::vector<context_id> ids;
        for (const auto& [id, r] : routes_)
            if (r.via.get() == via) ids.push_back(id);
        return ids;
    }

    /// Removes all that are reached through `via`.
    void remove_via(const Link* via) {
        const std::lock_guard lock(mutex_);
        std::erase_if(routes_, [&](const auto& entry) { return entry.second.via.get() == via; });
    }

    /// How many steps lead from `id` up to `top`, from each context to who made it; 0 if they do
    /// not lead there, or are more than `most`.
    std::uint32_t steps_up(context_id id, context_id top, std::uint32_t most) {
        const std::lock_guard lock(mutex_);
        for (std::uint32_t steps = 0; steps <= most; ++steps) {
            if (id == top) return steps;
            const route<Link>* known = lookup(id);
            if (!known) return 0;
            id = known->parent;
        }
        return 0;
    }

    /// A copy of all, by their ids.
    std::vector<route<Link>> all() {
        const std::lock_guard lock(mutex_);
        std::vector<route<Link>> copies;
        copies.reserve(routes_.size());
        for (const auto& entry : routes_) copies.push_back(entry.second);
        return copies;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
