// SPDX-License-Identifier: BSL-1.0
#pragma once
// terminal_queue.hpp: who has the terminal, who is attended elsewhere, and who waits, in order.
// Knows no terminal, no thread and no message.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>

#include <algorithm>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// One thread that has stopped: its context, and its number there.
struct stop_ticket {
    context_id context = no_context;
    std::uint64_t number = 0;

    friend auto operator<=>(const stop_ticket&, const stop_ticket&) = default;
};

/// At most one has the terminal; the others get it in the order in which they asked. Any number are
/// attended elsewhere, out of turn, and may come back to their place.
///
/// Threads: one at a time.
template <class = void> // compiled where it is used
class basic_terminal_queue {
public:
    enum class refusal : std::uint8_t {
        none,
        there,    ///< that ticket is known already
        too_many, ///< too many threads of that context wait
        full,     ///< too many wait altogether
    };

    /// Most threads of one context, and of all together.
    static constexpr std::size_t most_of_one = 1024;
    static constexpr std::size_t most = 65'536;

private:
    struct entry {
        std::list<stop_ticket>::iterator place; // in waiting_; its end: somebody attends to it
        std::uint64_t age;                      // the older, the less
    };
    std::list<stop_ticket> waiting_;
    std::map<stop_ticket, entry> known_;
    std::map<context_id, std::size_t> of_context_;
    std::optional<stop_ticket> holder_;
    std::uint64_t last_age_ = 0;

    void take(stop_ticket t, entry& e) {
        if (holder_ == t) holder_.reset();
        if (e.place != waiting_.end()) waiting_.erase(e.place);
        e.place = waiting_.end();
    }

public:
    /// It asks for the terminal.
    refusal add(stop_ticket t) {
        if (known_.contains(t)) return refusal::there;
        if (known_.size() >= most) return refusal::full;
        std::size_t& count = of_context_[t.context];
        if (count >= most_of_one) return refusal::too_many;
        ++count;
        known_.emplace(t, entry{waiting_.insert(waiting_.end(), t), ++last_age_});
        return refusal::none;
    }

    /// Who gets the terminal now, and has it from then on: the first who waits, if nobody has it.
    std::optional<stop_ticket> grant() {
        if (holder_ || waiting_.empty()) return std::nullopt;
        const stop_ticket first = waiting_.front();
        take(first, known_.at(first));
        holder_ = first;
        return holder_;
    }

    /// It is attended elsewhere from now on: it waits no more, nor has the terminal. False if it is
    /// not known.
    bool attend(stop_ticket t) {
        const auto at = known_.find(t);
        if (at == known_.end()) return false;
        take(t, at->second);
        return true;
    }

    /// Nobody attends to it any more: it waits again, before those who have asked later. False if
    /// it is not known, or waits.
    bool put_back(stop_ticket t) {
        const auto at = known_.find(t);
        if (at == known_.end() || at->second.place != waiting_.end()) return false;
        if (holder_ == t) holder_.reset();
        const auto later = std::find_if(waiting_.begin(), waiting_.end(), [&](stop_ticket other) {
            return known_.at(other).age > at->second.age;
        });
        at->second.place = waiting_.insert(later, t);
        return true;
    }

    /// It is there no more. False if it was not.
    bool remove(stop_ticket t) {
        const auto at = known_.find(t);
        if (at == known_.end()) return false;
        take(t, at->second);
        known_.erase(at);
        if (const auto n = of_context_.find(t.context); --n->second == 0) of_context_.erase(n);
        return true;
    }

    /// All threads of a context, in the order of their numbers.
    std::vector<stop_ticket> of(context_id context) const {
        std::vector<stop_ticket> all;
        for (auto i = known_.lower_bound({context, 0});
             i != known_.end() && i->first.context == context; ++i)
            all.push_back(i->first);
        return all;
    }

    const std::optional<stop_ticket>& holder() const noexcept { return holder_; }
    /// Those who wait, the next one first.
    const std::list<stop_ticket>& waiting() const noexcept { return waiting_; }
    bool knows(stop_ticket t) const { return known_.contains(t); }
    bool waits(stop_ticket t) const {
        const auto at = known_.find(t);
        return at != known_.end() && typename std::list<stop_ticket>::const_iterator(
                                         at->second.place) != waiting_.end();
    }
    bool empty() const noexcept { return known_.empty(); }
};
using terminal_queue = basic_terminal_queue<>;

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
