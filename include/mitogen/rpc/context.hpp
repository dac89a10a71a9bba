// SPDX-License-Identifier: BSL-1.0
#pragma once
// context.hpp: one node of the tree, as a value.

#include <mitogen/base/config.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/rpc/call.hpp>
#include <mitogen/rpc/fwd.hpp>
#include <mitogen/rpc/invocation.hpp>
#include <mitogen/rpc/making.hpp>
#include <mitogen/wire/codec.hpp>
#include <mitogen/wire/handle.hpp>

#include <atomic>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#if defined(__cpp_lib_jthread)
#include <stop_token>
#endif

namespace mitogen::inline MITOGEN_ABI {

struct boot_info;
struct local;
struct ssh;
using local_options = local;
using ssh_options = ssh;

/// A context together with how its calls are made: what within(), with() and chain() return.
template <class Io>
class basic_call_target : public call_methods<basic_call_target<Io>, Io> {
    call_port* router_;
    context_id id_;
    call_options options_;

public:
    basic_call_target(call_port& node, context_id id, call_options options)
        : router_(&node), id_(id), options_(std::move(options)) {}

    bool valid() const noexcept { return true; }
    context_id id() const noexcept { return id_; }
    const call_options& options() const noexcept { return options_; }
    call_port& port() const noexcept { return *router_; }
    decode_environment environment() const noexcept { return {router_, &policy_tag<Io>}; }

    /// As basic_context::within.
    template <class Rep, class Period>
    basic_call_target within(std::chrono::duration<Rep, Period> span) const {
        basic_call_target copy(*this);
        copy.options_.within = to_ns(span);
        return copy;
    }

#if defined(__cpp_lib_jthread)
    /// As basic_context::with.
    basic_call_target with(std::stop_token stop) const {
        basic_call_target copy(*this);
        copy.options_.stop = std::move(stop);
        return copy;
    }
#endif
};

/// Some node of the tree. A cheap value: copy it, send it to other contexts as an argument, get it as a result. Knows its router,
/// which must outlive it.
///
/// Threads: any. A default-constructed one refers to nothing; every call on it is a logic_error.
template <class Io>
class basic_context : public call_methods<basic_context<Io>, Io>, public making<const basic_context<Io>, basic_context<Io>> {
    call_port* router_ = nullptr;
    context_id id_ = no_context;

public:
    basic_context() = default;
    basic_context(basic_router<Io>& node, context_id id) noexcept : router_(&node), id_(id) {}

    /// False for one that was default-constructed.
    bool valid() const noexcept { return router_ != nullptr; }

    /// Its number in the tree.
    context_id id() const noexcept { return id_; }

    /// Its names from below the root down to itself, as far as this context knows them.
    std::vector<std::string> path() const {
        std::vector<std::string> names;
        for (context_id at = id_; at != no_context && at != port().id();) {
            const auto known = node().routes().get(at);
            if (known.id == no_context) break;
            names.insert(names.begin(), known.name);
            at = known.parent;
        }
        return names;
    }

    /// Its path joined by dots: "bastion.web1".
    std::string name() const {
        std::string text;
        for (const std::string& part : path()) text.append(text.empty() ? "" : ".").append(part);
        return text;
    }

    /// True while there is a route to it.
    bool alive() const { return node().reaches(id_); }

    /// One line of text about it: see basic_router::describe.
    std::string describe() const {
        for (const auto& s : node().status())
            if (s.id == id_) return s.text();
        const std::optional<error> lost = node().why_lost(id_);
        return "context " + std::to_string(id_) + ": " + (lost ? "lost: " + std::string(lost->message()) : "not known here");
    }

    /// Runs `call(error)` on the loop when it is lost; soon where it is lost already.
    void on_disconnect(unique_function<void(const error&)> call) const { node().on_disconnect(id_, std::move(call)); }

    // ---- making children of it: as the members of basic_router, done there, while its functions run, with the files and the ssh
    // of its machine. Only for this context and those below it. To drop the future before the child is up is to end the child.
    // Defined in connect/context_connect.hpp.

    /// A new process there, running the program that runs there.
    basic_context local() const;
    basic_context local(const local_options& options) const;
    result<basic_context> try_local() const;
    result<basic_context> try_local(const local_options& options) const;

    /// A process that is reached from there with ssh.
    basic_context ssh(const ssh_options& options) const;
    result<basic_context> try_ssh(const ssh_options& options) const;

    // Those that run a tool, docker() and the like, are members of `making`.

    /// Any method that can travel, by its options: `context.connect(mitogen::ssh{.hostname = "web1"})`.
    template <class Method>
    basic_context connect(const Method& method) const;
    template <class Method>
    result<basic_context> try_connect(const Method& method) const;

    /// Begins to connect and returns at once. Errors come out of the future; those of the other context name it as their place.
    template <class Method>
    basic_future<basic_context, Io> connect_async(const Method& method) const;

    /// What connect(method) would run there, as text: see basic_router::explain. Said by this context, of its own program and
    /// with its own files, whatever machine that one is on.
    template <class... Methods>
    std::string explain(const Methods&... methods) const;

