// SPDX-License-Identifier: BSL-1.0
#pragma once
// router.hpp: one context's place in the tree, and its means to make children.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/connect_methods.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/router/listener_handle.hpp>
#include <mitogen/router/router_options.hpp>
#include <mitogen/serve/typed_handler.hpp>

#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// One context's place in the tree. Every way to make a child is a member. What a program is
/// written against, under every I/O policy: each basic_router<Io> is one. The destructor of the one
/// that made it ends all children and waits for them.
///
/// Threads: any, but for the destructor. Blocking members must not be called from functions that
/// run on the loop.
class router : public connect_methods<router> {
    friend class connect_methods<router>;

    mitogen::node* node_;
    std::unique_ptr<mitogen::node> own_{}; // null: it belongs to whoever made it

    template <class Method>
    using accepts = std::true_type;
    std::optional<error> cannot_wait() const {
        if (!node_->on_loop()) return std::nullopt;
        return detail::waits_for_child();
    }
    future<context> begin_child(const any_method& how, detail::making_options options) const {
        return future<context>(&node_->make_child(how, std::move(options)), *node_,
                               detail::decode_environment{node_});
    }

protected:
    explicit router(std::unique_ptr<mitogen::node> engine) noexcept
        : node_(engine.get()), own_(std::move(engine)) {}

public:
    /// For the node itself.
    explicit router(mitogen::node& node) noexcept : node_(&node) {}
    /// On the loop of a broker. Errors, thrown: as make()'s.
    template <class Io>
    explicit router(basic_broker<Io>& loop, router_options options = {});
    router(router&&) = delete;

    /// The same, with the error as a value: overloaded, without descriptors or threads.
    template <class Io>
    static result<std::unique_ptr<router>> make(basic_broker<Io>& loop,
                                                router_options options = {});

    /// The node behind it, for all that is built on it.
    mitogen::node& node() const noexcept { return *node_; }

    /// What connect(methods…) would run, as text: the command quoted for a shell, the context's
    /// name, the program and its size, the time that it may take. Of several methods: what each
    /// would run in the context that the one before makes. Runs nothing. Errors: those of the
    /// options.
    template <class... Methods>
    std::string explain(const Methods&... methods) const {
        return try_explain(methods...).value();
    }
    template <class... Methods>
    result<std::string> try_explain(const Methods&... methods) const {
        return detail::explain_methods({any_method(methods)...});
    }

    // ---- programs that join: see listener

    /// Lets programs of this user join the tree, through a socket at `path`: see mitogen::join. Its
    /// directory must be 0700 and this user's, and is made if it is missing. It stays open until it
    /// is closed, or the router is. A root executes calls from then on, for those who have the
    /// authority.
    template <class Io = io::native>
    listener listen(const std::string& path, listen_options options = {}) {
        return try_listen<Io>(path, std::move(options)).value();
    }
    template <class Io = io::native>
    result<listener> try_listen(const std::string& path, listen_options options = {});

    // ---- the tree

    /// This context's number in the tree.
    context_id id() const noexcept { return node_->id(); }

    /// The contexts above this one: parent first, root last.
    const std::vector<context_id>& ancestors() const noexcept { return node_->ancestors(); }

    /// This context.
    context myself() const noexcept { return context(*node_, node_->id()); }

    /// The context of that id, known or not.
    context context_by_id(context_id id) const noexcept { return context(*node_, id); }

    /// All contexts below this one.
    std::vector<context> contexts() const {
        std::vector<context> all;
        for (const context_id id : node_->ids_below()) all.push_back(context(*node_, id));
        return all;
    }

    /// This context, its parent and all below it, with how their links fare. Empty once the loop
    /// has ended.
    std::vector<context_status> status() const { return node_->status(); }

    /// What runs in this context, and who waits there for what: threads and tasks that wait for
    /// answers, items, credit, contexts or nurseries; calls that wait for the main thread or the
    /// pool, and what runs there. At most some hundred of each kind. Empty once the loop has ended.
    /// Waits until the loop has time to say so.
    std::vector<activity> activities() const { return node_->activities(); }

    /// Both as text: a line for each.
    std::string describe() const { return node_->status_text(); }

    /// Process id of a direct child; -1 if there is none of that id.
    int child_pid(context_id id) const { return node_->child_pid(id); }

    // ---- messages

    /// Registers `call(const message&, Args...)` for a typed handle; it runs on the loop and must
    /// not block. A logic_error if the number is taken.
    template <class... Args, class F>
    void add_handler(handle<Args...> number, F call, handler_options options = {}) {
        try_add_handler(number, std::move(call), options).value();
    }
    /// The same, with the error as a value.
    template <class... Args, class F>
    result<void> try_add_handler(handle<Args...> number, F call, handler_options options = {}) {
        return node_->add_raw_handler(number.number, options,
                                      detail::typed_handler<Args...>(
                                          std::move(call),
                                          [node = node_](const message& m, const error& why) {
                                              node->reply_dead(m.head, why);
                                          },
                                          node_->bounds(), detail::decode_environment{node_}));
    }

    // ---- for a loop that the program has anyway: see basic_broker::poll

    /// Of a router whose broker has no thread: a descriptor that is readable when poll() has
    /// something to do. A logic_error otherwise.
    int fd() { return node_->loop_fd(); }
    /// Does what there is to do, and does not wait.
    void poll() { node_->poll_loop(); }

    // ---- the end

    /// Ends every child and waits until all are gone, by force if they do not go; fails everything
    /// that waits. The destructor does it too, and so does basic_broker::shutdown(), without
    /// waiting. Returns at once if another thread is at it.
    void close() { node_->close(); }

    /// Leaves the tree: this process goes on without its parent, which neither waits for it nor
    /// ends it. Its own children stay its own. It loses its standard error and its session, sends
    /// no logs any more, and ends when the functions that run now have returned: what they return
    /// reaches nobody, and whoever waits for it is told that this context has detached, so let it
    /// be called with call_no_reply. Its former parent reaps it as long as it has a router; later,
    /// its process stays to be waited for until that program ends. Blocks until the parent has
    /// agreed: it does if this context's method says `.may_detach = true`. Errors, thrown:
    /// logic_error in a root, in a program that has joined, and on the loop; channel_error if the
    /// parent is lost.
    void detach() { try_detach().value(); }
    /// The same, with the error as a value.
    result<void> try_detach() { return node_->detach(); }
};

inline mitogen::node& node_of(router& of) noexcept { return of.node(); }

} // namespace mitogen::inline MITOGEN_ABI
