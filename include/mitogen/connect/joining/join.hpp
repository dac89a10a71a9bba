// SPDX-License-Identifier: BSL-1.0
#pragma once
// join.hpp: makes this program a context of a tree that is running already.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/connect/build_hash.hpp>
#include <mitogen/connect/joining/call_server.hpp>
#include <mitogen/connect/joining/joining.hpp>
#include <mitogen/connect/prompts/prompt.hpp>
#include <mitogen/connect/router.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/loop/broker.hpp>
#include <mitogen/route/error_notice.hpp>
#include <mitogen/rpc/context.hpp>
#include <mitogen/sync/waiter.hpp>
#include <mitogen/sys/call.hpp>
#include <mitogen/sys/executable.hpp>
#include <mitogen/sys/failure.hpp>
#include <mitogen/sys/local_socket.hpp>
#include <mitogen/sys/signal.hpp>
#include <mitogen/wire/handle.hpp>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace mitogen::inline MITOGEN_ABI {

/// How a program joins a tree.
struct join_options {
    std::string name{};                                ///< of the context; empty: "client.<pid>"
    std::chrono::milliseconds connect_timeout{30'000}; ///< until it is a context
    std::uint32_t pool_threads = 4;                    ///< most threads that on::pool functions get here
    prompt_callback on_prompt{};                       ///< see router_options
};

namespace detail {

/// A program that has joined: its loop, its router, its link, and what runs its calls.
template <class Io>
class membership {
    basic_broker<Io> broker_;
    basic_router<Io> router_;
    std::shared_ptr<basic_link<Io>> parent_;
    call_server<Io> server_;
    std::atomic<bool> lost_{false};
    std::atomic<bool> admitted_{false};
    waiter<Io> settled_; // either of them has changed

public:
    MITOGEN_COLD membership(Io io, joining::answer said, const join_options& options)
        : broker_(io),
          router_(broker_, {.limits = said.bounds,
                            .pool_threads = options.pool_threads,
                            .rules = said.rules,
                            .on_prompt = options.on_prompt}),
          parent_(std::make_shared<basic_link<Io>>(router_)),
          server_(router_, said.name, options.pool_threads), settled_(broker_.io()) {
        parent_->peer = said.ancestors.front();
        parent_->up = true;
        parent_->build = hash_build(said.build);
        parent_->on_closed = [this](basic_link<Io>& link, enum reason cause, const std::string& why) {
            lost(link, error(cause, "the tree is lost: " + why));
        };
        (void)router_.add_raw_handler(handles::shutdown, {}, [this](const message&) {
            parent_->stream->close(reason::broker_exited, "the context that was joined has ended, or wants this one to leave");
        });
        (void)router_.add_raw_handler(handles::admitted, {}, [this](const message&) {
            admitted_.store(true, std::memory_order_release);
            settled_.notify();
        });
        broker_.run([&] { router_.become(said.id, said.ancestors, parent_, said.bounds); });
    }

    membership(membership&&) = delete;

