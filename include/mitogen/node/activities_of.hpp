// SPDX-License-Identifier: BSL-1.0
#pragma once
// activities_of.hpp: what runs in one context, and who waits there for what.

#include <mitogen/base/config.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/activity/waits.hpp>
#include <mitogen/node/call_table.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/node/status.hpp>
#include <mitogen/scope/cancel_scope.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Who waits in one context at one moment, asked for once; and the list that is made of it.
/// Threads: any, one at a time.
template <class Io>
class activity_list {
    using other_wait = typename basic_waits<Io>::wait;
    using answer = typename basic_call_table<Io>::awaited;

    basic_router_core<Io>& node_;
    const instant now_;
    std::vector<other_wait> waits_;
    std::vector<answer> answers_;
    std::vector<const scope_worker*> told_; // of whom the list says what they wait for

    activity from(const other_wait& w) const {
        std::string text = std::string("waits for ") + w.what.what;
        if (w.what.whose != no_context)
            text.append(" ").append(w.what.relation).append(" ") += node_.called(w.what.whose);
        return {{}, std::move(text), w.what.whose, now_ - w.since};
    }
    activity from(const answer& a) const {
        const std::string function = node_.subject_name(a.subject);
        return {{},
                (function.empty() ? std::string("waits for an answer")
                                  : "waits for the answer to " + function) +
                    " in " + node_.called(a.respondent),
                a.respondent,
                a.lasts};
    }
    bool told_of(const scope_worker* who) const {
        return who && std::find(told_.begin(), told_.end(), who) != told_.end();
    }

public:
    static constexpr std::size_t most = 256; // of each kind

    std::vector<activity> all{};

    explicit activity_list(basic_router_core<Io>& node)
        : node_(node), now_(node.loop().io().now()), waits_(node.loop().waits().all(most)),
          answers_(node.outstanding().look(now_, most, node.id())) {}

    instant now() const noexcept { return now_; }

    /// What one thread or task waits for; `does` is empty if that is nothing.
    activity wait_of(const scope_worker* who) const {
        for (const other_wait& w : waits_)
            if (who && w.who == who) return from(w);
        for (const answer& a : answers_)
            if (who && a.by == who) return from(a);
        return {};
    }

    /// Adds one, and what `by`, who does it, waits for.
    void add(activity what, const scope_worker* by) {
        activity wait = wait_of(by);
        wait.who = what.who;
        all.push_back(std::move(what));
        if (wait.does.empty()) return;
        told_.push_back(by);
        all.push_back(std::move(wait));
    }

    /// Adds who waits and has not been told of: whoever works for no remote function, and answers
    /// that nobody waits for at the moment.
    void add_others() {
        const auto put = [&](activity what, const char* who) {
            what.who = who;
            all.push_back(std::move(what));
        };
        for (const other_wait& w : waits_)
            if (!told_of(w.who)) put(from(w), "a thread");
        for (const answer& a : answers_)
            if (!told_of(a.by)) put(from(a), "this program");
    }
};

/// What runs here, with what that waits for, and what waits behind it; then whoever else waits.
/// Empty once the loop has ended. Threads: any.
template <class Io>
MITOGEN_COLD std::vector<activity> activities_of(basic_router_core<Io>& node) {
    std::vector<activity> all;
    node.loop().run([&] {
        activity_list<Io> list(node);
        node.add_places(list);
        list.add_others();
        all = std::move(list.all);
    });
    return all;
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
