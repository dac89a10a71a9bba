// SPDX-License-Identifier: BSL-1.0
#pragma once
// connect_all.hpp: makes many children at once, as a group.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/connect_methods.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/group/arrivals.hpp>
#include <mitogen/group/group.hpp>
#include <mitogen/scope/interrupted.hpp>

#include <algorithm>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// A place in a group of what was not connected.
template <class Method>
group_member unconnected_member(mitogen::node& here, const error& why, const Method& method) {
    return {context(here, no_context), std::make_shared<error>(why), planned_name(method)};
}

} // namespace detail

template <class Maker, class Context>
template <class Methods>
result<group> connect_methods<Maker, Context>::try_connect_all(const Methods& methods,
                                                               connect_all_options options) const {
    if (std::optional<error> why = maker().cannot_wait()) return std::move(*why);
    const std::size_t at_once = std::max<std::size_t>(1, options.at_once);
    std::shared_ptr<detail::arrivals> done;
    std::vector<future<Context>> coming;
    std::size_t over = 0;
    std::optional<error> ended; // by a scope of the caller
    const auto wait = [&] {
        if (ended) return;
        mitogen::node& here = coming.front().port();
        if (done->wait(here, 1, never, "contexts that are being connected")) {
            static_cast<void>(done->take());
            ++over;
        } else {
            ended = detail::why_interrupted(here.now());
        }
    };
    for (const auto& method : methods) {
        while (!ended && coming.size() - over >= at_once) wait();
        if (ended) break;
        coming.push_back(connect_async(method));
        if (!done) done = std::make_shared<detail::arrivals>(coming.front().port());
        coming.back().then(detail::arrival_notice{done, coming.size() - 1});
    }
    while (!ended && over < coming.size()) wait();
    std::vector<detail::group_member> members;
    for (const auto& method : methods) {
        mitogen::node& here = coming.front().port();
        result<Context> up = [&]() -> result<Context> {
            if (members.size() >= coming.size()) return *ended;
            future<Context>& one = coming[members.size()];
            if (!one.done()) one.abandon(*ended);
            return one.done() ? maker().arrived(one.outcome()) : *ended;
        }();
        members.push_back(up ? detail::group_member{*up}
                             : detail::unconnected_member(here, up.error(), method));
    }
    return group::of(std::move(members));
}

template <class Maker, class Context>
template <class Methods>
group connect_methods<Maker, Context>::connect_all(const Methods& methods,
                                                   connect_all_options options) const {
    return try_connect_all(methods, options).value();
}
template <class Maker, class Context>
template <class Method>
group connect_methods<Maker, Context>::connect_all(std::initializer_list<Method> methods,
                                                   connect_all_options options) const {
    return try_connect_all(methods, options).value();
}

} // namespace mitogen::inline MITOGEN_ABI
