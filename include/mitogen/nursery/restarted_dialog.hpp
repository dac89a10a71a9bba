// SPDX-License-Identifier: BSL-1.0
#pragma once
// restarted_dialog.hpp: a dialog of a nursery that is begun again when it has ended.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/call.hpp>
#include <mitogen/flow/item/item_codec.hpp>
#include <mitogen/flow/item/item_range.hpp>
#include <mitogen/flow/open_dialog.hpp>
#include <mitogen/nursery/dialog_runs.hpp>
#include <mitogen/nursery/nursery.hpp>
#include <mitogen/nursery/nursery_call.hpp>
#include <mitogen/nursery/nursery_task.hpp>

#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {

/// What `nursery.restarting({…}).open<&fn>(context or method, args…)` returns: a dialog that goes
/// on although its function, or its context, has failed.
///
/// The policy says when the function is called again and how often: see nursery::restarting. Each
/// direction is told once, by reason::restarted (a channel_error, kind disconnected): send() by
/// failing, receive() behind the items that had arrived, in the place of the next one. Several
/// restarts may be told as one. From then on that direction belongs to the newest run, whose
/// function has called started() anew, with the same arguments, and knows nothing of the former
/// one. What was sent and not taken by then is lost; the error says how many items that run was
/// sent, and causes() has what it ended with. Nothing that has arrived here is lost, and nothing is
/// sent again. When the policy allows no further run, every wait gives the last error, and so does
/// the nursery.
///
/// While there is no run, between an end and the next started(), send() and receive() wait. The
/// destructor cancels what runs and waits for it, shielded; that is no failure of the nursery.
/// Moves; does not copy. Threads: send() one, receive() one, the rest one at a time. Blocks: as a
/// dialog's; not on the loop. It must not outlive the nursery.
template <class Shape, class Result>
class [[nodiscard]] restarted_dialog {
    using runs = detail::dialog_runs<Shape, Result>;
    using shape = detail::dialog_shape<Shape>;

    /// Where one direction is.
    struct side {
        typename runs::run_ptr at{};
        std::uint64_t number = 0;
    };

    std::shared_ptr<runs> runs_; // null in one that was moved from
    nursery_task<Result> task_;
    side receives_{};
    side sends_{};

    restarted_dialog(std::shared_ptr<runs> all, nursery_task<Result> task)
        : runs_(std::move(all)), task_(std::move(task)) {}

public:
    /// What is received here is what the callee sends.
    using value_type = typename detail::received_item<typename shape::sent>::type;

    /// For restarting_tasks::try_open: waits until a run has begun; fails if none does.
    static mitogen::result<restarted_dialog> begin(std::shared_ptr<runs> all,
                                                   nursery_task<Result> task) {
        restarted_dialog d(std::move(all), std::move(task));
        const auto first = d.runs_->next(0, never);
        if (!first) return first.error();
        d.receives_ = d.sends_ = side{*first, (*first)->number};
        return d;
    }

    restarted_dialog(restarted_dialog&&) noexcept = default;
    restarted_dialog& operator=(restarted_dialog&&) = delete;
    ~restarted_dialog() {
        if (!runs_) return;
        if (!runs_->over()) task_.cancel();
        runs_->drop();
    }

    /// What the callee of the run that is received from passed to started().
    const auto& started() const noexcept { return receives_.at->whole->started(); }

    /// How often the function was called so far, 1 without a restart. A run whose context did not
    /// come up is none.
    std::uint64_t runs_so_far() const { return runs_->begun(); }

    /// Sends an item to the newest run; waits while it takes no more. Errors, thrown: as a
    /// dialog's, and channel_error with reason::restarted, once: the item was not sent.
    void send(const typename shape::received& item) { try_send(item).value(); }
    /// The same, with the error as a value.
    mitogen::result<void> try_send(const typename shape::received& item) {
        return send_until(item, never);
    }
    /// The same, waiting for `span` at most: reason::timeout.
    template <class Rep, class Period>
    void send_for(const typename shape::received& item, std::chrono::duration<Rep, Period> span) {
        try_send_for(item, span).value();
    }
    template <class Rep, class Period>
    mitogen::result<void> try_send_for(const typename shape::received& item,
                                       std::chrono::duration<Rep, Period> span) {
        return send_until(item, detail::after(runs_->node().now(), detail::to_ns(span)));
    }

    /// The next item. Errors, thrown: as a dialog's, and channel_error with reason::restarted,
    /// once.
    value_type receive() { return try_receive().value(); }
    /// The same, with the error as a value.
    mitogen::result<value_type> try_receive() { return receive_until(never); }
    /// The same, waiting for `span` at most: reason::timeout. No item is lost by that.
    template <class Rep, class Period>
    value_type receive_for(std::chrono::duration<Rep, Period> span) {
        return try_receive_for(span).value();
    }
    template <class Rep, class Period>
    mitogen::result<value_type> try_receive_for(std::chrono::duration<Rep, Period> span) {
        return receive_until(detail::after(runs_->node().now(), detail::to_ns(span)));
    }
    /// The next item, or nothing at the end. Errors, thrown: as receive()'s, but for the end.
    std::optional<value_type> next() { return detail::item_or_end(try_receive()).value(); }
    mitogen::result<std::optional<value_type>> try_next() {
        return detail::item_or_end(try_receive());
    }