    /// What its start took, and whether the program had to be sent. Known where it was made; a logic_error elsewhere.
    mitogen::boot_info boot_info() const;

    /// Asks its loop for a sign of life; done when it has come. Answered although its functions are busy.
    basic_future<void, Io> ping() const {
        call_port& to = port();
        awaited& p = to.ask({.to = id_, .handle = handles::ping, .how = question::manner::pass});
        return basic_future<void, Io>(&p, to, environment());
    }

    /// Calls made through the result fail with timeout_error after `span`; the callee is told how much of it is left, and of the
    /// failure.
    template <class Rep, class Period>
    basic_call_target<Io> within(std::chrono::duration<Rep, Period> span) const {
        return target(call_options{}).within(span);
    }

#if defined(__cpp_lib_jthread)
    /// Calls made through the result are cancelled when `stop` is requested.
    basic_call_target<Io> with(std::stop_token stop) const { return target(call_options{}).with(std::move(stop)); }
#endif

    /// Calls made through the result form a chain: sent without waiting for one another; after one has failed the later ones fail
    /// with the same error and do not run.
    basic_chain<Io> chain() const { return basic_chain<Io>(port(), id_); }

    /// Sends a message to a handle there. Blocks only while the link's queue is full.
    template <class... Args>
    void send(handle<Args...> to, const std::type_identity_t<Args>&... args) const {
        port().tell(id_, to.number, encode(args...), true).value();
    }

    /// Ends it and everything below it: its running functions are told to stop, and it exits. Does not block; the future has the
    /// exit status. One that does not end by itself is killed, see basic_router.
    basic_future<exit_status, Io> shutdown() const { return node().descendants().shut_down(id_); }

    /// Cuts the link to it at once: calls to it fail, and it ends.
    void disconnect() const { node().descendants().disconnect(id_); }

    /// For call_methods.
    const call_options& options() const noexcept {
        static const call_options none{};
        return none;
    }
    call_port& port() const {
        if (!router_) raise(rpc::detail::empty_target());
        return *router_;
    }
    decode_environment environment() const noexcept { return {router_, &policy_tag<Io>}; }

    friend bool operator==(const basic_context& a, const basic_context& b) noexcept { return a.id_ == b.id_; }
    friend bool operator==(const basic_context& a, context_id b) noexcept { return a.id_ == b; }

private:
    basic_call_target<Io> target(call_options options) const { return basic_call_target<Io>(port(), id_, std::move(options)); }
    basic_router<Io>& node() const { return static_cast<basic_router<Io>&>(port()); }
};

/// Calls that are pipelined and fail together. Moves; its end forgets the failure on the other side.
/// Threads: one at a time.
template <class Io>
class basic_chain : public call_methods<basic_chain<Io>, Io> {
    call_port* router_;
    context_id id_;
    call_options options_;

    static std::uint64_t next_number() noexcept {
        static std::atomic<std::uint64_t> last{0};
        return last.fetch_add(1, std::memory_order_relaxed) + 1;
    }

public:
    basic_chain(call_port& node, context_id id) : router_(&node), id_(id) { options_.chain = next_number(); }
    basic_chain(basic_chain&& other) noexcept
        : router_(std::exchange(other.router_, nullptr)), id_(other.id_), options_(std::move(other.options_)) {}
    basic_chain& operator=(basic_chain&&) = delete;
    ~basic_chain() {
        if (router_) reset();
    }

    /// Forgets a failure: later calls run again. Takes effect in order with the calls.
    void reset() noexcept {
        (void)router_->tell(id_, handles::forget_chain, encode(options_.chain), false);
        options_.chain = next_number(); // not the old number: calls of it may still be waiting there
    }

    bool valid() const noexcept { return router_ != nullptr; }
    context_id id() const noexcept { return id_; }
    const call_options& options() const noexcept { return options_; }
    call_port& port() const noexcept { return *router_; }
    decode_environment environment() const noexcept { return {router_, &policy_tag<Io>}; }
};

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
template <class Io>
struct codec<basic_context<Io>> {
    static constexpr bool is_fixed = true;
    static constexpr std::size_t fixed_size = 4;
    static constexpr std::size_t least = 4;
    static std::size_t size(const basic_context<Io>&) noexcept { return fixed_size; }
    static void encode(writer& w, const basic_context<Io>& c) noexcept { w.put_scalar(c.id()); }
    static bool decode(reader& r, basic_context<Io>& c) {
        context_id id;
        if (!r.take_scalar(id)) return false;
        const auto* place = static_cast<const decode_environment*>(r.environment());
        if (id == no_context) {
            c = {};
            return true;
        }
        if (!place || place->policy != &policy_tag<Io>)
            return r.fail("a context can be decoded only as an argument or a result of a call, under the same I/O policy");
        c = basic_context<Io>(*static_cast<basic_router<Io>*>(place->router), id);
        return true;
    }
    static void signature(signature_sink& out) { out.put("context"); }
};

} // namespace mitogen::inline MITOGEN_ABI
