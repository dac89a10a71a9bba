// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_run.hpp: a call of a group under way, driven by the thread that waits for it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/group/arrivals.hpp>
#include <mitogen/group/group.hpp>
#include <mitogen/group/group_progress.hpp>
#include <mitogen/group/group_results.hpp>
#include <mitogen/group/group_settings.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <cstddef>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// How far the call came whose answer is there.
inline call_phase phase_of(const outstanding_call& call) noexcept {
    if (call.unsent) return call_phase::not_sent;
    const error* const why = call.failure();
    if (!why || !why->hops().empty()) return call_phase::answered;
    switch (why->reason()) {
    case reason::no_route:
    case reason::respondent_lost:
    case reason::broker_exited:
    case reason::link_corrupt:
    case reason::timeout:
    case reason::cancelled: return call_phase::sent;
    default: return call_phase::answered;
    }
}

/// Begins the call of a member: `begin(target)` does it for one that is connected.
template <class T, class Begin>
future<T> begin_member(const group_member& one, const call_options& options, Begin& begin) {
    mitogen::node& here = one.who.port();
    if (one.unconnected)
        return future<T>(&here.refuse_call(one.who.id(), *one.unconnected), here,
                         one.who.environment());
    return begin(call_target(here, one.who.id(), options));
}

/// The answer of a call that is over.
template <class T>
group_result<T> outcome_of(const group_member& one, future<T>& call) {
    const call_phase phase = phase_of(*call.state());
    return {one.who, call.outcome(), phase, one.name};
}

/// Who has something to do while a group is called, beside waiting. Threads: the one that waits.
template <class T>
class group_company {
public:
    /// When show() has something to do; it may change with each that is called here.
    virtual instant due() const noexcept = 0;
    virtual void show(instant now) = 0;
    /// There is news of the member of this rank, as arrivals were told: its number and size().
    virtual void news(std::size_t rank) = 0;
    /// Whether what a member has returned is a failure to its budget.
    virtual bool is_failure(const std::conditional_t<std::is_void_v<T>, char, T>& value) const = 0;

protected:
    ~group_company() = default;
};

/// The calls of the members of a group. Threads: one. Its end cancels what runs.
template <class T>
class group_run {
public:
    using beginner = unique_function<future<T>(const call_target&)>;

private:
    group whole_;
    group_settings how_;
    beginner begin_;
    group_progress progress_;
    mitogen::node* here_ = nullptr; // null: the group is empty
    std::shared_ptr<arrivals> arrivals_{};
    instant deadline_ = never;
    group_company<T>* beside_ = nullptr;
    bool interrupted_ = false;
    std::size_t withheld_ = 0;     // that were handed out
    std::vector<future<T>> calls_; // by rank: of those that have begun

public:
    group_run(group whole, group_settings how, beginner begin)
        : whole_(std::move(whole)), how_(std::move(how)), begin_(std::move(begin)),
          progress_(whole_.size(), how_) {
        if (whole_.empty()) return;
        here_ = &whole_[0].port();
        arrivals_ = std::make_shared<arrivals>(*here_);
        calls_.reserve(whole_.size());
        if (how_.options.within != never) deadline_ = after(here_->now(), how_.options.within);
        if (here_->on_loop())
            progress_.stop(error(reason::misuse,
                                 "a function that runs on the loop calls a group and waits; run it "
                                 "on::main or on::pool, or use call_async and co_await"));
    }
    group_run(group_run&&) = delete;

    const group_progress& progress() const noexcept { return progress_; }

    /// Before the first next(). It outlives this.
    void accompany(group_company<T>& company) noexcept { beside_ = &company; }
    /// Who is told of news: with size() and the rank. May be null: the group is empty.
    const std::shared_ptr<arrivals>& news() const noexcept { return arrivals_; }
    std::size_t size() const noexcept { return whole_.size(); }