    /// Sends no more, to later runs neither.
    void close() { runs_->close(); }

    /// Drops what still arrives, of each run, and waits for the end of the last; its value, or the
    /// error.
    Result result() { return try_result().value(); }
    /// The same, with the error as a value.
    mitogen::result<Result> try_result() { return result_until(never); }
    /// The same, waiting for `span` at most: reason::timeout.
    template <class Rep, class Period>
    Result result_for(std::chrono::duration<Rep, Period> span) {
        return try_result_for(span).value();
    }
    template <class Rep, class Period>
    mitogen::result<Result> try_result_for(std::chrono::duration<Rep, Period> span) {
        return result_until(detail::after(runs_->node().now(), detail::to_ns(span)));
    }

    /// Ends the function that runs, and begins none again. Does not wait. That is no failure of the
    /// nursery.
    void cancel() { task_.cancel(); }

private:
    mitogen::result<value_type> receive_until(instant deadline) {
        if (std::optional<error> why = arrive(receives_, deadline)) return std::move(*why);
        auto& run = *receives_.at;
        auto item = detail::next_item<value_type>(*run.items, deadline);
        if (item || !run.over()) return item;
        if (auto why = leave(receives_, deadline)) return std::move(*why);
        return item;
    }

    mitogen::result<void> send_until(const typename shape::received& item, instant deadline) {
        if (std::optional<error> why = arrive(sends_, deadline)) return std::move(*why);
        auto& run = *sends_.at;
        const instant now = deadline == never ? 0 : runs_->node().now();
        mitogen::result<void> sent =
            deadline == never ? run.whole->try_send(item)
                              : run.whole->try_send_for(
                                    item, std::chrono::nanoseconds(
                                              deadline > now ? deadline - now : 0));
        if (sent) {
            run.sent.fetch_add(1, std::memory_order_relaxed);
            return sent;
        }
        if (!run.whole->state()->done()) return sent;
        if (auto why = leave(sends_, deadline)) return std::move(*why);
        return sent;
    }

    mitogen::result<Result> result_until(instant deadline) {
        for (std::uint64_t number = 0;;) {
            const auto run = runs_->next(number, deadline);
            if (!run && !runs_->over()) return run.error();
            if (!run) return task_.try_get();
            number = (*run)->number;
            (*run)->items->discard();
        }
    }

    /// If this direction was told of a restart it goes over to the newest run.
    std::optional<error> arrive(side& s, instant deadline) {
        if (s.at) return std::nullopt;
        const auto next = runs_->next(s.number, deadline);
        if (!next) return next.error();
        s = {*next, (*next)->number};
        return std::nullopt;
    }

    /// The run of this direction has ended: what is said if another one follows.
    std::optional<error> leave(side& s, instant deadline) {
        auto told = runs_->left(s.number, s.at->sent.load(std::memory_order_relaxed), deadline);
        if (!told) return told.error();
        if (*told) s.at.reset();
        return std::move(*told);
    }
};

template <auto F, class Target, class... Args>
auto restarting_tasks::try_open(const Target& target, Args&&... args) const {
    using types = detail::dialog_types<
        typename detail::dialog_in<typename detail::function_traits<F>::parameters>::type>;
    using result_type = detail::result_of<F>;
    using dialog = restarted_dialog<typename types::shape, result_type>;
    using runs = detail::dialog_runs<typename types::shape, result_type>;
    const auto all = std::make_shared<runs>(state_->node(), detail::entry_of<F>().name());
    auto call = [all, given = std::tuple<std::decay_t<Args>...>(std::forward<Args>(args)...)](
                    const auto& where) {
        return std::apply(
            [&](const auto&... each) {
                return where.template open_as<F>(
                    [&](auto, auto items, auto answer) {
                        return all->begin(std::move(items), std::move(answer));
                    },
                    each...);
            },
            given);
    };
    auto t = make<F>();
    t->on_restart([all](const error* why) { all->restarting(why); });
    if constexpr (detail::method_or_any<std::remove_cvref_t<Target>>) {
        t->connect_and_call_again(
            how_, [state = state_, how = any_method(target)] { return state->connect(how); },
            std::move(call));
    } else {
        t->call_again(how_, target, std::move(call));
    }
    t->when_ended([all, of = t.get()] { all->finish(of->failure()); }, all.get());
    return dialog::begin(all, nursery_task<result_type>(std::move(t)));
}

template <auto F, class Target, class... Args>
auto restarting_tasks::open(const Target& target, Args&&... args) const {
    return try_open<F>(target, std::forward<Args>(args)...).value();
}

} // namespace mitogen::inline MITOGEN_ABI