    ~membership() {
        server_.stop(error(reason::broker_exited, "this context is leaving the tree"));
        router_.close();
        server_.join();
        // What it has said last still goes out.
        parent_->stream->wait_written(after(broker_.io().now(), 1'000'000'000));
        broker_.run([this] { parent_->stream->close(reason::broker_exited, "this context has left the tree"); });
    }

    /// From here on the link carries frames. Waits until the tree knows this context; false where that does not come, or not in
    /// time. Once.
    bool begin(typename Io::descriptor in, typename Io::descriptor out, instant deadline) {
        parent_->open(broker_, std::move(in), std::move(out), router_.bounds());
        broker_.run([&] { parent_->stream->start(); });
        const auto admitted = [this] { return admitted_.load(std::memory_order_acquire); };
        return broker_.wait(settled_, deadline, true, [&] { return admitted() || !alive(); }) && admitted();
    }

    basic_router<Io>& router() noexcept { return router_; }
    context_id parent() const noexcept { return parent_->peer; }
    bool alive() const noexcept { return !lost_.load(std::memory_order_acquire); }

private:
    /// On the loop, once.
    void lost(basic_link<Io>& link, const error& why) {
        lost_.store(true, std::memory_order_release);
        settled_.notify();
        router_.link_lost(link, why);
        for (const context_id above : router_.ancestors()) router_.forget(above, why);
        server_.stop(error(reason::broker_exited, "the tree is lost"));
    }
};

/// The error that a failed connect() means.
MITOGEN_COLD inline error cannot_join(const std::string& path, long rc) {
    const reason why = rc == -ENOENT || rc == -ECONNREFUSED            ? reason::connection_refused
                       : rc == -EAGAIN || rc == -EWOULDBLOCK           ? reason::connect_timeout
                       : rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM ? reason::overloaded
                                                                       : reason::connect;
    return error(why, "cannot join at " + path + ": " + sys::errno_text(static_cast<int>(-rc)));
}

MITOGEN_COLD inline error too_late(const std::string& path) {
    return error(reason::connect_timeout, "cannot join at " + path + ": no answer in time (connect_timeout)");
}

/// Reads the listener's answer, until the deadline.
template <class Io>
MITOGEN_COLD
result<joining::answer> hear_answer(Io& io, int fd, instant deadline, const std::string& path, joining::listening_ear& ear) {
    using finding = joining::listening_ear::finding;
    for (;;) {
        const instant now = io.now();
        std::byte bytes[4096];
        long n = -EAGAIN;
        if (now < deadline) {
            n = sys::set_patience(fd, deadline - now);
            // what follows may be secret: the link reads it
            if (n >= 0) n = io.read(fd, bytes, std::min(sizeof bytes, ear.missing()));
        }
        if (n == -EAGAIN || n == -EWOULDBLOCK)
            return too_late(path);
        if (n == 0 || n == -ECONNRESET)
            return error(reason::end_of_file, "cannot join at " + path + ": who listens there has closed the connection");
        if (n < 0) return cannot_join(path, n);
        switch (ear.hear({bytes, static_cast<std::size_t>(n)})) {
        case finding::incomplete: continue;
        case finding::wrong_version:
            return error(reason::connect, "cannot join at " + path +
                                              ": the program there speaks another version of this library's protocol; build both "
                                              "with the same version");
        case finding::wrong: return error(reason::connect, "cannot join at " + path + ": what answers there is no listener");
        case finding::whole: break;
        }
        joining::answer said;
        if (!joining::decode_answer(ear.payload(), said))
            return error(reason::connect, "cannot join at " + path + ": the answer does not decode");
        if (said.refusal.empty()) return said;
        return error(reason::connect, "refused at " + path + ": " + std::string(decode_error(said.refusal).message()));
    }
}

} // namespace detail

/// A program's place in a tree that it has joined. Moves. Its end leaves the tree: what it makes below itself ends first, and
/// functions that run here for others are told to stop, and waited for.
///
/// Functions that others call here run on a thread of their own (on::main), on a pool, or on the loop. Losing the tree fails
/// everything that waits for it with a channel_error; so do later calls.
template <class Io>
class basic_joined {
    std::unique_ptr<detail::membership<Io>> in_;

public:
    explicit basic_joined(std::unique_ptr<detail::membership<Io>> in) : in_(std::move(in)) {}

    /// This context: makes children, finds contexts by their ids.
    basic_router<Io>& router() noexcept { return in_->router(); }

    /// The context that listens. It can be called where the listener grants authority::parent.
    basic_context<Io> parent() noexcept { return router().context_by_id(in_->parent()); }

    /// False once the tree is lost. Threads: any.
    bool alive() const noexcept { return in_->alive(); }
};

/// Joins the tree that listens at `path` (see basic_router::listen), and so becomes a context of it, below the one that listens.
/// Needs no init(): it starts nothing. Both may be different programs: functions are then found by name.
/// Blocks: up to connect_timeout.
template <class Io = io::native>
    requires io::has_local_sockets<Io>
MITOGEN_COLD
result<basic_joined<Io>> try_join(const std::string& path, const join_options& options = {}, Io io = {}) {
    if (options.name.size() > joining::name_limit)
        return error(reason::misuse,
                     "the name of a context that joins has at most " + std::to_string(joining::name_limit) + " bytes");
    sys::ignore_sigpipe();
    const instant deadline = after(io.now(), to_ns(options.connect_timeout));
    typename Io::descriptor socket;
    if (const long rc = sys::connect_local(path, to_ns(options.connect_timeout), socket); rc < 0)
        return detail::cannot_join(path, rc);
    if (const std::int64_t user = sys::peer_user(socket.get()); !sys::is_trusted_user(user))
        return error(reason::connect, "cannot join at " + path + ": another user listens there");
    const buffer request = joining::encode_request({sys::build_id(), static_cast<std::uint32_t>(io.own_pid()), options.name});
    // A refusal may have been sent before the request was read.
    (void)io.write(socket.get(), request.data(), request.size());
    joining::listening_ear ear(joining::answer_limit);
    result<joining::answer> said = detail::hear_answer(io, socket.get(), deadline, path, ear);
    if (!said) return said.error();
    const long second = sys::dup_above(socket.get(), 3); // a link has a descriptor for each direction
    if (second < 0) return detail::cannot_join(path, second);
    typename Io::descriptor out(static_cast<int>(second));
    if (const long rc = io.set_nonblocking(out.get(), true); rc < 0) return detail::cannot_join(path, rc);
    auto in = std::make_unique<detail::membership<Io>>(io, std::move(*said), options);
    if (!in->begin(std::move(socket), std::move(out), deadline)) {
        return in->alive() ? detail::too_late(path)
                           : error(reason::end_of_file, "cannot join at " + path + ": the tree was lost at once");
    }
    return basic_joined<Io>(std::move(in));
}

/// The same; throws where it fails.
template <class Io = io::native>
    requires io::has_local_sockets<Io>
basic_joined<Io> join(const std::string& path, const join_options& options = {}, Io io = {}) {
    return try_join<Io>(path, options, io).value();
}

/// A place in a tree under this platform's best policy.
using joined = basic_joined<io::native>;

} // namespace mitogen::inline MITOGEN_ABI
