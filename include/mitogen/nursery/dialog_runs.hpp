// SPDX-License-Identifier: BSL-1.0
#pragma once
// dialog_runs.hpp: the dialogs that a restarted one has been so far: which is the newest, and
// whether another one comes.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/flow/flow_end.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/flow/open_dialog.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/scope/interrupted.hpp>
#include <mitogen/sync/host.hpp>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What is known of the runs, whatever their items are. Threads: any.
class run_record : public std::enable_shared_from_this<run_record> {
protected:
    mitogen::node& node_;
    const std::string function_;
    mitogen::detail::mutex mutex_;
    condition changed_{};
    // under the mutex:
    std::uint64_t begun_ = 0;         // runs so far
    std::uint64_t left_ = 0;          // the last run that another one follows
    std::optional<error> failure_{};  // with which it had ended
    bool ready_ = false;              // the newest has begun, or failed
    bool joining_ = false;            // somebody makes the newest whole
    bool closed_ = false;             // no more is sent to any of them
    std::optional<error> over_{};     // no more runs; what is said then

    run_record(mitogen::node& node, std::string function)
        : node_(node), function_(std::move(function)), mutex_(node) {}
    ~run_record() = default;

    bool has_news(std::uint64_t after) const noexcept {
        return !joining_ && ((begun_ > after && ready_) || over_);
    }

    error waits_on_loop() const {
        return error(reason::misuse, "a function that runs on the loop waits for a dialog of a "
                                     "nursery; run it on::main or on::pool");
    }

public:
    run_record(run_record&&) = delete;

    mitogen::node& node() const noexcept { return node_; }

    /// The newest has ended, and is begun again.
    void restarting(const error* why) {
        const std::lock_guard lock(mutex_);
        left_ = begun_;
        failure_.reset();
        if (why) failure_ = *why;
        changed_.notify_all();
    }

    /// There are no more.
    void finish(const error* why) {
        const std::lock_guard lock(mutex_);
        over_ = why ? *why : error(reason::end_of_stream, "the function has ended");
        changed_.notify_all();
    }

    std::uint64_t begun() {
        const std::lock_guard lock(mutex_);
        return begun_;
    }
    bool over() {
        const std::lock_guard lock(mutex_);
        return over_.has_value();
    }

    /// Run `number` has ended, which was sent `sent` items: waits until it is known whether another
    /// one follows. If so, the error that says so, once for each end of the dialog; else nothing.
    result<std::optional<error>> left(std::uint64_t number, std::uint64_t sent, instant deadline) {
        std::unique_lock lock(mutex_);
        const auto known = [&] { return left_ >= number || over_; };
        if (!known()) {
            if (node_.on_loop()) return waits_on_loop();
            if (!changed_.wait(lock, node_, deadline, known))
                return wait_ended(node_.now(), deadline,
                                  "the dialog has not begun again before the deadline");
        }
        if (left_ < number) return std::optional<error>();
        error_detail d;
        d.why = reason::restarted;
        d.text = function_ + " is begun again after run " + std::to_string(number) + "; of " +
                 std::to_string(sent) +
                 " items that were sent to it, what it had not taken is lost";
        if (failure_) d.causes = std::make_shared<const std::vector<error>>(1, *failure_);
        return std::optional<error>(error(std::move(d)));
    }

protected:
    /// The newest has begun or failed.
    void first_has_come(std::uint64_t number) {
        const std::lock_guard lock(mutex_);
        if (number == begun_) ready_ = true;
        changed_.notify_all();
    }
};

/// The runs themselves.
template <class Shape, class Result>
class dialog_runs final : public run_record {
public:
    using dialog = open_dialog<Shape, Result>;

    struct run {
        const std::uint64_t number;
        const std::shared_ptr<inbox> items;
        future<Result> answer;        // until it is whole
        std::optional<dialog> whole{};
        bool failed = false;          // before it was
        std::atomic<std::uint64_t> sent{0};

        run(std::uint64_t count, std::shared_ptr<inbox> in, future<Result> end)
            : number(count), items(std::move(in)), answer(std::move(end)) {}

        /// Nothing more comes of it.
        bool over() const { return whole->state()->done() && items->ended(); }
    };
    using run_ptr = std::shared_ptr<run>;

private:
    run_ptr newest_{}; // under the mutex

public:
    dialog_runs(mitogen::node& node, std::string function)
        : run_record(node, std::move(function)) {}

    /// One more has been called. Returns the answer once more, for the nursery.
    future<Result> begin(std::shared_ptr<inbox> items, future<Result> answer) {
        outstanding_call* const call = answer.state();
        call->retain();
        future<Result> mine(call, node_, decode_environment{&node_});
        end_with(items, answer);
        std::uint64_t number = 0;
        run_ptr former; // destroyed without the lock
        {
            const std::lock_guard lock(mutex_);
            number = ++begun_;
            ready_ = false;
            former = std::exchange(newest_,
                                   std::make_shared<run>(number, items, std::move(answer)));
        }
        items->then([weak = weak_from_this(), number] {
            if (const auto self = std::static_pointer_cast<dialog_runs>(weak.lock()))
                self->first_has_come(number);
        });
        return mine;
    }

    /// The newest run behind `after`, once it has begun. Errors: what all of it has ended with;
    /// timeout; the end of the caller's scope.
    result<run_ptr> next(std::uint64_t after, instant deadline) {
        std::unique_lock lock(mutex_);
        for (;;) {
            const auto news = [&] { return has_news(after); };
            if (!news()) {
                if (node_.on_loop()) return waits_on_loop();
                if (!changed_.wait(lock, node_, deadline, news))
                    return wait_ended(node_.now(), deadline,
                                      "the dialog has not begun again before the deadline");
            }
            const run_ptr r = begun_ > after && ready_ ? newest_ : nullptr;
            if (!r) return *over_;
            if (!r->whole && !r->failed) make_whole(lock, *r);
            if (r->whole) return r;
            after = r->number; // it has failed before it began: another one follows, or none
        }
    }

    /// No more is sent.
    void close() {
        run_ptr r;
        {
            const std::lock_guard lock(mutex_);
            closed_ = true;
            if (newest_ && newest_->whole) r = newest_;
        }
        if (r) r->whole->close();
    }

    /// Lets go of the newest, which is cancelled if it has not ended.
    void drop() {
        run_ptr r; // destroyed without the lock
        const std::lock_guard lock(mutex_);
        r = std::exchange(newest_, nullptr);
        if (!over_) over_.emplace(reason::end_of_stream, "the dialog has been left");
    }

private:
    void make_whole(std::unique_lock<mitogen::detail::mutex>& lock, run& r) {
        joining_ = true;
        const bool closed = closed_;
        lock.unlock();
        result<dialog> whole = dialog::begin(r.items, std::move(r.answer), function_);
        if (whole) {
            whole->cancel_on_exit();
            whole->reported_elsewhere();
            if (closed) whole->close();
        }
        lock.lock();
        joining_ = false;
        if (whole) {
            r.whole.emplace(std::move(*whole));
            if (closed_ && !closed) r.whole->close();
        } else {
            r.failed = true;
        }
        changed_.notify_all();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
