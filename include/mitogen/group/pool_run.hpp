// SPDX-License-Identifier: BSL-1.0
#pragma once
// pool_run.hpp: work that is being done by the workers of a pool, driven by the thread that wants
// the results.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/group/arrivals.hpp>
#include <mitogen/group/group.hpp>
#include <mitogen/group/group_run.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// How a pool treats its tasks.
struct pool_options {
    /// how often a task is begun again, in another worker, after one was lost with it; 0: what was
    /// begun once is not begun again
    unsigned retries = 0;
    bool retry_thrown = false; ///< also after the function has thrown, or has said an error
};

/// What became of one task of a pool.
template <class T>
struct pool_result : result<T> {
    unsigned begun; ///< how often it was begun

    pool_result(result<T> value, unsigned times) : result<T>(std::move(value)), begun(times) {}
};

/// One result of pool::stream(): `for (auto&& [index, value] : …)`.
template <class T>
struct pool_item {
    std::size_t index; ///< of the task among all, from 0
    pool_result<T> value;
};

namespace detail {

/// The tasks of one input. Threads: one. Its end cancels what runs.
template <class T>
class pool_run {
public:
    /// Begins a task in a worker.
    using task = unique_function<future<T>(const call_target&)>;
    /// Draws the next task; an empty one at the end.
    using source = unique_function<task()>;

private:
    struct piece {
        task begin;
        std::size_t index = 0;
        unsigned begun = 0;
        std::string avoided{};     // where it has failed
        std::optional<error> why{}; // with what
    };
    struct worker {
        context who;
        std::string branch; // of the tree, below this context
        future<T> answer{};
        piece work{};
        bool busy = false;
        bool lost = false;
    };

    pool_options options_;
    source draw_;
    std::vector<worker> workers_;
    std::deque<piece> again_;         // to be begun once more
    std::deque<pool_item<T>> ended_{}; // to be given out
    std::shared_ptr<arrivals> arrivals_{};
    std::size_t drawn_ = 0;
    std::size_t busy_ = 0;
    bool exhausted_ = false;
    std::optional<error> interrupted_{};

public:
    pool_run(const group& workers, const pool_options& options, source draw)
        : options_(options), draw_(std::move(draw)) {
        for (const context& one : workers.connected()) {
            const std::vector<std::string> path = one.path();
            workers_.push_back({one, path.empty() ? std::string() : path.front()});
        }
        if (workers_.empty()) return;
        arrivals_ = std::make_shared<arrivals>(here());
        if (here().on_loop())
            interrupt(error(reason::misuse, "a function that runs on the loop waits for a pool; "
                                            "run it on::main or on::pool"));
    }
    pool_run(pool_run&&) = delete;

    /// Why no further input is drawn, though there may be some; null: that is not so.
    const error* interrupted() const noexcept { return interrupted_ ? &*interrupted_ : nullptr; }

    /// The next result that is there; waits for one. None if there is no other.
    std::optional<pool_item<T>> next() {
        for (;;) {
            hand_out();
            if (!ended_.empty()) {
                pool_item<T> one = std::move(ended_.front());
                ended_.pop_front();
                return one;
            }
            if (busy_ == 0) return std::nullopt;
            if (wait()) over(workers_[arrivals_->take()]);
        }
    }

private:
    mitogen::node& here() const { return workers_.front().who.port(); }

    void interrupt(error why) {
        interrupted_ = std::move(why);
        exhausted_ = true;
        for (; !again_.empty(); again_.pop_front()) give_up(std::move(again_.front()));
        for (worker& w : workers_)
            if (w.busy && !w.answer.done()) w.answer.abandon(*interrupted_);
    }

    /// A task that nobody begins any more.
    void give_up(piece work) {
        error why = work.why ? std::move(*work.why)
                             : error(reason::withheld, "not begun: no worker is left");
        ended_.push_back({work.index, {std::move(why), work.begun}});
    }

    bool any_left() const noexcept {
        for (const worker& w : workers_)
            if (!w.lost) return true;
        return false;
    }
    bool any_left_outside(const std::string& branch) const noexcept {
        for (const worker& w : workers_)
            if (!w.lost && w.branch != branch) return true;
        return false;
    }

    /// The next task for a worker: one that was begun before, unless it should go elsewhere.
    std::optional<piece> work_for(const worker& w) {
        for (auto at = again_.begin(); at != again_.end(); ++at) {
            if (at->avoided == w.branch && any_left_outside(w.branch)) continue;
            piece work = std::move(*at);
            again_.erase(at);
            return work;
        }
        return drawn();
    }

    std::optional<piece> drawn() {
        if (exhausted_) return std::nullopt;
        piece work{draw_()};
        exhausted_ = !work.begin;
        if (exhausted_) return std::nullopt;
        work.index = drawn_++;
        return work;
    }

    void hand_out() {
        if (!interrupted_ && !workers_.empty())
            if (std::optional<error> why = why_interrupted(here().now()))
                interrupt(std::move(*why));
        for (std::size_t rank = 0; rank < workers_.size(); ++rank) {
            worker& w = workers_[rank];
            if (w.busy || w.lost) continue;
            std::optional<piece> work = work_for(w);
            if (work) begin(w, std::move(*work), rank);
        }
        if (any_left() || !ended_.empty()) return;
        if (!again_.empty()) {
            give_up(std::move(again_.front()));
            again_.pop_front();
        } else if (std::optional<piece> work = drawn()) {
            give_up(std::move(*work));
        }
    }

    void begin(worker& w, piece work, std::size_t rank) {
        w.work = std::move(work);
        w.busy = true;
        ++busy_;
        w.answer = w.work.begin(call_target(w.who.port(), w.who.id(), {}));
        if (w.answer.state()->respondent() == here().id()) { // may be waited for in a circle
            w.answer.state()->set_awaited_by(this_worker);
            here().waits_for_self(*w.answer.state(), true);
        }
        w.answer.then(arrival_notice{arrivals_, rank});
    }

    /// False if instead all that runs was given up.
    bool wait() {
        constexpr const char* what = "the workers of a pool";
        if (interrupted_) { // all are done, or just being completed
            const shielded others;
            return arrivals_->wait(here(), 1, never, what);
        }
        return arrivals_->wait(here(), 1, never, what); // hand_out() finds out why not
    }

    /// A worker has ended its task.
    void over(worker& w) {
        w.busy = false;
        --busy_;
        future<T> answer = std::move(w.answer);
        piece work = std::move(w.work);
        const outstanding_call& state = *answer.state();
        work.begun += !state.unsent;
        const error* const why = state.failure();
        const bool said = why && !why->hops().empty();
        w.lost = why && !said && why->kind() == kind::disconnected;
        const bool again = w.lost || (said && options_.retry_thrown);
        if (again && !interrupted_ && work.begun <= options_.retries) {
            work.why = *why;
            work.avoided = w.branch;
            again_.push_back(std::move(work));
        } else {
            ended_.push_back({work.index, {answer.outcome(), work.begun}});
        }
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
