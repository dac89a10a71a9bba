// SPDX-License-Identifier: BSL-1.0
#pragma once
// context.hpp: one node of the tree, as a value.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/call/any_method.hpp>
#include <mitogen/call/boot_progress.hpp>
#include <mitogen/call/call.hpp>
#include <mitogen/call/connect_methods.hpp>
#include <mitogen/call/invocation.hpp>
#include <mitogen/call/serializable_method.hpp>
#include <mitogen/codec/codec.hpp>
#include <mitogen/fwd.hpp>
#include <mitogen/node/node.hpp>
#include <mitogen/protocol/handle.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

namespace detail {

/// What making a context by these would run, one in the other: see router::explain.
result<std::string> explain_methods(const std::vector<any_method>& path);
/// The name of a context that it makes; empty if its options are contradictory.
std::string planned_name(const any_method& method);

} // namespace detail

/// The ways to run somebody else's program, shared by contexts and deadlines. `Target`
/// is as that of call_methods. See command/run_options.hpp.
///
/// A status that is not 0 and a time limit that is reached are results. Errors, thrown, and
/// returned by the try_ forms: as call()'s; of a command that was cancelled the message ends with
/// what it had said; reason::system if it cannot begin in its directory;
/// reason::message_too_large if its arguments are longer than the system lets them be. Who may call
/// functions there may run commands. Its process group is ended before these return, and also if
/// the caller, a context on the way, or the one where it runs is gone. Threads: any but the loop.
/// Blocks: until it has ended.
template <class Target>
class command_methods {
public:
    /// Runs a command line: `/bin/sh -c TEXT`, as long as the arguments and variables of a process
    /// may be together (on Linux 2 MiB as a rule).
    template <class Options = run_options>
    command_result run(std::string text, std::type_identity_t<Options> options = {}) const;
    template <class Options = run_options>
    result<command_result> try_run(std::string text,
                                   std::type_identity_t<Options> options = {}) const;

    /// Runs a program with these arguments, without a shell. It is searched for in PATH if its name
    /// has no slash.
    template <class Options = run_options>
    command_result exec(std::string program, std::vector<std::string> arguments = {},
                        std::type_identity_t<Options> options = {}) const;
    template <class Options = run_options>
    result<command_result> try_exec(std::string program, std::vector<std::string> arguments = {},
                                    std::type_identity_t<Options> options = {}) const;
};

/// A context together with how its calls are made: what within(), with() and chain() return.
class call_target : public call_methods<call_target>, public command_methods<call_target> {
    mitogen::node* router_;
    context_id id_;
    detail::call_options options_;

public:
    call_target(mitogen::node& node, context_id id, detail::call_options options)
        : router_(&node), id_(id), options_(std::move(options)) {}

    bool valid() const noexcept { return true; }
    context_id id() const noexcept { return id_; }
    const detail::call_options& options() const noexcept { return options_; }
    mitogen::node& port() const noexcept { return *router_; }
    detail::decode_environment environment() const noexcept { return {router_}; }

    /// As context::within.
    template <class Rep, class Period>
    call_target within(std::chrono::duration<Rep, Period> span) const {
        call_target copy(*this);
        copy.options_.within = detail::to_ns(span);
        return copy;
    }

#if defined(__cpp_lib_jthread)
    /// As context::with.
    call_target with(std::stop_token stop) const {
        call_target copy(*this);
        copy.options_.stop = std::move(stop);
        return copy;
    }
#endif
};

