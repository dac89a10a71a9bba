// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_body.hpp: what the calls of groups do.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/call.hpp>
#include <mitogen/call/traits.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/group/group.hpp>
#include <mitogen/group/group_call.hpp>
#include <mitogen/group/group_future.hpp>
#include <mitogen/group/group_results.hpp>
#include <mitogen/group/group_run.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

// No lambdas with parameters: g++ says of one in a template that it hides a global of the
// program's.

struct has_value {
    template <class T>
    bool operator()(const std::pair<std::size_t, group_result<T>>& one) const noexcept {
        return one.second.value.has_value();
    }
};
struct by_rank {
    template <class T>
    bool operator()(const std::pair<std::size_t, T>& a,
                    const std::pair<std::size_t, T>& b) const noexcept {
        return a.first < b.first;
    }
};

/// Results with their ranks: by rank, or, if the first of them are wanted, as they came.
template <class T>
std::vector<group_result<T>> in_order(std::vector<std::pair<std::size_t, group_result<T>>> ended,
                                      const group_progress& progress, bool as_they_come) {
    if (as_they_come) {
        const auto failed = std::stable_partition(ended.begin(), ended.end(), has_value());
        if (progress.has_enough()) ended.erase(failed, ended.end());
    } else {
        std::sort(ended.begin(), ended.end(), by_rank());
    }
    std::vector<group_result<T>> all;
    all.reserve(ended.size());
    for (auto& one : ended) all.push_back(std::move(one.second));
    return all;
}

/// The results of a run, in_order().
template <class T>
std::vector<group_result<T>> results_of(group_run<T>& run, bool as_they_come) {
    std::vector<std::pair<std::size_t, group_result<T>>> ended;
    while (const std::optional<std::size_t> rank = run.next(true))
        ended.emplace_back(*rank, run.take(*rank));
    return in_order(std::move(ended), run.progress(), as_they_come);
}

/// What makes two results of members one kind.
struct kind_of_result {
    bool failed = false;
    reason why = reason::none;
    std::string_view type{};
    std::string_view bytes{};

    auto order() const noexcept { return std::tuple(failed, why, type, bytes); }
};

template <class T>
std::vector<group_kind<T>> kinds_of(group_run<T>& run, const group& whole) {
    struct ended {
        std::size_t rank;
        group_result<T> result;
        buffer bytes;
        kind_of_result kind() const noexcept {
            if (result.value)
                return {.bytes = {reinterpret_cast<const char*>(bytes.data()), bytes.size()}};
            const error_detail& d = result.value.error().detail();
            return {true, d.why, d.type, d.text};
        }
        static bool failed(const ended& one) noexcept { return !one.result.value; }
        static bool before(const ended* a, const ended* b) noexcept {
            const auto left = a->kind().order();
            const auto right = b->kind().order();
            return left == right ? a->rank < b->rank : left < right;
        }
    };
    std::vector<ended> all;
    while (const std::optional<std::size_t> rank = run.next(true)) {
        buffer bytes;
        group_result<T> one = run.take(*rank, bytes);
        all.push_back({*rank, std::move(one), std::move(bytes)});
    }
    if (run.progress().has_enough())
        std::erase_if(all, &ended::failed);
    std::vector<const ended*> sorted;
    for (const ended& one : all) sorted.push_back(&one);
    std::sort(sorted.begin(), sorted.end(), &ended::before);
    std::vector<std::pair<std::size_t, group_kind<T>>> kinds; // with the rank of the first member
    std::vector<group_member> members;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        const ended& one = *sorted[i];
        if (members.empty()) kinds.push_back({one.rank, {one.result.value, {}}});
        members.push_back(whole.member(one.rank));
        if (i + 1 < sorted.size() && sorted[i + 1]->kind().order() == one.kind().order()) continue;
        kinds.back().second.members = *group::of(std::exchange(members, {}));
    }
    std::sort(kinds.begin(), kinds.end(), by_rank());
    std::vector<group_kind<T>> in_order;
    for (auto& one : kinds) in_order.push_back(std::move(one.second));
    return in_order;
}

/// `call` once for each member, by reference.
template <class T, class Call>
struct borrowed_beginner {
    const Call* call;
    future<T> operator()(const call_target& to) const { return (*call)(to); }
};

template <auto F, class... Args>
constexpr bool takes_arguments = check_arguments<F, typename function_traits<F>::wire_parameters,
                                                 type_list<Args&...>>::checked;

} // namespace detail

