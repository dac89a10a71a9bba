// SPDX-License-Identifier: BSL-1.0
#pragma once
// node.hpp: one node of the tree, as all that has no I/O policy in its type sees it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/function.hpp>
#include <mitogen/base/ids.hpp>
#include <mitogen/base/limits.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/codec/buffer.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/link/flush_mode.hpp>
#include <mitogen/loop/loop_task.hpp>
#include <mitogen/loop/timer.hpp>
#include <mitogen/node/flow_budget.hpp>
#include <mitogen/node/handler_options.hpp>
#include <mitogen/node/outstanding_call.hpp>
#include <mitogen/node/status/status.hpp>
#include <mitogen/protocol/flow.hpp>
#include <mitogen/protocol/message.hpp>
#include <mitogen/sync/host.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

struct event_source;

/// The bytes of a message that is being sent: shown, or handed over with their buffer. Used at
/// once, never kept.
struct outgoing_bytes {
    std::span<const std::byte> bytes{};
    buffer* whole = nullptr; ///< may be taken; null: `bytes` are copied

    outgoing_bytes() = default;
    outgoing_bytes(std::nullptr_t) noexcept {}
    outgoing_bytes(std::span<const std::byte> shown) noexcept : bytes(shown) {}
    outgoing_bytes(const buffer& shown) noexcept : bytes(shown.data(), shown.size()) {}
    outgoing_bytes(buffer&& given) noexcept : bytes(given.data(), given.size()), whole(&given) {}

    std::size_t size() const noexcept { return bytes.size(); }
};

/// How one call is made.
struct call_options {
    duration_ns within = never; ///< time the answer may take; never: any
    duration_ns grace = 0;      ///< when that is over: how long the callee's end is awaited
    std::uint64_t chain = 0;    ///< 0: none
    flow_address flow{};        ///< if the caller takes items
#if defined(__cpp_lib_jthread)
    std::stop_token stop{}; ///< cancels the call
#endif

    /// Why it has ended if its time is over: that of `within`, or of the scopes it was made in.
    error too_late(bool inherited) const {
        if (inherited)
            return error(reason::timeout,
                         "the deadline of the call that it was made in has passed");
        const std::string span = std::to_string(within / 1'000'000) + " ms";
        // a wait for an item that gives up has reason::timeout, and the flow goes on
        return flow.port ? error(reason::deadline, "its time is over: no end within " + span)
                         : error(reason::timeout, "no answer within " + span);
    }
};

/// The question::subject of a request to handles::connect.
inline constexpr char connect_request = 0;

/// A message that wants an answer.
struct question {
    enum class manner : std::uint8_t {
        /// await() or await_call() comes next, whatever has happened; refused on the loop, which it
        /// would stop. Waits first while too much of this context waits on the link
        wait,
        gather, ///< more may follow; waits first as well
        pass,   ///< as gather, but never waits
    };

    context_id to = no_context;
    handle_id handle = 0;
    manner how = manner::gather;
    outgoing_bytes payload{};
    const void* subject = nullptr; ///< outstanding_call::subject
    /// deadline and stop token; null: none. Of a call that is waited for, await_call() gets them
    /// too
    const call_options* options = nullptr;
};

/// How a child is made, beside what its method says.
struct making_options {
    /// called on the loop whenever there is news
    unique_function<void(const connect_progress&)> on_progress{};
    std::shared_ptr<void> keep_alive{}; ///< let go of when its process is reaped, or was never made
};

} // namespace detail

/// One node of the tree: what contexts, futures, flows, nurseries and the router itself are made
/// of, under every I/O policy.
///
/// The one abstract class of the library. What it costs is an indirect call if a message is sent
/// and if a thread waits. Threads: any, unless marked.
class node : public detail::sync_host {
protected:
    context_id id_ = root_id;
    std::vector<std::string> own_path_{};
    std::vector<context_id> ancestors_{}; // parent first, root last
    limits limits_;
    std::shared_ptr<detail::flow_budget> flows_;

    explicit node(const limits& bounds)
        : limits_(bounds), flows_(std::make_shared<detail::flow_budget>()) {}

public:
    node(node&&) = delete;
    virtual ~node() = default;

