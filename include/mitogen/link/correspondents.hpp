// SPDX-License-Identifier: BSL-1.0
#pragma once
// correspondents.hpp: which links have sent to which contexts, so that they are told when such a
// context is lost.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <unordered_map>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// Who below has sent through this context to whom. A link that sends to more contexts than are
/// remembered counts as one that has sent to all: memory stays bounded, and nobody is forgotten.
/// Threads: loop.
template <class Link>
class basic_correspondents {
    std::unordered_map<context_id, std::vector<std::weak_ptr<Link>>> by_id_;
    std::vector<std::weak_ptr<Link>> with_all_;

    static void add(std::vector<std::weak_ptr<Link>>& to, Link& who) {
        std::erase_if(to, [](const std::weak_ptr<Link>& entry) { return entry.expired(); });
        if (std::none_of(to.begin(), to.end(),
                         [&](const auto& entry) { return entry.lock().get() == &who; }))
            to.push_back(who.weak_from_this());
    }

public:
    static constexpr std::size_t most_partners = 1024; ///< that are remembered of one link

    /// What a link keeps of it: the usual next message goes the way of the last one.
    struct partners {
        context_id last = no_context;
        std::size_t count = 0;
    };

    /// `from` has sent something to `to`.
    void note(Link& from, context_id to) {
        if (from.talks.last == to) return;
        from.talks.last = to;
        if (from.talks.count >= most_partners) return add(with_all_, from);
        std::vector<std::weak_ptr<Link>>& who = by_id_[to];
        const std::size_t before = who.size();
        add(who, from);
        if (who.size() > before) ++from.talks.count;
    }

    /// Who has sent to a context that is lost. Forgets about it.
    MITOGEN_COLD std::vector<std::shared_ptr<Link>> end(context_id gone) {
        std::vector<std::shared_ptr<Link>> told;
        const auto tell = [&](const std::weak_ptr<Link>& entry) {
            if (auto link = entry.lock()) told.push_back(std::move(link));
        };
        for (const auto& entry : with_all_) tell(entry);
        if (const auto found = by_id_.find(gone); found != by_id_.end()) {
            for (const auto& entry : found->second)
                if (const auto link = entry.lock(); link && link->talks.count > 0)
                    --link->talks.count;
            for (const auto& entry : found->second) tell(entry);
            by_id_.erase(found);
        }
        for (const auto& link : told)
            if (link->talks.last == gone) link->talks.last = no_context;
        return told;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
