// SPDX-License-Identifier: BSL-1.0
#pragma once
// descendants.hpp: ends the contexts below this one, or cuts them off.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/connect/boot/boot_progress.hpp>
#include <mitogen/connect/child.hpp>
#include <mitogen/connect/children.hpp>
#include <mitogen/connect/joining/listening.hpp>
#include <mitogen/route/awaited.hpp>
#include <mitogen/route/call_port.hpp>
#include <mitogen/route/router_core.hpp>
#include <mitogen/sys/process.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/handle.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// What a router does to one context below, by its id: itself where that is its child, through its parent where it is further
/// down.
///
/// Threads: any, but where marked.
template <class Io>
class descendants {
    using core = basic_router_core<Io>;
    using child = basic_child<Io>;

    core& node_;
    children<Io>& children_;
    const std::unique_ptr<listening<Io>>& listening_;

public:
    /// All outlive this.
    descendants(core& node, children<Io>& all, const std::unique_ptr<listening<Io>>& joined)
        : node_(node), children_(all), listening_(joined) {}

    descendants(descendants&&) = delete;

    /// Begins to end it; see context::shutdown.
    MITOGEN_COLD awaited& shut_down(context_id id) {
        if (const context_id parent = far_parent_of(id); parent != no_context) {
            return node_.ask(
                {.to = parent, .handle = handles::end_child, .how = question::manner::pass, .payload = encode(id, false)});
        }
        std::optional<error> why;
        basic_pending<Io>* p = node_.answers().open(node_.id(), why);
        if (!p) return *node_.failed_answer(id, std::move(*why));
        p->retain();
        if (!node_.loop().defer([this, id, p] { shut_down_child(id, *p); })) {
            node_.answers().fail(*p, error(reason::broker_exited, "the broker has exited"));
            p->release();
        }
        return *p;
    }

    /// See context::disconnect.
    void disconnect(context_id id) {
        if (const context_id parent = far_parent_of(id); parent != no_context)
            return (void)node_.tell(parent, handles::end_child, encode(id, true), false);
        node_.loop().defer([this, id] {
            constexpr const char* why = "disconnected by its parent";
            if (child* c = children_.find(id)) return c->cut(why);
            if (listening_) listening_->cut(id, why);
        });
    }

    /// Ends a direct child that nobody wants; does nothing where there is none of that id. Threads: loop.
    void discard(context_id id) {
        if (child* c = children_.find(id))
            c->shut_down(cancelled_by(node_.id(), cancel_radius::context, "nobody wants it any more"));
    }

    /// The same, without the time that it would have to end by itself. Threads: loop.
    void hurry(context_id id) {
        if (child* c = children_.find(id))
            c->hurry(cancelled_by(node_.id(), cancel_radius::context, "it did not stop in time"));
    }

    /// Ends all children as fast as may be; says how many levels of contexts that are. Threads: loop.
    std::uint32_t hurry_all() { return children_.hurry(); }

    /// What the start of a direct child took; an error of misuse where there is none of that id.
    MITOGEN_COLD result<boot_info> info_of_boot(context_id id) {
        std::optional<boot_info> info;
        node_.loop().run([&] {
            if (child* c = children_.find(id)) info = c->info();
        });
        if (!info)
            return error(reason::misuse,
                         "how context " + std::to_string(id) + " was started is known to its parent alone, and while it lives");
        return std::move(*info);
    }

    /// Process id of a direct child; -1 where there is none of that id.
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
    MITOGEN_COLD void shut_down_child(context_id id, basic_pending<Io>& gone) {
        if (child* c = children_.find(id)) {
            c->await_exit(&gone);
            return c->shut_down(cancelled_by(node_.id(), cancel_radius::context, "it was shut down"));
        }
        if (listening_ && listening_->shut_down(id, &gone)) return;
        const std::optional<error> lost = node_.why_lost(id);
        node_.answers().fail(
            gone, lost ? *lost : error(reason::no_route, "context " + std::to_string(id) + " is not a child of this context"));
        gone.release();
    }
};

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