    /// This context's id.
    context_id id() const noexcept { return id_; }
    /// The names from below the root down to this context.
    const std::vector<std::string>& own_path() const noexcept { return own_path_; }
    /// The contexts above this one: parent first, root last.
    const std::vector<context_id>& ancestors() const noexcept { return ancestors_; }
    /// The context at the top of the tree: this one, if nothing is above it.
    context_id root() const noexcept { return ancestors_.empty() ? id_ : ancestors_.back(); }
    const limits& bounds() const noexcept { return limits_; }
    /// What its flows may have under way together. What has ends of flows keeps it.
    const std::shared_ptr<detail::flow_budget>& flow_budget() const noexcept { return flows_; }

    // ---- questions, and the answers to them

    /// The key by which `subject`, a function_entry, is called in `to` if that does not know its
    /// number.
    virtual result<std::uint64_t> key_of(const void* subject, context_id to) = 0;
    /// True if `function`, a function_entry, is what its number means in `to`: that runs the same
    /// program as this context, and both had the function when they began. Also if nobody is there:
    /// that it is lost, not what it runs, is what a caller must hear.
    virtual bool calls_by_number(context_id to, const void* function, std::uint32_t number) = 0;
    /// Sends a question. What goes wrong becomes the answer. The caller holds one reference.
    virtual outstanding_call& ask(const detail::question& what) = 0;
    /// Sends a message that wants no answer; with `for_room` waits first while the link's queue is
    /// full.
    virtual result<void> tell(context_id to, handle_id handle, detail::outgoing_bytes payload,
                              bool for_room) = 0;
    /// Sleeps until the answer is there, the deadline passes, or a scope of the caller ends it (see
    /// detail::why_interrupted); returns done(). Not on the loop.
    virtual bool await(outstanding_call& answer, instant deadline) = 0;
    /// Waits for the answer to a call; gives it up as the options say.
    virtual void await_call(outstanding_call& answer, const detail::call_options& options) = 0;
    /// A thread or task is about to wait for an answer of this context itself, `for_ever`: it has
    /// no use for the answer after this wait. If that is part of a cycle of such waits, so that
    /// nothing ends it, the answer is an error that says so.
    virtual void waits_for_self(outstanding_call& answer, bool for_ever) = 0;
    /// An answer from `from` that is an error already.
    virtual outstanding_call& refuse_call(context_id from, error why) = 0;
    /// The error with the name of what was asked, an outstanding_call::subject, of `respondent`,
    /// and its path. One that a function has left already stays as it is.
    virtual error describe(error why, const void* subject, context_id respondent) = 0;
    /// Tells whoever was asked that nobody waits for the answer any more.
    virtual void cancel_call(outstanding_call& answer) = 0;
    /// Something to wait for that no message completes: whoever knows of it says fail(). The caller
    /// holds one reference.
    virtual outstanding_call& open_event() = 0;
    /// Fails an outstanding call at a given moment, and tells whoever was asked.
    virtual void expire(outstanding_call& answer, instant at, error why) = 0;

    // ---- messages

    /// The header of a message from this context, on its own authority.
    header address(context_id dst, handle_id handle, handle_id reply_to = 0) const noexcept {
        return {.dst = dst, .src = id_, .auth = id_, .handle = handle, .reply_to = reply_to};
    }
    /// Sends a message. On failure the error says why; nothing was sent. Never blocks.
    virtual result<void> send(const header& h, detail::outgoing_bytes payload,
                              detail::flush_mode when) = 0;
    /// Sleeps while the link to `dst` holds more unsent bytes of this context than
    /// limits::queue_bytes; false at the deadline. Not on the loop: there it returns at once.
    virtual bool wait_for_room(context_id dst, instant deadline) = 0;
    /// Answers a message with a dead message. Nothing happens if no answer is wanted.
    virtual void reply_dead(const header& request, const error& why) = 0;
    /// A number for an end of a flow, that no handler of this run has had and nobody can guess.
    virtual handle_id new_port() = 0;
    /// Registers `call` for raw messages. An error if the number is taken, or the router is closed.
    virtual result<void> add_raw_handler(handle_id number, handler_options options,
                                         detail::raw_handler call) = 0;
    /// Removes a handler; a call of it that is under way ends undisturbed.
    virtual void remove_handler(handle_id number) = 0;
    /// A message has come for something that has ended here. Threads: loop.
    virtual void count_late_frame() noexcept = 0;

    // ---- who is there

