// SPDX-License-Identifier: BSL-1.0
#pragma once
// handler_table.hpp: what is registered under which handle, whose messages it takes, and which
// handlers go with a context.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/node/handler_options.hpp>
#include <mitogen/node/port_numbers.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// The handlers of one router, sorted. Calls none of them. Threads: any.
template <class Io>
class basic_handler_table {
public:
    using raw_handler = mitogen::detail::raw_handler;

    struct registration {
        handle_id number;
        handler_options options;
        std::shared_ptr<raw_handler> call; ///< shared with the call that is under way
    };

    /// What becomes of a message.
    struct verdict {
        std::shared_ptr<raw_handler> call{}; ///< who takes it; null: nobody
        const char* refusal = nullptr;       ///< why not, if somebody is registered
        bool closed = false;                 ///< there are no handlers any more
    };

private:
    typename Io::mutex mutex_;
    // those without a call are removed: to close the gap each time would be quadratic
    std::vector<registration> handlers_;
    std::size_t removed_ = 0;
    std::size_t last_found_ = 0; // the place of the last message
    const port_numbers tags_;
    std::uint32_t ports_ = 0; // have been given out
    bool closed_ = false;

    /// By their lower halves, which are counted: a new one goes to the end.
    static constexpr std::uint64_t rank(handle_id number) noexcept {
        return number << 32 | number >> 32;
    }
    auto find(handle_id number) { // under mutex_
        return std::lower_bound(handlers_.begin(), handlers_.end(), rank(number),
                                [](const registration& r, std::uint64_t wanted) {
                                    return rank(r.number) < wanted;
                                });
    }
    /// True of what new_port() may have returned.
    bool is_own(handle_id port) const noexcept {
        const auto low = static_cast<std::uint32_t>(port);
        const auto tag = static_cast<std::uint32_t>(port >> 32);
        return is_port(port) && (tag == tags_(low) || tag == tags_(low & ~low_bit));
    }
    static constexpr std::uint32_t low_bit = static_cast<std::uint32_t>(flow_bit);
    /// As find(), for messages: the usual next one goes to the place of the last one.
    auto find_again(handle_id number) { // under mutex_
        if (last_found_ < handlers_.size() && handlers_[last_found_].number == number)
            return handlers_.begin() + static_cast<std::ptrdiff_t>(last_found_);
        const auto at = find(number);
        last_found_ = static_cast<std::size_t>(at - handlers_.begin());
        return at;
    }
    bool is_at(typename std::vector<registration>::const_iterator at, handle_id number) const {
        return at != handlers_.end() && at->number == number && at->call;
    }

    /// Takes one out, and returns its call. Under mutex_.
    std::shared_ptr<raw_handler> take(typename std::vector<registration>::iterator at) {
        std::shared_ptr<raw_handler> call = std::move(at->call);
        if (++removed_ < 32 || removed_ < handlers_.size() / 2) return call;
        std::erase_if(handlers_, [](const registration& r) { return !r.call; });
        removed_ = 0;
        return call;
    }

public:
    explicit basic_handler_table(Io& io) : mutex_(io), tags_(port_numbers::from(io)) {}

    /// An error if the number is taken or too large, or the table is closed.
    result<void> add(handle_id number, handler_options options, raw_handler call) {
        if (number > UINT32_MAX && !is_own(number))
            return error(reason::misuse,
                         "handle " + std::to_string(number) +
                             " is too large: from 2^32 they belong to answers and flows");
        const std::lock_guard lock(mutex_);
        if (closed_) return error(reason::broker_exited, "the router has been shut down");
        const auto at = find(number);
        if (is_at(at, number))
            return error(reason::misuse,
                         "handle " + std::to_string(number) + " has a handler already");
        registration added{number, options, std::make_shared<raw_handler>(std::move(call))};
        if (at != handlers_.end() && at->number == number) { // it was removed
            *at = std::move(added);
            --removed_;
        } else {
            handlers_.insert(at, std::move(added));
        }
        return {};
    }

    /// A number for an end of a flow, that no handler of this run has had and nobody can guess.
    handle_id new_port() {
        const std::lock_guard lock(mutex_);
        const handle_id tag = tags_.next(ports_);
        return tag << 32 | flow_bit | ports_;
    }

    /// A call of the handler that is under way ends undisturbed.
    void remove(handle_id number) {
        // destroyed without the lock: what it holds may come back here
        std::shared_ptr<raw_handler> gone;
        const std::lock_guard lock(mutex_);
        const auto at = find(number);
        if (is_at(at, number)) gone = take(at);
    }

    /// Who takes a message. `authorised()` says whether it comes from this context or one above it;
    /// asked only if that matters. A dead message comes from the hop where delivery failed:
    /// `on_the_way(id)` says whether that may be on the way to a respondent.
    template <class Authorised, class OnTheWay>
    verdict select(const header& h, Authorised&& authorised, OnTheWay&& on_the_way) {
        const std::lock_guard lock(mutex_);
        const auto at = find_again(h.handle);
        if (!is_at(at, h.handle)) return {.closed = closed_};
        const context_id respondent = at->options.respondent;
        if (respondent != no_context && respondent != h.src &&
            !(h.dead() && on_the_way(respondent)))
            return {.refusal = "it takes messages from another context only"};
        if (at->options.from == senders::parents && !authorised())
            return {.refusal = "it takes messages from parents only"};
        return {.call = at->options.persist ? at->call : take(at)};
    }

    template <class Authorised>
    verdict select(const header& h, Authorised&& authorised) {
        return select(h, authorised, [](context_id) { return false; });
    }

    /// Takes out the handlers that were for messages of `respondent` only.
    std::vector<registration> take_bound(context_id respondent) {
        return take_bound_if([&](context_id id) { return id == respondent; });
    }

    /// Takes out the handlers that were for messages of one context only, if `lost(id)` holds.
    template <class Lost>
    std::vector<registration> take_bound_if(Lost&& lost) {
        std::vector<registration> bound;
        const std::lock_guard lock(mutex_);
        std::erase_if(handlers_, [&](registration& r) {
            if (r.call && (r.options.respondent == no_context || !lost(r.options.respondent)))
                return false;
            if (r.call) bound.push_back(std::move(r));
            return true;
        });
        removed_ = 0;
        return bound;
    }

    /// Takes out all handlers; from now on add() fails. `first` is false if it was closed already.
    std::vector<registration> close(bool& first) {
        std::vector<registration> all;
        const std::lock_guard lock(mutex_);
        first = !std::exchange(closed_, true);
        all.swap(handlers_);
        std::erase_if(all, [](const registration& r) { return !r.call; });
        return all;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