template <class Target>
template <auto F, class... Args>
group_results<detail::result_of<F>> group_calls<Target>::call(Args&&... args) const {
    using T = detail::result_of<F>;
    if constexpr (detail::takes_arguments<F, Args...>) {
        const detail::repeated_call<F, std::tuple<Args&...>> once{{args...}};
        detail::group_run<T> run(self().whole(), self().settings(),
                                 detail::borrowed_beginner<T, decltype(once)>{&once});
        return group_results<T>(
            detail::results_of(run, self().settings().enough.has_value()));
    } else {
        return {};
    }
}

template <class Target>
template <auto F, class... Args>
group_stream<detail::result_of<F>> group_calls<Target>::stream(Args&&... args) const {
    using T = detail::result_of<F>;
    using kept = detail::kept_arguments<F>;
    if constexpr (detail::takes_arguments<F, Args...>) {
        return group_stream<T>(std::make_unique<detail::group_run<T>>(
            self().whole(), self().settings(),
            detail::repeated_call<F, typename kept::type>{
                kept::from(std::forward<Args>(args)...)}));
    } else {
        return group_stream<T>(nullptr);
    }
}

template <class Target>
template <auto F, class... Args>
std::vector<group_kind<detail::result_of<F>>> group_calls<Target>::gather(Args&&... args) const {
    using T = detail::result_of<F>;
    if constexpr (detail::takes_arguments<F, Args...>) {
        const detail::repeated_call<F, std::tuple<Args&...>> once{{args...}};
        detail::group_run<T> run(self().whole(), self().settings(),
                                 detail::borrowed_beginner<T, decltype(once)>{&once});
        return detail::kinds_of(run, self().whole());
    } else {
        return {};
    }
}

template <class Target>
template <auto F, class... Args>
group_future<detail::result_of<F>> group_calls_at_once<Target>::call_async(Args&&... args) const {
    using T = detail::result_of<F>;
    const group& whole = self().whole();
    std::vector<future<T>> calls;
    if constexpr (detail::takes_arguments<F, Args...>) {
        const detail::call_options options = self().settings().options;
        const detail::repeated_call<F, std::tuple<Args&...>> once{{args...}};
        calls.reserve(whole.size());
        for (std::size_t rank = 0; rank < whole.size(); ++rank)
            calls.push_back(detail::begin_member<T>(whole.member(rank), options, once));
    }
    return group_future<T>(whole, std::move(calls));
}

template <class Target>
template <auto F, class... Args>
group_results<void> group_calls_at_once<Target>::call_no_reply(Args&&... args) const {
    std::vector<group_result<void>> all;
    if constexpr (detail::takes_arguments<F, Args...>) {
        const group& whole = self().whole();
        const detail::call_options options = self().settings().options;
        all.reserve(whole.size());
        for (std::size_t rank = 0; rank < whole.size(); ++rank) {
            const detail::group_member one = whole.member(rank);
            result<void> told =
                one.unconnected
                    ? result<void>(*one.unconnected)
                    : call_target(one.who.port(), one.who.id(), options)
                          .template try_call_no_reply<F>(static_cast<Args&>(args)...);
            const call_phase phase = told ? call_phase::sent : call_phase::not_sent;
            all.push_back({one.who, std::move(told), phase, one.name});
        }
    }
    return group_results<void>(std::move(all));
}

namespace detail {

template <auto Merge, class Target>
template <auto F, class... Args>
group_total<result_of<F>> group_reduction<Merge, Target>::call(Args&&... args) const {
    using T = result_of<F>;
    static_assert(std::is_convertible_v<std::invoke_result_t<decltype(Merge), T, T>, T>,
                  "mitogen: reduce<&merge>() needs a T merge(T, T) of what the Function returns");
    std::optional<T> merged;
    std::vector<group_result<T>> failures;
    if constexpr (takes_arguments<F, Args...>) {
        const repeated_call<F, std::tuple<Args&...>> once{{args...}};
        group_run<T> run(of_.whole(), of_.settings(), borrowed_beginner<T, decltype(once)>{&once});
        for (group_result<T>& one : results_of(run, of_.settings().enough.has_value())) {
            if (!one.value)
                failures.push_back(std::move(one));
            else if (merged)
                merged.emplace(Merge(std::move(*merged), std::move(*one.value)));
            else
                merged.emplace(std::move(*one.value));
        }
        const bool budgeted = of_.settings().allowed && run.progress().within_budget();
        if (merged && (failures.empty() || budgeted)) {
            T whole = std::move(*merged);
            return {std::move(whole), std::nullopt, std::move(failures)};
        }
    }
    error why = failures.empty() ? error(reason::misuse,
                                         "a reduction of a group without members: it has no value")
                                 : error_group_of(errors_of(failures));
    return {std::move(why), std::move(merged), std::move(failures)};
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
