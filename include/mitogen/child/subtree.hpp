// SPDX-License-Identifier: BSL-1.0
#pragma once
// subtree.hpp: ends the contexts below this one, or cuts them off.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/call/boot_progress.hpp>
#include <mitogen/child/child.hpp>
#include <mitogen/child/children.hpp>
#include <mitogen/child/listening.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/process/process.hpp>
#include <mitogen/protocol/handle.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a router does to one context below, by its id: itself if that is its child, through its
/// parent if it is further down.
///
/// Threads: any, but where marked.
template <class Io>
class subtree {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;

    core& node_;
    children<Io>& children_;
    const std::unique_ptr<listening<Io>>& listening_;

public:
    /// All outlive this.
    subtree(core& node, children<Io>& all, const std::unique_ptr<listening<Io>>& joined)
        : node_(node), children_(all), listening_(joined) {}

    subtree(subtree&&) = delete;

    /// Begins to end it; see context::shutdown. `by`: who has asked for it.
    MITOGEN_COLD outstanding_call& shut_down(context_id id, context_id by) {
        if (const context_id parent = far_parent_of(id); parent != no_context) {
            return node_.ask({.to = parent,
                              .handle = handles::end_child,
                              .how = question::manner::pass,
                              .payload = encode(id, false)});
        }
        std::optional<error> why;
        basic_outstanding_call<Io>* p = node_.outstanding().open(node_.id(), why);
        if (!p) return *node_.failed_answer(id, std::move(*why));
        p->retain();
        if (!node_.loop().defer([this, id, by, p] { shut_down_child(id, by, *p); })) {
            node_.outstanding().fail(*p, error(reason::broker_exited, "the broker has exited"));
            p->release();
        }
        return *p;
    }

    /// See context::disconnect. `by`: who has asked for it.
    void disconnect(context_id id, context_id by) {
        if (const context_id parent = far_parent_of(id); parent != no_context)
            return (void)node_.tell(parent, handles::end_child, encode(id, true), false);
        node_.loop().defer([this, id, by] {
            constexpr const char* why = "disconnected by its parent";
            if (child* c = children_.find(id)) return c->disconnect(why, by);
            if (listening_) listening_->disconnect(id, why);
        });
    }

    /// Ends a direct child that nobody wants; does nothing if there is none of that id. Threads:
    /// loop.
    void terminate(context_id id) {
        if (child* c = children_.find(id))
            c->shut_down(
                cancelled_by(node_.id(), cancel_radius::context, "nobody wants it any more"));
    }

    /// The same, without the time that it would have to end by itself. Threads: loop.
    void expedite(context_id id) {
        if (child* c = children_.find(id))
            c->expedite(
                cancelled_by(node_.id(), cancel_radius::context, "it did not stop in time"));
    }

    /// This context is being ended, by `who`: the children hear of that when they are. Threads:
    /// loop.
    void ends_for(context_id who) noexcept { children_.ends_for(who); }

    /// True while one of those below stands in a debugger. Threads: loop.
    bool held() const { return children_.held(); }

    /// Nobody above can hold those below in a debugger any more. Threads: loop.
    void release_all() { children_.release_all(); }

    /// Ends all children as fast as may be; says how many levels of contexts that are. Threads:
    /// loop.
    std::uint32_t expedite_all() { return children_.expedite(); }

    /// What the start of a direct child took; an error of misuse if there is none of that id.
    MITOGEN_COLD result<boot_info> info_of_boot(context_id id) {
        std::optional<boot_info> info;
        node_.loop().run([&] {
            if (child* c = children_.find(id)) info = c->info();
        });
        if (!info)
            return error(reason::misuse,
                         "how context " + std::to_string(id) +
                             " was started is known to its parent alone, and while it lives");
        return std::move(*info);
    }

    /// Process id of a direct child; -1 if there is none of that id.
    int pid(context_id id) {
        int found = -1;
        node_.loop().run([&] {
            if (child* c = children_.find(id)) found = static_cast<int>(c->pid());
        });
        return found;
    }

private:
    /// The parent of a context further down; no_context of any other.
    context_id far_parent_of(context_id id) {
        const auto known = node_.routes().get(id);
        return known.id == id && known.parent != node_.id() ? known.parent : no_context;
    }

    /// Answers `gone` when it is; takes over one reference. Threads: loop.
    MITOGEN_COLD void shut_down_child(context_id id, context_id by,
                                      basic_outstanding_call<Io>& gone) {
        const error why = cancelled_by(by, cancel_radius::context, "it was shut down");
        if (child* c = children_.find(id)) {
            c->await_exit(&gone);
            return c->shut_down(why);
        }
        if (listening_ && listening_->shut_down(id, why, &gone)) return;
        const std::optional<error> lost = node_.why_lost(id);
        node_.outstanding().fail(
            gone, lost ? *lost
                       : error(reason::no_route, "context " + std::to_string(id) +
                                                     " is not a child of this context"));
        gone.release();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
