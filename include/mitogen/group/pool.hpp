// SPDX-License-Identifier: BSL-1.0
#pragma once
// pool.hpp: a queue of work over the members of a group.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/call/call.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/flow/item/item_range.hpp>
#include <mitogen/group/group.hpp>
#include <mitogen/group/group_call.hpp>
#include <mitogen/group/group_results.hpp>
#include <mitogen/group/pool_run.hpp>

#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// A range, and the arguments that are the same for all of its tasks.
template <auto F, class Range, class Wire = typename function_traits<F>::wire_parameters>
class pool_input;
template <auto F, class Range, class First, class... Rest>
class pool_input<F, Range, type_list<First, Rest...>> {
    using item = typename owned_result<First>::type;
    using value = result_of<F>;
    using iterator = decltype(std::begin(std::declval<std::remove_reference_t<Range>&>()));
    using sentinel = decltype(std::end(std::declval<std::remove_reference_t<Range>&>()));

    Range range_; // a reference, if it was lent
    std::tuple<typename owned_result<Rest>::type...> rest_;
    std::optional<iterator> at_{};

    /// One task: it can be begun again.
    struct task {
        std::shared_ptr<pool_input> of;
        item one;

        future<value> operator()(const call_target& to) const {
            return begin(to, std::index_sequence_for<Rest...>{});
        }

    private:
        template <std::size_t... Is>
        future<value> begin(const call_target& to, std::index_sequence<Is...>) const {
            return to.template call_async<F>(one, std::get<Is>(std::as_const(of->rest_))...);
        }
    };

    template <class... Args>
    explicit pool_input(Range&& range, Args&&... args)
        : range_(std::forward<Range>(range)),
          rest_(static_cast<typename owned_result<Rest>::type>(std::forward<Args>(args))...) {}

    static typename pool_run<value>::task next(const std::shared_ptr<pool_input>& of) {
        // as late as possible: there may be no further item before its time
        if (of->at_)
            ++*of->at_;
        else
            of->at_.emplace(std::begin(of->range_));
        if (*of->at_ == std::end(of->range_)) return nullptr;
        return task{of, static_cast<item>(**of->at_)};
    }

    struct source {
        std::shared_ptr<pool_input> of;
        typename pool_run<value>::task operator()() const { return next(of); }
    };

public:
    template <class... Args>
    static typename pool_run<value>::source source_of(Range&& range, Args&&... args) {
        return source{std::shared_ptr<pool_input>(
            new pool_input(std::forward<Range>(range), std::forward<Args>(args)...))};
    }
};

template <auto F, class Range, class... Args>
constexpr bool takes_items =
    check_arguments<F, typename function_traits<F>::wire_parameters,
                    type_list<decltype(*std::begin(
                                  std::declval<std::remove_reference_t<Range>&>())),
                              Args...>>::checked;

} // namespace detail

/// What stream() of a pool returns: results in the order in which they come. An input range; moves.
/// Its end cancels what runs. Threads: one at a time. Blocks: iteration and next().
template <class T>
class [[nodiscard]] pool_stream {
    std::unique_ptr<detail::pool_run<T>> run_;

public:
    using value_type = pool_item<T>;

    explicit pool_stream(std::unique_ptr<detail::pool_run<T>> run) noexcept
        : run_(std::move(run)) {}

    /// The next that is there; waits for it. Empty at the end.
    std::optional<pool_item<T>> next() { return run_->next(); }
    /// Why it has ended before its input: a scope of the caller. Null: it has not.
    const error* interrupted() const noexcept { return run_->interrupted(); }

    detail::item_iterator<pool_stream> begin() { return detail::item_iterator<pool_stream>(*this); }
    std::default_sentinel_t end() const noexcept { return {}; }
};

/// Workers, and how they share tasks. A task is a call of a function with one item of a range; each
/// worker has one at a time, and gets the next when it has answered, so that no task waits at a
/// busy worker while another is free. Items are drawn from the range when a worker is free for
/// them: the range may be endless.
///
/// A worker that is lost gets no more tasks. Its task is begun again in another, in another branch
/// of the tree if there is one, as often as pool_options::retries says; a task that has ended each
/// of its workers so is given up. What a function throws is the result of its task. When no worker
/// is left, tasks that were not begun are a withheld_error.
///
/// Workers are no property of the pool: whoever made them ends them. Threads: distinct objects and
/// shared ones: safe, if they only call. Blocks: map, try_map and the iteration of stream, not on
/// the loop.
class pool {
    group workers_;
    pool_options options_;

public:
    explicit pool(group workers, pool_options options = {})
        : workers_(std::move(workers)), options_(options) {}

    const group& workers() const noexcept { return workers_; }

    /// `F(item, args…)` for each item of a range: the values, in the order of the items. Throws one
    /// error_group with all errors, if there are any.
    template <auto F, class Range, class... Args>
    std::vector<detail::result_of<F>> map(Range&& range, Args&&... args) const {
        using T = detail::result_of<F>;
        static_assert(!std::is_void_v<T>,
                      "mitogen: map<&fn>() collects values, and this Function returns void: use "
                      "try_map<&fn>()");
        std::vector<pool_result<T>> all =
            try_map<F>(std::forward<Range>(range), std::forward<Args>(args)...);
        std::vector<T> values;
        std::vector<error> errors;
        for (pool_result<T>& one : all) {
            if (one)
                values.push_back(std::move(*one));
            else
                errors.push_back(one.error());
        }
        if (!errors.empty()) raise(detail::error_group_of(errors));
        return values;
    }

    /// The same with a result for each item, which says how often its task was begun. If a scope of
    /// the caller ends it, no further items are drawn, and the last result says why.
    template <auto F, class Range, class... Args>
    std::vector<pool_result<detail::result_of<F>>> try_map(Range&& range, Args&&... args) const {
        using T = detail::result_of<F>;
        std::vector<std::optional<pool_result<T>>> ended;
        auto run = stream<F>(std::forward<Range>(range), std::forward<Args>(args)...);
        while (std::optional<pool_item<T>> one = run.next()) {
            if (one->index >= ended.size()) ended.resize(one->index + 1);
            ended[one->index].emplace(std::move(one->value));
        }
        std::vector<pool_result<T>> all;
        all.reserve(ended.size() + 1);
        for (auto& one : ended) all.push_back(std::move(*one));
        if (const error* why = run.interrupted()) all.push_back({*why, 0});
        return all;
    }

    /// The same, as a range of pool_item that gives each result when it is there, and keeps none.
    /// A range that is no temporary is referred to, and so must outlive it.
    template <auto F, class Range, class... Args>
    pool_stream<detail::result_of<F>> stream(Range&& range, Args&&... args) const {
        using T = detail::result_of<F>;
        if constexpr (detail::takes_items<F, Range, Args...>) {
            return pool_stream<T>(std::make_unique<detail::pool_run<T>>(
                workers_, options_,
                detail::pool_input<F, Range>::source_of(std::forward<Range>(range),
                                                        std::forward<Args>(args)...)));
        } else {
            return pool_stream<T>(nullptr);
        }
    }
};

} // namespace mitogen::inline MITOGEN_ABI