    /// The rank of a member that has ended, or was withheld; waits for one. None if there is no
    /// other. `all`: nobody looks before all have.
    std::optional<std::size_t> next(bool all) {
        if (!here_) return std::nullopt;
        for (;;) {
            begin_some();
            if (progress_.running() == 0) return next_withheld();
            if (!wait(all && how_.unpaced() ? progress_.running() : 1)) continue;
            const std::size_t rank = arrivals_->take();
            if (rank >= whole_.size()) {
                beside_->news(rank - whole_.size());
                continue;
            }
            ended(rank);
            return rank;
        }
    }

    /// What became of a member that next() has named. Once.
    group_result<T> take(std::size_t rank) {
        if (rank >= calls_.size())
            return {whole_[rank], *progress_.stopped(), call_phase::not_sent,
                    whole_.member(rank).name};
        group_result<T> done = outcome_of(whole_.member(rank), calls_[rank]);
        calls_[rank] = {};
        return done;
    }
    /// The same, with the bytes of its value.
    group_result<T> take(std::size_t rank, buffer& bytes) {
        if (rank >= calls_.size()) return take(rank);
        group_result<T> done = outcome_of(whole_.member(rank), calls_[rank]);
        if (done.value) bytes = std::move(calls_[rank].state()->payload());
        calls_[rank] = {};
        return done;
    }

private:
    /// Why nothing further may begin, though the budget allows it.
    std::optional<error> why_over() const {
        const instant now = here_->now();
        if (std::optional<error> ended = why_interrupted(now)) return ended;
        if (now >= deadline_) return how_.options.too_late(false);
#if defined(__cpp_lib_jthread)
        if (how_.options.stop.stop_requested())
            return cancelled_by(here_->id(), cancel_radius::call,
                                "cancelled by its caller's stop token");
#endif
        return std::nullopt;
    }

    void begin_some() {
        if (!progress_.may_begin()) return;
        if (std::optional<error> why = why_over()) return progress_.stop(std::move(*why));
        while (progress_.may_begin()) {
            const std::size_t rank = progress_.begun();
            call_options options = how_.options;
            if (rank != progress_.running() && deadline_ != never) // there was a wait before
                options.within = std::max<duration_ns>(deadline_ - here_->now(), 1);
            calls_.push_back(begin_member<T>(whole_.member(rank), options, begin_));
            progress_.begin();
            future<T>& call = calls_.back();
            if (call.state()->respondent() == here_->id()) { // may be waited for in a circle
                call.state()->set_awaited_by(this_worker);
                here_->waits_for_self(*call.state(), true);
            }
            call.then(arrival_notice{arrivals_, rank});
        }
    }

    /// Waits for so many; false if instead all that runs was given up.
    bool wait(std::size_t wanted) {
        constexpr const char* what = "the answers of a group";
        if (interrupted_) { // all are done, or just being completed
            const shielded others;
            return arrivals_->wait(*here_, 1, never, what);
        }
        const instant due = beside_ ? beside_->due() : never;
        if (arrivals_->wait(*here_, wanted, due, what)) return true;
        const instant now = here_->now();
        if (now >= due && !why_interrupted(now)) {
            beside_->show(now);
            return false;
        }
        interrupted_ = true;
        if (std::optional<error> why = why_interrupted(here_->now())) {
            progress_.stop(*why);
            abandon(*why);
        }
        return false;
    }

    void abandon(const error& why) {
        for (future<T>& call : calls_)
            if (call.valid() && !call.done()) call.abandon(why);
    }

    bool has_failed(future<T>& call) const {
        if (call.state()->failure()) return true;
        if constexpr (!std::is_void_v<T>) {
            if (!beside_) return false;
            const result<T> value = call.outcome();
            return !value || beside_->is_failure(*value);
        }
        return false;
    }

    void ended(std::size_t rank) {
        using verdict = group_progress::verdict;
        const verdict now = progress_.ended(has_failed(calls_[rank]));
        if (now == verdict::enough || (now == verdict::too_many && how_.cancel_running))
            abandon(cancelled_by_caller(here_->id(), cancel_radius::call));
    }

    std::optional<std::size_t> next_withheld() {
        const std::size_t rank = progress_.begun() + withheld_;
        if (rank >= whole_.size() || progress_.has_enough()) return std::nullopt;
        ++withheld_;
        return rank;
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
