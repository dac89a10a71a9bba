// SPDX-License-Identifier: BSL-1.0
#pragma once
// open_requests.hpp: which neighbours have asked something that only another one can answer.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The requests that were passed on to one neighbour and are not answered yet, by the neighbour
/// that they came from. What comes back that nobody has asked for is no answer, whatever it says.
/// Threads: loop.
class open_requests {
    std::unordered_map<context_id, std::uint64_t> by_asker_;

public:
    /// So many askers are remembered before those that are gone are looked for.
    static constexpr std::size_t many = 1024;

    void add(context_id asker) { ++by_asker_[asker]; }
    bool any(context_id asker) const {
        return !by_asker_.empty() && by_asker_.find(asker) != by_asker_.end();
    }
    /// One is answered.
    void remove(context_id asker) {
        const auto found = by_asker_.find(asker);
        if (found != by_asker_.end() && --found->second == 0) by_asker_.erase(found);
    }

    std::size_t askers() const noexcept { return by_asker_.size(); }
    /// Forgets those for which `gone(asker)` is true.
    template <class Gone>
    void forget(Gone&& gone) {
        std::erase_if(by_asker_, [&](const auto& entry) { return gone(entry.first); });
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