/// Some node of the tree. A cheap value: copy it, send it to other contexts as an argument, get it
/// as a result. Knows its router, which must outlive it.
///
/// Its members that make children make them there, while its functions run, with the files and the
/// ssh of its machine; only for this context and those below it. Errors of another context name it
/// as their place. Threads: any. A default-constructed one refers to nothing; every call on it is a
/// logic_error.
class context : public call_methods<context>,
                public connect_methods<context>,
                public command_methods<context> {
    friend class connect_methods<context>;

    mitogen::node* router_ = nullptr;
    context_id id_ = no_context;

    template <class Method>
    struct accepts : std::true_type {
        static_assert(std::is_same_v<Method, any_method> || serializable_method<Method>,
                      "mitogen: this connection Method cannot be used in another context: it must "
                      "be a connection_method that "
                      "has method_name and fields(), as serializable_method says "
                      "(mitogen/call/serializable_method.hpp)");
    };
    std::optional<error> cannot_wait() const {
        if (!valid()) return detail::empty_target();
        if (router_->on_loop()) return detail::waits_for_child();
        return std::nullopt;
    }
    future<context> begin_child(const any_method& how, detail::making_options options) const;

public:
    context() = default;
    context(mitogen::node& node, context_id id) noexcept : router_(&node), id_(id) {}

    /// False for one that was default-constructed.
    bool valid() const noexcept { return router_ != nullptr; }

    /// Its number in the tree.
    context_id id() const noexcept { return id_; }

    /// Its names: from below this context down to it; of this context itself from below the root.
    std::vector<std::string> path() const {
        return id_ == port().id() ? port().own_path() : port().path_of(id_);
    }

    /// Its path joined by dots: "bastion.web1".
    std::string name() const { return mitogen::node::dotted(path()); }

    /// True while there is a route to it, as far as is known here: of one that is not below, its
    /// loss is heard of from the first question on. Does not block.
    bool alive() const { return port().reaches(id_); }

    /// One line of text about it, and one for each that waits here for it: see router::describe.
    std::string describe() const {
        for (const auto& s : port().status()) {
            if (s.id != id_) continue;
            std::string text = s.text();
            for (const activity& a : port().activities())
                if (a.context == id_) text += "\n" + a.text();
            return text;
        }
        const std::optional<error> lost = port().why_lost(id_);
        return "context " + std::to_string(id_) + ": " +
               (lost ? "lost: " + std::string(lost->message()) : "not known here");
    }

    /// Runs `call(error)` on the loop when it is lost, wherever in the tree it is; soon if it is
    /// lost already, or is not known to anyone: reason::no_route.
    void on_disconnect(unique_function<void(const error&)> call) const {
        port().on_disconnect(id_, std::move(call));
    }

    /// What connect(methods…) would run there, as text: see router::explain. Said by this context,
    /// of its own program and with its own files, whatever machine that one is on.
    template <class... Methods>
    std::string explain(const Methods&... methods) const {
        return try_explain(methods...).value();
    }
    template <class... Methods>
    result<std::string> try_explain(const Methods&... methods) const {
        return detail::explain_methods({any_method(methods)...});
    }

    /// What its start took, and whether the program had to be sent. Known if it was made; a
    /// logic_error elsewhere.
    mitogen::boot_info boot_info() const;
    result<mitogen::boot_info> try_boot_info() const;

    /// Asks its loop for a sign of life; done when it has come. Answered although its functions are
    /// busy.
    future<void> ping() const {
        mitogen::node& to = port();
        outstanding_call& p =
            to.ask({.to = id_, .handle = handles::ping, .how = detail::question::manner::pass});
        return future<void>(&p, to, environment());
    }

    /// Calls made through the result fail with timeout_error after `span`; the callee is told how
    /// much of it is left, and of the failure.
    template <class Rep, class Period>
    call_target within(std::chrono::duration<Rep, Period> span) const {
        return target(detail::call_options{}).within(span);
    }

#if defined(__cpp_lib_jthread)
    /// Calls made through the result are cancelled when `stop` is requested.
    call_target with(std::stop_token stop) const {
        return target(detail::call_options{}).with(std::move(stop));
    }
#endif

    /// Calls made through the result form a chain: sent without waiting for one another; after one
    /// has failed the later ones fail with the same error and do not run.
    mitogen::chain chain() const;

    /// Sends a message to a handle there. Blocks only while the link's queue is full.
    template <class... Args>
    void send(handle<Args...> to, const std::type_identity_t<Args>&... args) const {
        try_send(to, args...).value();
    }
    /// The same, with the error as a value.
    template <class... Args>
    result<void> try_send(handle<Args...> to, const std::type_identity_t<Args>&... args) const {
        if (!valid()) return detail::empty_target();
        buffer bytes;
        if (const char* why = wire::encode_from(router_, bytes, id_, args...))
            return error(reason::misuse, why);
        return router_->tell(id_, to.number, std::move(bytes), true);
    }

    /// Ends it and everything below it: its running functions are told to stop, and it exits. Does
    /// not block; the future has the exit status. One that does not end by itself is killed, see
    /// router.
    future<exit_status> shutdown() const {
        mitogen::node& to = port();
        return future<exit_status>(&to.shut_down(id_), to, environment());
    }

    /// Cuts the link to it at once: calls to it fail, and it ends.
    void disconnect() const { port().disconnect(id_); }

    /// For call_methods.
    const detail::call_options& options() const noexcept {
        static const detail::call_options none{};
        return none;
    }
    mitogen::node& port() const {
        if (!router_) raise(detail::empty_target());
        return *router_;
    }
    detail::decode_environment environment() const noexcept { return {router_}; }

    friend bool operator==(const context& a, const context& b) noexcept {
        return a.id_ == b.id_ && a.router_ == b.router_;
    }
    friend bool operator==(const context& a, context_id b) noexcept { return a.id_ == b; }

private:
    call_target target(detail::call_options options) const {
        return call_target(port(), id_, std::move(options));
    }
};