    /// Why `id` is gone, as far as it is remembered.
    virtual std::optional<error> why_lost(context_id id) = 0;
    /// True if it is this context, or there is a way to it as far as is known here.
    virtual bool reaches(context_id id) = 0;
    /// True if `from` may give this context the address of `id`, which is used with the authority
    /// of this one: because it is above this one, because `id` lies in the same direction, or
    /// because this context has sent it there (see hand_out()). `made_there`: only what is below
    /// `from` will do. What is lost leads nowhere: it may be named.
    virtual bool may_name(context_id from, context_id id, bool made_there) = 0;
    /// The address of `id` is sent to `to`; no_context: to somebody, who may be any.
    virtual void hand_out(context_id to, context_id id) = 0;
    /// Runs `call` on the loop when `id` is lost; soon if it is lost already or nobody knows it.
    virtual void on_disconnect(context_id id, unique_function<void(const error&)> call) = 0;
    /// The names from below the root down to `id`, as far as this context knows them.
    virtual std::vector<std::string> path_of(context_id id) = 0;
    /// The same, joined by dots.
    std::string dotted_path_of(context_id id) { return dotted(path_of(id)); }
    static std::string dotted(const std::vector<std::string>& path) {
        std::string text;
        for (const std::string& part : path) text.append(text.empty() ? "" : ".") += part;
        return text;
    }
    /// All contexts below this one.
    virtual std::vector<context_id> ids_below() = 0;
    /// This context, its parent and all below it, with how their links fare. Empty once the loop
    /// has ended.
    virtual std::vector<context_status> status() = 0;
    /// What runs in this context, and who waits there for what. Empty once the loop has ended.
    virtual std::vector<activity> activities() = 0;
    /// Both as text: a line for each.
    std::string status_text() {
        std::string all;
        for (const context_status& s : status()) all += s.text() + "\n";
        for (const activity& a : activities()) all += a.text() + "\n";
        return all;
    }

    // ---- the loop

    /// Runs `work` on the loop, soon and in order. False, without keeping it, once the loop is
    /// ending.
    virtual bool defer(unique_function<void()> work) = 0;
    /// As defer(), but also while the loop is ending.
    virtual bool add_work(unique_function<void()> work) = 0;
    /// Runs `step` on the loop, also while that is ending. False once it has ended.
    virtual bool post(detail::loop_task& step) = 0;
    /// True once the loop is to end.
    virtual bool stopping() const noexcept = 0;
    /// Threads: loop, both.
    virtual void set_timer(detail::timer& t, instant at) = 0;
    virtual void cancel_timer(detail::timer& t) noexcept = 0;

    // ---- the contexts below

    /// Begins to make a child by a method. The answer is its id. The caller holds one reference.
    /// Never blocks.
    virtual outstanding_call& make_child(const any_method& how, detail::making_options options) = 0;
    /// Begins to end a context. The answer is its exit_status. The caller holds one reference.
    virtual outstanding_call& shut_down(context_id id) = 0;
    /// Cuts the link to a context.
    virtual void disconnect(context_id id) = 0;
    /// Ends a direct child that nobody wants; `by_force`: gives it no time to end by itself.
    virtual void terminate(context_id id, bool by_force) = 0;
    /// What the start of a direct child took; an error if there is none of that id.
    virtual result<mitogen::boot_info> info_of_boot(context_id id) = 0;
    /// Process id of a direct child; -1 if there is none of that id.
    virtual int child_pid(context_id id) = 0;

    // ---- of some policies, or some nodes

    /// True if its loop watches descriptors of this process.
    virtual bool watches_descriptors() const noexcept = 0;
    /// Watches a descriptor for what can be read. 0 or -errno.
    virtual long watch(detail::event_source& source) = 0;
    virtual void unwatch(detail::event_source& source) = 0;
    /// Of a broker without a thread: see router::fd and router::poll. A logic_error otherwise.
    virtual int loop_fd() = 0;
    virtual void poll_loop() = 0;
    /// See router::close.
    virtual void close() = 0;
    /// See router::detach.
    virtual result<void> detach() = 0;
    /// Tells the I/O policies apart.
    virtual const void* policy_tag() const noexcept = 0;

    /// The same as what a program is written against.
    virtual mitogen::router& as_router() noexcept = 0;
};

} // namespace mitogen::inline MITOGEN_ABI
