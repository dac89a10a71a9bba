// SPDX-License-Identifier: BSL-1.0
#pragma once
// nursery_hub.hpp: a nursery as its typed tasks see it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/call/future.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/nursery/nursery_member.hpp>
#include <mitogen/scope/cancel_scope.hpp>
#include <mitogen/task/task.hpp>
#include <mitogen/task/task_condition.hpp>

#include <memory>
#include <optional>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// The owner of contexts and tasks. Shared with what is under way: whatever becomes of the
/// nursery's thread, that ends. Threads: any, but for finish().
class nursery_hub {
protected:
    mitogen::node& node_;

    explicit nursery_hub(mitogen::node& node) noexcept : node_(node) {}
    ~nursery_hub() = default;

public:
    static std::shared_ptr<nursery_hub> make(mitogen::node& node, duration_ns grace);
    nursery_hub(nursery_hub&&) = delete;

    mitogen::node& node() const noexcept { return node_; }

    /// All of it may take that long from now (never: any time). `body`, if not null, runs the body:
    /// what it waits for from now on ends when the nursery stops. Threads: the worker's.
    virtual void begin(scope_worker* body, duration_ns within) = 0;
    /// The body has ended. Threads: any. Again: nothing.
    virtual void leave_body() noexcept = 0;

    /// When the nursery itself is late, or the scopes around it. It never changes.
    virtual instant deadline() const noexcept = 0;
#if defined(__cpp_lib_jthread)
    virtual std::stop_token stop_token() = 0;
#endif

    /// From asking a task to stop, to ending it.
    virtual duration_ns grace() const noexcept = 0;

    /// The error of what was cancelled with this nursery.
    virtual error cancelled_here(const char* by) const = 0;

    /// Makes a context of this nursery. Never blocks.
    virtual future<context> connect(const any_method& how, making_options options = {}) = 0;
    /// A context that was made for a task which may get another one. Before anything runs there.
    virtual void replaceable(context_id id) = 0;
    /// Such a context has done its work: it ends beside what goes on.
    virtual void replace(context_id id) = 0;

    /// Before a task is begun. False with `why` if it must not be.
    virtual bool add(std::shared_ptr<nursery_member> t, std::optional<error>& why) = 0;
    /// It was not begun after all.
    virtual void forget(nursery_member& t) = 0;
    /// After it was begun: if something has failed meanwhile, it is the next to stop.
    virtual void begun(nursery_member& t) = 0;
    /// It has ended; `failure` is null if that is well. Once for each.
    virtual void ended(nursery_member& t, const error* failure) = 0;
    /// Its time is over, which fails the nursery, but it has not ended: `why` is its failure.
    virtual void late(nursery_member& t, const error& why) = 0;
    /// True if a task that has ended may be begun again: nothing wants it to stop.
    virtual bool may_go_on(const nursery_member& t) = 0;
    /// Sleeps until a task has ended or the deadline passes; true if it has. Not on the loop.
    virtual bool wait_for(nursery_member& t, instant deadline) = 0;
    /// Runs `go` when the task has ended: now, if it has.
    virtual void when_ended(nursery_member& t, unique_function<void()> go, const void* key) = 0;
    virtual void forget_watcher(nursery_member& t, const void* key) = 0;
    /// Cancels a task; that is no failure of the nursery.
    virtual void cancel_one(nursery_member& t) = 0;

    virtual bool stopped() = 0;
    /// What it stops for; nothing while it does not.
    virtual std::optional<error> stopped_for() = 0;
    virtual bool over() = 0;
    /// Stops everything; nothing can be added any more. `reported`: join() says so.
    virtual void cancel(error why, bool reported) = 0;
    /// From now on nothing is given time: what has not ended is ended by force. After cancel().
    /// Never blocks.
    virtual void expedite() = 0;
    /// Asks every context to end. Tasks that have not ended by now end with their contexts, or are
    /// given up.
    virtual void close() = 0;
    /// Waits until the tasks have ended, or something has failed, and no longer than `deadline`:
    /// then false. Not on the loop.
    virtual bool wait_for_tasks(instant deadline) = 0;
    /// Waits for the tasks, then closes, then waits until all is over. Not on the loop.
    virtual void finish() = 0;
    /// The same in a task, by steps from 0 on: what to wait for before the next one; nothing after
    /// the last. If a scope ends the wait of the first one, cancel(); what follows is not to be
    /// ended.
    virtual std::optional<task_condition::until> finish_step(int number) = 0;
    /// What the nursery ends with, when it is over.
    virtual result<void> verdict() = 0;
    /// The program has been told of this error of a task.
    virtual void saw(const error& why) = 0;
    /// As verdict(), without what the program has been told of already.
    virtual result<void> unseen() = 0;
};

inline instant nursery_member::until(duration_ns span) const {
    return span == never || ended() ? never : after(nursery_->node().now(), span);
}
inline bool nursery_member::wait_until(instant deadline) {
    return ended() || nursery_->wait_for(*this, deadline); // the router may be gone
}
inline void nursery_member::when_ended(unique_function<void()> go, const void* key) {
    nursery_->when_ended(*this, std::move(go), key);
}
inline void nursery_member::forget(const void* key) { nursery_->forget_watcher(*this, key); }
inline std::optional<error> nursery_member::stopped_for() const { return nursery_->stopped_for(); }
inline void nursery_member::saw(const error& why) const { nursery_->saw(why); }
inline mitogen::node& nursery_member::node() const noexcept { return nursery_->node(); }
inline void nursery_member::cancel() { nursery_->cancel_one(*this); }
inline bool nursery_member::may_wait() const { return ended() || !nursery_->node().on_loop(); }

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
