// SPDX-License-Identifier: BSL-1.0
#pragma once
// handed_out.hpp: what this context has given its neighbours: the ids that contexts below them may
// have, and the contexts that it has told them of.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <cstddef>
#include <iterator>
#include <map>
#include <mutex>
#include <set>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The blocks of ids that contexts below have been given through this one. A block that follows on
/// the last one of the same link is made one with it. Threads: loop.
template <class Link>
class basic_lease_table {
    struct lease {
        context_id end;
        const Link* via;
    };
    std::map<context_id, lease> leases_; // by the first id

public:
    /// The ids from `first` up to `end` may be used behind `via`.
    void grant(context_id first, context_id end, const Link* via) {
        const auto after = leases_.lower_bound(first);
        if (after != leases_.begin()) {
            lease& before = std::prev(after)->second;
            if (before.end == first && before.via == via) {
                before.end = end;
                return;
            }
        }
        leases_.insert_or_assign(first, lease{end, via});
    }

    /// True if `id` was handed out over `via`.
    bool holds(context_id id, const Link* via) const {
        const auto after = leases_.upper_bound(id);
        if (after == leases_.begin()) return false;
        const lease& found = std::prev(after)->second;
        return id < found.end && found.via == via;
    }

    /// A link has ended: what was handed out over it is nobody's any more.
    void remove_via(const Link* via) {
        std::erase_if(leases_, [via](const auto& entry) { return entry.second.via == via; });
    }
};

/// Contexts that were arguments, results or items, by the direction that they were sent in: the
/// neighbour there. Beyond a number the ones of the oldest neighbours are forgotten. Threads: any.
template <class Io>
class basic_handed_out {
    typename Io::mutex mutex_;
    std::set<std::pair<context_id, context_id>> known_; // direction, context

    static constexpr std::size_t most = 1u << 16;

public:
    explicit basic_handed_out(Io& io) : mutex_(io) {}

    void add(context_id direction, context_id id) {
        const std::lock_guard lock(mutex_);
        if (known_.size() >= most) known_.erase(known_.begin());
        known_.emplace(direction, id);
    }
    bool has(context_id direction, context_id id) {
        const std::lock_guard lock(mutex_);
        return known_.contains({direction, id});
    }
    /// There is nobody in that direction any more.
    void remove(context_id direction) {
        const std::lock_guard lock(mutex_);
        known_.erase(known_.lower_bound({direction, 0}),
                     known_.upper_bound({direction, no_context}));
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
