// SPDX-License-Identifier: BSL-1.0
#pragma once
// connect_server.hpp: makes children of this context because a context above asks for them.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/boot/staging.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/method/local.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/remote/serializable_method.hpp>
#include <mitogen/router/router_engine.hpp>

#include <algorithm>
#include <cstddef>
#include <deque>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// Serves messages to handles::connect, on the loop, whatever the functions of this context do.
/// Many at once; each is answered when its child is up, or has failed. The route is announced
/// before: who hears the answer can reach the child.
///
/// Threads: loop, but for the constructor. The router outlives it.
template <class Io>
class connect_server {
    struct order {
        header request;
        future<context> child;
    };
    struct delivery {
        context_id to;
        handle_id reply_to;
        context_id child;
    };

    router_engine<Io>& router_;
    std::string name_;
    std::vector<order> open_;
    // the latest: one may have been cancelled while the answer was on its way
    std::deque<delivery> delivered_;

    static constexpr std::size_t most_deliveries = 1024;

    auto find(context_id from, handle_id reply_to) {
        return std::find_if(open_.begin(), open_.end(), [&](const order& o) {
            return o.request.src == from && o.request.reply_to == reply_to;
        });
    }

    MITOGEN_COLD void serve(const message& m) {
        if (!m.head.wants_reply()) return; // nobody would know the child
        result<boot_plan> plan = plan_from(m.payload, router_.bounds());
        if (plan && plan->prompts)
            if (staging<Io>* const stages = router_.staging()) stages->ask_there(*plan, m.head);
        open_.push_back({m.head, future<context>(&router_.connect_by(std::move(plan)), router_,
                                                 decode_environment{&router_})});
        open_.back().child.then([this, from = m.head.src, reply_to = m.head.reply_to] {
            router_.loop().defer([this, from, reply_to] { answer(from, reply_to); });
        });
    }

    MITOGEN_COLD void answer(context_id from, handle_id reply_to) {
        const auto at = find(from, reply_to);
        if (at == open_.end()) return;
        order done = std::move(*at);
        open_.erase(at);
        const result<context> child = done.child.outcome();
        if (!child)
            return router_.reply(done.request, encode_error(with_place(child.error())),
                                 message_flags::failed);
        delivered_.push_back({from, reply_to, child->id()});
        if (delivered_.size() > most_deliveries) delivered_.pop_front();
        router_.reply(done.request, encode(child->id()), 0);
    }

    /// A context above ends a child of this one, or cuts its link.
    MITOGEN_COLD void end_child(const message& m) {
        reader r(m.payload);
        context_id which{};
        bool cut{};
        if (!decode(r, which, cut) || !r.finish())
            return router_.reply_dead(m.head, error(reason::bad_arguments, r.failure_text()));
        if (cut) return router_.subtree().disconnect(which, m.head.src);
        const auto gone = std::make_shared<future<exit_status>>(
            &router_.subtree().shut_down(which, m.head.src), router_, decode_environment{});
        gone->then([&node = router_, gone, head = m.head] {
            const result<exit_status> status = gone->outcome();
            if (status) return node.reply(head, encode(*status), 0);
            node.reply(head, encode_error(status.error()), message_flags::failed);
        });
    }

    error with_place(const error& why) const {
        error_detail d = why.detail();
        if (!d.place.empty()) return why;
        d.place = name_;
        d.context = router_.id();
        d.what.clear(); // composed anew
        return error(std::move(d));
    }

public:
    /// `name`: of this context.
    connect_server(router_engine<Io>& node, std::string name)
        : router_(node), name_(std::move(name)) {
        // What another program may ask for, although this one never does. All others are known if
        // the program names them: it is to be sent over connections, and they cost it a hundred
        // kilobytes.
        (void)&known<mitogen::local>;
        (void)router_.add_raw_handler(handles::connect, {}, [this](const message& m) { serve(m); });
        (void)router_.add_raw_handler(handles::end_child, {},
                                      [this](const message& m) { end_child(m); });
    }

    connect_server(connect_server&&) = delete;

    /// `from` does not wait any more for what it asked for: the child ends, whether it is up or
    /// not.
    MITOGEN_COLD void cancel(context_id from, handle_id reply_to) {
        if (const auto at = find(from, reply_to); at != open_.end()) {
            if (!at->child.done())
                return at->child.abandon(cancelled_by(
                    from, cancel_radius::context, "cancelled by context " + std::to_string(from)));
            // its answer is about to leave
            if (const auto up = at->child.outcome()) router_.subtree().terminate(up->id());
            return;
        }
        const auto late =
            std::find_if(delivered_.begin(), delivered_.end(),
                         [&](const delivery& d) { return d.to == from && d.reply_to == reply_to; });
        if (late != delivered_.end()) router_.subtree().terminate(late->child);
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
