// SPDX-License-Identifier: BSL-1.0
#pragma once
// lost_peers.hpp: which contexts are lost and why, and who wants to be told.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>

#include <cstddef>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The contexts that one router has lost. Calls nobody. Threads: any.
template <class Io>
class basic_lost_peers {
public:
    using watcher = unique_function<void(const error&)>;

private:
    struct watch_entry {
        context_id id;
        watcher call;
    };

    typename Io::mutex mutex_;
    std::vector<watch_entry> watches_;
    struct lost_peer {
        context_id id;
        error why;
        std::string place;
    };
    std::vector<lost_peer> lost_; // oldest first
    std::unordered_set<context_id> followed_; // elsewhere: the parent was asked to tell
    std::optional<error> parent_lost_;

    std::optional<error> remembered(context_id id) const { // under mutex_
        for (const lost_peer& gone : lost_)
            if (gone.id == id) return gone.why;
        return std::nullopt;
    }

public:
    /// Contexts whose end is remembered, to say later why a call to them fails.
    static constexpr std::size_t kept = 1024;

    explicit basic_lost_peers(Io& io) : mutex_(io) {}

    /// Enters `call`, to be called when `id` is lost. If it is lost already: returns why, and
    /// leaves `call` alone.
    std::optional<error> watch(context_id id, watcher& call) {
        // for both: it may be lost between the question and the entry
        const std::lock_guard lock(mutex_);
        std::optional<error> already = remembered(id);
        if (!already) watches_.push_back({id, std::move(call)});
        return already;
    }

    /// False if the parent was asked already to tell when `id` is lost. Of more contexts than are
    /// remembered it is asked again, which does no harm.
    bool begin_to_follow(context_id id) {
        const std::lock_guard lock(mutex_);
        if (followed_.size() >= kept) followed_.clear();
        return followed_.insert(id).second;
    }

    /// Why `id` is gone, as far as it is remembered.
    std::optional<error> why_lost(context_id id) {
        const std::lock_guard lock(mutex_);
        return remembered(id);
    }

    /// The path that a lost context had; empty if it is not remembered.
    std::string place_of(context_id id) {
        const std::lock_guard lock(mutex_);
        for (const lost_peer& gone : lost_)
            if (gone.id == id) return gone.place;
        return {};
    }

    /// Remembers that `id`, whose path was `place`, is lost. Before its route is removed: whoever
    /// finds none then finds why.
    MITOGEN_COLD void add(context_id id, const error& why, std::string place = {}) {
        const std::lock_guard lock(mutex_);
        followed_.erase(id);
        if (lost_.size() == kept) lost_.erase(lost_.begin());
        lost_.push_back({id, why, std::move(place)});
    }

    /// Hands out who wants to be told that `id`, which has been added, is lost.
    MITOGEN_COLD std::vector<watcher> take_watchers(context_id id) {
        return take_watchers_if([&](context_id watched) { return watched == id; });
    }

    /// The same of every context for which `gone(id)` holds.
    template <class Gone>
    MITOGEN_COLD std::vector<watcher> take_watchers_if(Gone&& gone) {
        std::vector<watcher> told;
        const std::lock_guard lock(mutex_);
        std::erase_if(watches_, [&](watch_entry& w) {
            if (!gone(w.id)) return false;
            told.push_back(std::move(w.call));
            return true;
        });
        return told;
    }

    void add_parent(const error& why) {
        const std::lock_guard lock(mutex_);
        parent_lost_ = why;
    }

    /// Why the parent is gone, if it is.
    std::optional<error> why_parent_lost() {
        const std::lock_guard lock(mutex_);
        return parent_lost_;
    }

    /// Forgets who wants to be told.
    void close() {
        // destroyed without the lock: what they hold may come back here
        std::vector<watch_entry> dropped;
        const std::lock_guard lock(mutex_);
        dropped.swap(watches_);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
