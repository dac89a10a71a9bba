// SPDX-License-Identifier: BSL-1.0
#pragma once
// group_results.hpp: what the members of a group have answered.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/context.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// How far the call of one member came.
enum class call_phase : std::uint8_t {
    not_sent, ///< its message did not leave this context: the function has not run
    sent,     ///< and no answer has come: the function may have run, or may still
    answered, ///< that context has said what became of it
};

/// What became of the call of one member: `for (const auto& [who, value] : results)`.
template <class T>
struct group_result {
    /// the member. Of one that was never connected: a context that does not exist, whose calls fail
    context who;
    result<T> value; ///< what it has returned, or what went wrong
    call_phase phase = call_phase::answered;
    std::string unconnected{}; ///< the name of one that was never connected

    /// Its name, also if it is lost or was never connected.
    std::string name() const {
        if (!unconnected.empty()) return unconnected;
        std::string path = who.name();
        return path.empty() && !value ? value.error().detail().place : path;
    }

    /// For structured bindings: 0 is `who`, 1 `value`.
    template <std::size_t I>
    auto& get() & noexcept {
        if constexpr (I == 0)
            return who;
        else
            return value;
    }
    template <std::size_t I>
    const auto& get() const& noexcept {
        if constexpr (I == 0)
            return who;
        else
            return value;
    }
    template <std::size_t I>
    auto&& get() && noexcept {
        return std::move(get<I>());
    }
};

namespace detail {

/// Some errors as one error_group, also if it is one.
MITOGEN_COLD inline error error_group_of(const std::vector<error>& errors) {
    auto members = std::make_shared<std::vector<error>>();
    for (const error& one : errors) {
        if (one.members().empty()) {
            members->push_back(one);
        } else {
            members->insert(members->end(), one.members().begin(), one.members().end());
        }
    }
    error_detail d;
    d.why = reason::several;
    d.members = std::move(members);
    return error(std::move(d));
}

/// The errors of some results, in their order.
template <class Range>
std::vector<error> errors_of(const Range& results) {
    std::vector<error> all;
    for (const auto& one : results)
        if (!one.value) all.push_back(one.value.error());
    return all;
}

} // namespace detail

/// What a call of a group gives: a result for each member, in the order of the group.
template <class T>
class group_results {
    std::vector<group_result<T>> all_;

public:
    using value_type = group_result<T>;
    using iterator = typename std::vector<value_type>::iterator;
    using const_iterator = typename std::vector<value_type>::const_iterator;

    group_results() = default;
    explicit group_results(std::vector<value_type> all) noexcept : all_(std::move(all)) {}

    std::size_t size() const noexcept { return all_.size(); }
    bool empty() const noexcept { return all_.empty(); }
    iterator begin() noexcept { return all_.begin(); }
    iterator end() noexcept { return all_.end(); }
    const_iterator begin() const noexcept { return all_.begin(); }
    const_iterator end() const noexcept { return all_.end(); }
    /// That of one rank, which is less than size().
    value_type& operator[](std::size_t rank) noexcept { return all_[rank]; }
    const value_type& operator[](std::size_t rank) const noexcept { return all_[rank]; }

    /// How many have failed.
    std::size_t failures() const noexcept {
        std::size_t count = 0;
        for (const value_type& one : all_) count += !one.value;
        return count;
    }

    /// The values, in order; nothing for functions that return void. Throws one error_group with
    /// the errors of all that failed, if any did.
    auto or_throw() && {
        if (failures() != 0) raise(detail::error_group_of(detail::errors_of(all_)));
        if constexpr (!std::is_void_v<T>) {
            std::vector<T> values;
            values.reserve(all_.size());
            for (value_type& one : all_) values.push_back(std::move(*one.value));
            return values;
        }
    }
    auto or_throw() const& {
        group_results copy(*this);
        return std::move(copy).or_throw();
    }
};

/// What a reduction of a group gives: as a result<T>, the values of all members merged, in the
/// order of the group, or one error_group if more of them failed than its budget allows, which is
/// none if it has not been given.
template <class T>
class group_total : public result<T> {
    std::optional<T> partial_;
    std::vector<group_result<T>> failures_;

public:
    group_total(result<T> whole, std::optional<T> partial, std::vector<group_result<T>> failures)
        : result<T>(std::move(whole)), partial_(std::move(partial)),
          failures_(std::move(failures)) {}

    /// If there is an error: what the others' values come to; none if there are no others.
    const std::optional<T>& partial() const noexcept { return partial_; }
    /// Those who failed, in the order of the group.
    const std::vector<group_result<T>>& failures() const noexcept { return failures_; }
};

} // namespace mitogen::inline MITOGEN_ABI

template <class T>
struct std::tuple_size<mitogen::group_result<T>> : std::integral_constant<std::size_t, 2> {};
template <class T>
struct std::tuple_element<0, mitogen::group_result<T>> {
    using type = mitogen::context;
};
template <class T>
struct std::tuple_element<1, mitogen::group_result<T>> {
    using type = mitogen::result<T>;
};