/// Calls that are pipelined and fail together. Moves; its end forgets the failure on the other
/// side. Threads: one at a time.
class chain : public call_methods<chain> {
    mitogen::node* router_;
    context_id id_;
    detail::call_options options_;

    static std::uint64_t next_number() noexcept {
        static std::atomic<std::uint64_t> last{0};
        return last.fetch_add(1, std::memory_order_relaxed) + 1;
    }

public:
    chain(mitogen::node& node, context_id id) : router_(&node), id_(id) {
        options_.chain = next_number();
    }
    chain(chain&& other) noexcept
        : router_(std::exchange(other.router_, nullptr)), id_(other.id_),
          options_(std::move(other.options_)) {}
    chain& operator=(chain&&) = delete;
    ~chain() {
        if (router_) reset();
    }

    /// Forgets a failure: later calls run again. Takes effect in order with the calls.
    void reset() noexcept {
        (void)router_->tell(id_, handles::forget_chain, encode(options_.chain), false);
        // not the old number: calls of it may still be waiting there
        options_.chain = next_number();
    }

    bool valid() const noexcept { return router_ != nullptr; }
    context_id id() const noexcept { return id_; }
    const detail::call_options& options() const noexcept { return options_; }
    mitogen::node& port() const noexcept { return *router_; }
    detail::decode_environment environment() const noexcept { return {router_}; }
};

inline chain context::chain() const { return mitogen::chain(port(), id_); }
inline mitogen::boot_info context::boot_info() const { return try_boot_info().value(); }
inline result<mitogen::boot_info> context::try_boot_info() const {
    if (!valid()) return detail::empty_target();
    return router_->info_of_boot(id_);
}
inline future<context> context::begin_child(const any_method& how,
                                            detail::making_options options) const {
    mitogen::node& at = port();
    if (id_ == at.id())
        return future<context>(&at.make_child(how, std::move(options)), at, environment());
    result<buffer> order = how.operations().encode(how.get());
    if (!order) return future<context>(&at.refuse_call(id_, order.error()), at, environment());
    outstanding_call& p = at.ask({.to = id_,
                                  .handle = handles::connect,
                                  .payload = std::move(*order),
                                  .subject = &detail::connect_request});
    return future<context>(&p, at, environment());
}

/// How a process ended, on the wire: two i32.
template <>
struct codec<exit_status> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 8;
    static constexpr std::size_t least = 8;
    static std::size_t size(const exit_status&) noexcept { return fixed_size; }
    static void encode(writer& w, const exit_status& s) noexcept {
        w.put_scalar(static_cast<std::int32_t>(s.code));
        w.put_scalar(static_cast<std::int32_t>(s.signal));
    }
    static bool decode(reader& r, exit_status& s) {
        std::int32_t code;
        std::int32_t signal;
        if (!r.take_scalar(code) || !r.take_scalar(signal)) return false;
        s = {code, signal};
        return true;
    }
    static void signature(signature_sink& out) { out.put("exit_status"); }
};

/// A context travels as its id, and belongs to the router of whoever decodes it.
template <>
struct codec<context> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 4;
    static constexpr std::size_t least = 4;
    static std::size_t size(const context&) noexcept { return fixed_size; }
    static void encode(writer& w, const context& c) {
        if (c.valid()) {
            if (!w.sends_from(&c.port()))
                return w.fail("a context of another router cannot be sent: its id names another "
                              "context here");
            c.port().hand_out(w.destination(), c.id());
        }
        w.put_scalar(c.id());
    }
    static bool decode(reader& r, context& c) {
        context_id id;
        if (!r.take_scalar(id)) return false;
        const auto* place = static_cast<const detail::decode_environment*>(r.environment());
        if (id == no_context) {
            c = {};
            return true;
        }
        if (!place || !place->node)
            return r.fail("a context can be decoded only as an argument or a result of a call");
        if (place->from != no_context &&
            !place->node->may_name(place->from, id, place->made_there)) {
            return r.fail("a context that is not below its sender, and was not sent to it:", id, 4);
        }
        c = context(*place->node, id);
        return true;
    }
    static void signature(signature_sink& out) { out.put("context"); }
};

} // namespace mitogen::inline MITOGEN_ABI
