// SPDX-License-Identifier: BSL-1.0
#pragma once
// places.hpp: the places in which the calls of a context run, and what waits there: for whoever
// asks, and for the log if it takes long.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/base/on.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/loop/activity/activity.hpp>
#include <mitogen/loop/timer.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/node/status/activities_of.hpp>
#include <mitogen/node/status/status.hpp>
#include <mitogen/serve/incoming_calls.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Looks at the calls that a dispatcher has accepted. A call costs nothing for it: a clock is
/// looked at once in warnings::queued_call, and only while calls wait for one another. Threads:
/// loop, but for the constructor and the destructor, which is to run while the loop does or after
/// that.
template <class Io>
class basic_places final : public places_of_calls<Io> {
    using phase = incoming_call::phase;

    /// A place where calls queue.
    struct queue {
        std::uint64_t begun = 0; // how many it had begun at
        instant since = 0;       // that moment
        bool told = false;
    };

    basic_router_core<Io>& node_;
    incoming_calls<Io>& calls_;
    const std::string& name_; // of this context
    queue main_{};
    queue pool_{};
    timer look_{};

    static constexpr std::size_t most_waiting = 64;
    static constexpr int most_links = 64;

public:
    basic_places(basic_router_core<Io>& node, incoming_calls<Io>& calls, const std::string& name)
        : node_(node), calls_(calls), name_(name) {
        look_.fire = [this] { look(); };
        node_.loop().defer([this] { node_.set_places(this); });
    }
    basic_places(basic_places&&) = delete;
    ~basic_places() {
        node_.loop().run([this] {
            node_.loop().cancel_slow_timer(look_);
            node_.set_places(nullptr);
        });
    }

    /// A call waits behind another: whether that goes on is looked at from now on.
    void watch() {
        const duration_ns limit = node_.rules().warnings.queued_call;
        if (look_.is_set() || limit <= 0 || limit == never) return;
        look();
    }

private:
    static std::string caller_of(basic_router_core<Io>& node, const incoming_call& c) {
        return c.entry->name() + " for " + node.called(c.head.src);
    }
    static const char* place_of(on where) {
        switch (where) {
        case on::main: return "the main thread";
        case on::pool: return "a thread of the pool";
        case on::task: return "a task";
        default: return "a thread of its own";
        }
    }

    void describe(activity_list<Io>& to) override {
        struct seen {
            activity what;
            const scope_worker* by;
        };
        std::vector<seen> running;
        std::vector<activity> waiting;
        std::size_t more = 0;
        calls_.each([&](incoming_call& c) {
            const bool runs = c.state.load(std::memory_order_acquire) != phase::queued;
            if (c.noticed == 0) c.noticed = to.now();
            const duration_ns lasts = to.now() - c.noticed;
            if (runs && running.size() < activity_list<Io>::most) {
                running.push_back({{place_of(c.where), "runs " + caller_of(node_, c), c.head.src,
                                    lasts},
                                   c.scope.worker()});
            } else if (!runs && waiting.size() < most_waiting) {
                const char* place = c.where == on::pool ? "the pool" : place_of(c.where);
                waiting.push_back({"the call of " + caller_of(node_, c),
                                   std::string("waits for ") + place, c.head.src, lasts});
            } else if (!runs) {
                ++more;
            }
        });
        for (seen& s : running) to.add(std::move(s.what), s.by);
        for (activity& a : waiting) to.all.push_back(std::move(a));
        if (more > 0)
            to.all.push_back({std::to_string(more) + " more calls", "wait", no_context, 0});
    }

    /// Every link of it is a thread or a task that waits for one answer, or a call in the main
    /// thread's queue: so none of these answers can come. A deadline is no way out: a call has that
    /// of the call around it at most.
    MITOGEN_COLD std::optional<error> cycle_of(handle_id answer) override {
        std::string text;
        handle_id at = answer;
        for (int links = 0; links < most_links; ++links) {
            const auto holds = calls_.holder_of(node_.id(), at);
            if (!holds.runs) return std::nullopt;
            text += (links ? ", which waits for the answer to " : "") + holds.called->name();
            if (holds.called != holds.runs)
                text += ", which waits for the main thread, which runs " + holds.runs->name();
            at = node_.outstanding().awaited_for_ever(holds.by, node_.id());
            if (at == 0) return std::nullopt;
            if (at == answer)
                return error(reason::misuse, "it would wait for itself, for ever: " + text +
                                                 ", which waits for that answer");
        }
        return std::nullopt;
    }

    void look() {
        const instant now = node_.loop().io().now();
        const duration_ns limit = node_.rules().warnings.queued_call;
        const auto p = calls_.look();
        if (stands(main_, p.main_begun, p.main_waits, now, limit)) warn(on::main);
        if (stands(pool_, p.pool_begun, p.pool_waits > 0, now, limit)) warn(on::pool);
        if (p.main_waits || p.pool_waits > 0)
            node_.loop().set_slow_timer(look_, after(now, limit));
    }

    /// True, once, if it has not begun another call for so long although one waits.
    static bool stands(queue& q, std::uint64_t begun, bool waits, instant now,
                       duration_ns limit) noexcept {
        if (!waits || q.begun != begun || q.since == 0) {
            q = {begun, now, false};
            return false;
        }
        return now - q.since >= limit && !std::exchange(q.told, true);
    }

    MITOGEN_COLD void warn(on where) {
        const activity_list<Io> waits(node_);
        std::string first;
        std::string runs;
        std::size_t waiting = 0;
        calls_.each([&](incoming_call& c) {
            if (c.where != where) return;
            if (c.state.load(std::memory_order_acquire) == phase::queued) {
                if (waiting++ == 0) first = c.entry->name();
                return;
            }
            if (runs.size() > most_text) return;
            runs += (runs.empty() ? "" : "; ") + caller_of(node_, c);
            const activity wait = waits.wait_of(c.scope.worker());
            if (!wait.does.empty())
                runs += ", which " + wait.does + ", for " + span_text(wait.lasts);
        });
        if (where == on::main)
            calls_.first_of_main([&](incoming_call& c) { first = c.entry->name(); });
        if (runs.empty() || first.empty()) return; // it has gone on meanwhile
        log::write(
            log::level::warning,
            "call " + first + " waits for " +
                (where == on::main ? "the main thread of " : "the pool of ") + name_ +
                ", which for " + span_text(node_.rules().warnings.queued_call) + " has run " +
                runs +
                (waiting > 1 ? "; " + std::to_string(waiting - 1) + " more calls wait" : ""));
    }

    static constexpr std::size_t most_text = 4096;
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
