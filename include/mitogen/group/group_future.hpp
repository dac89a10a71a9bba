// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_future.hpp: the answers of a group's members, while they are under way.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/flow/item/item_range.hpp>
#include <mitogen/group/group.hpp>
#include <mitogen/group/group_results.hpp>
#include <mitogen/group/group_run.hpp>

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// What call_async() of a group returns: a future for each member, in the order of the group; as a
/// range it can be given to as_completed(), and a task can co_await each. Moves; does not copy.
/// Dropping it abandons the calls. Threads: one at a time. Blocks: get() and wait_for(), not on the
/// loop.
template <class T>
class [[nodiscard]] group_future {
    group whole_;
    std::vector<future<T>> calls_;

public:
    using iterator = typename std::vector<future<T>>::iterator;

    group_future(group whole, std::vector<future<T>> calls) noexcept
        : whole_(std::move(whole)), calls_(std::move(calls)) {}

    /// Who was called.
    const group& members() const noexcept { return whole_; }
    std::size_t size() const noexcept { return calls_.size(); }
    iterator begin() noexcept { return calls_.begin(); }
    iterator end() noexcept { return calls_.end(); }
    /// The answer of the member of that rank, which is less than size().
    future<T>& operator[](std::size_t rank) noexcept { return calls_[rank]; }

    /// True once each has a value or an error. Never blocks.
    bool done() const noexcept {
        for (const future<T>& call : calls_)
            if (!call.done()) return false;
        return true;
    }

    /// Waits for that, `span` at most; returns done(). 0 never waits.
    template <class Rep, class Period>
    bool wait_for(std::chrono::duration<Rep, Period> span) {
        if (calls_.empty()) return true;
        const instant deadline =
            detail::after(calls_.front().port().now(), detail::to_ns(span));
        for (future<T>& call : calls_)
            if (!call.wait_until(deadline)) return false;
        return true;
    }

    /// Waits for all answers. If a scope of the caller ends that, the members that have not
    /// answered are cancelled, and their results say why. Once.
    group_results<T> get() {
        std::vector<group_result<T>> all;
        all.reserve(calls_.size());
        for (std::size_t rank = 0; rank < calls_.size(); ++rank) {
            future<T>& call = calls_[rank];
            if (!call.done()) {
                result<T> answer = call.try_get();
                if (!call.done()) {
                    call.cancel();
                    all.push_back({whole_[rank], std::move(answer), call_phase::sent});
                    continue;
                }
            }
            all.push_back(detail::outcome_of(whole_.member(rank), call));
        }
        return group_results<T>(std::move(all));
    }

    /// Gives up all that have not answered.
    void cancel() {
        for (future<T>& call : calls_) call.cancel();
    }
};

/// What stream() of a group returns: results in the order in which they come. An input range;
/// moves.
/// Its end cancels what runs. Threads: one at a time. Blocks: iteration and next().
template <class T>
class [[nodiscard]] group_stream {
    std::unique_ptr<detail::group_run<T>> run_;

public:
    using value_type = group_result<T>;

    explicit group_stream(std::unique_ptr<detail::group_run<T>> run) noexcept
        : run_(std::move(run)) {}

    /// The next that is there; waits for it. Empty at the end.
    std::optional<group_result<T>> next() {
        if (run_->progress().has_enough()) return std::nullopt;
        const std::optional<std::size_t> rank = run_->next(false);
        if (!rank) return std::nullopt;
        return run_->take(*rank);
    }

    detail::item_iterator<group_stream> begin() {
        return detail::item_iterator<group_stream>(*this);
    }
    std::default_sentinel_t end() const noexcept { return {}; }
};

/// One of the results of gather(), and who gave it.
template <class T>
struct group_kind {
    result<T> value; ///< of the first of them
    group members;   ///< in the order of the group that was called
};

} // namespace mitogen::inline MITOGEN_ABI
