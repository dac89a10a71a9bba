// SPDX-License-Identifier: BSL-1.0
#pragma once
// child_main.hpp: what a child does from its start to its exit, as the child sees it.

#include <mitogen/base/config.hpp>
#include <mitogen/base/log.hpp>
#include <mitogen/child/child_pipes.hpp>
#include <mitogen/child/shutdown_ladder.hpp>
#include <mitogen/io/flush.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/link/build_hash.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/logging/stdout_forwarder.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/method/fork.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/machine.hpp>
#include <mitogen/os/process/fork.hpp>
#include <mitogen/os/process/forked_streams.hpp>
#include <mitogen/os/process/signal.hpp>
#include <mitogen/os/program/executable.hpp>
#include <mitogen/os/stdio/stdio.hpp>
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/protocol/hello_reader.hpp>
#include <mitogen/protocol/shutdown_notice.hpp>
#include <mitogen/remote/connect_server.hpp>
#include <mitogen/router/router_engine.hpp>
#include <mitogen/serve/dispatcher.hpp>
#include <mitogen/serve/program_id.hpp>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace mitogen::inline MITOGEN_ABI {
namespace detail {

/// How long a child waits for the answer to its hello. A parent that lives answers at once, over
/// whatever network; one that is stopped, or whose connection only looks alive, would have it wait
/// for ever.
inline constexpr duration_ns welcome_patience = 60'000'000'000;

/// As io.read_waiting(), but not beyond `end`: then it is -ETIMEDOUT. What no poller takes, a file,
/// is read at once.
template <class Io>
MITOGEN_COLD long read_until(Io& io, int fd, void* to, std::size_t size, instant end) {
    typename Io::poller poller(io);
    if (poller.add(fd, 0, io::interest::read) >= 0) {
        io::event ready;
        int n = 0;
        for (instant now = io.now(); n == 0 && now < end; now = io.now())
            n = poller.wait(&ready, 1, end - now);
        poller.remove(fd);
        if (n == 0) return -ETIMEDOUT;
        if (n < 0) return n;
    }
    return io.read_waiting(fd, to, size);
}

/// Says hello and reads the parent's answer, with blocking calls: nothing else runs yet. Empty if
/// the parent is gone, makes no sense, or does not answer within `patience` ns.
template <class Io>
MITOGEN_COLD std::optional<handshake::welcome>
shake_hands(Io& io, const child_ends<Io>& ends, handshake::hello_reader& reader,
            duration_ns patience = welcome_patience) {
    const buffer hello = handshake::encode_hello(
        {program_id::own().text(), os::machine_text(), static_cast<std::uint32_t>(io.own_pid())});
    if (!io.write_all(ends.out.get(), hello.data(), hello.size())) return std::nullopt;
    const instant end = after(io.now(), patience);
    for (;;) {
        std::byte bytes[4096];
        // No more: what follows may be secret, and the link reads it.
        const std::size_t most = std::min(sizeof bytes, reader.missing());
        const long n = read_until(io, ends.in.get(), bytes, most, end);
        if (n == -ETIMEDOUT) log::write(log::level::error, "the parent does not answer the hello");
        if (n <= 0) return std::nullopt;
        reader.feed({bytes, static_cast<std::size_t>(n)});
        switch (reader.look()) {
        case handshake::hello_reader::finding::nothing: continue;
        case handshake::hello_reader::finding::hello: {
            handshake::welcome w;
            if (!handshake::decode_welcome(reader.payload(), w)) return std::nullopt;
            return w;
        }
        default: return std::nullopt;
        }
    }
}

/// A child that has said hello: its loop, its router and what runs its calls.
template <class Io>
class child_process final : private basic_peer<Io>::events {
    using peer = basic_peer<Io>;

    handshake::welcome welcome_;
    detail::broker_engine<Io> broker_;
    router_engine<Io> router_;
    basic_dispatcher<Io> dispatcher_;
    connect_server<Io> connects_;
    std::shared_ptr<peer> parent_;
    stdout_forwarder<Io> stdout_;
    timer overdue_;
    instant stop_at_ = never;
    instant expedited_until_ = never;
    int signals_ = 0;
    bool held_ = false; // somebody stood in a debugger below when overdue() last looked
    bool ending_ = false;
    bool detached_ = false;
    int exit_code_ = 0;

public:
    child_process(Io& io, handshake::welcome welcome, typename Io::descriptor stdout_end)
        : welcome_(std::move(welcome)), broker_(io), router_(broker_,
                                                             {.limits = welcome_.bounds,
                                                              .pool_threads = welcome_.pool_threads,
                                                              .rules = welcome_.rules},
                                                             [this] { detach(); }),
          dispatcher_(router_, welcome_.name, welcome_.pool_threads, welcome_.executor),
          connects_(router_, welcome_.name),
          stdout_(broker_, router_.logs(), std::move(stdout_end)) {
        dispatcher_.on_other_cancelled = [this](context_id from, handle_id reply_to) {
            connects_.cancel(from, reply_to);
        };
        overdue_.fire = [this] { overdue(); };
        router_.on_abandon = [this] { stdout_.abandon(); };
    }

    /// Serves the parent until it is gone or asks to end. Returns what the process exits with: 1 if
    /// it has given up a parent that gave no sign of life.
    MITOGEN_COLD int run(child_ends<Io> ends) {
        const peer_facts who{
            .id = welcome_.ancestors.front(), .build = hash_build(welcome_.build), .up = true};
        parent_ = peer::make(router_, *this, who, std::move(ends.in), std::move(ends.out));
        log::set_level(static_cast<log::level>(welcome_.log_level));
        log::set_bounds(welcome_.logs);
        log::set_sink([this](const log::record& r) { router_.logs().record(r); });
        (void)router_.add_raw_handler(handles::shutdown, {}, [this](const message& m) {
            const auto notice = wire::shutdown_notice::read(m);
            end(notice.by, "context " + welcome_.name + " is shutting down");
            if (notice.at_once) (void)router_.subtree().expedite_all();
        });
        broker_.defer([this] {
            router_.become(welcome_.id, welcome_.ancestors, welcome_.above, welcome_.name, parent_,
                           welcome_.bounds);
            stdout_.start();
            parent_->start();
        });
        dispatcher_.serve();
        leave();
        return exit_code_;
    }

private:
    void link_closed(peer& link, reason cause, const std::string& why) override {
        if (detached_)
            return (void)router_.link_lost(
                link, error(reason::broker_exited, "this context has detached"));
        if (link.transport->given_up()) say_why("the parent is lost: " + why);
        router_.link_lost(link, error(cause, "the parent is lost: " + why));
        router_.end_stops(true);
        end(no_context, "the parent is lost");
    }

    /// This context ends for a reason that the parent does not know, if it is still there: it may
    /// have been stopped, or suspended.
    MITOGEN_COLD void say_why(std::string_view text) {
        exit_code_ = 1;
        if constexpr (io::knows_held<Io>) // in a process of its own
            log::detail::to_stderr({log::level::error, no_context, {}, "mitogen", text});
    }

    bool ask_held() override {
        if constexpr (io::knows_held<Io>)
            return broker_.io().is_held(broker_.io().parent_pid(), 0);
        else
            return false;
    }

    /// The parent has let this process go. On the thread that asked for it.
    MITOGEN_COLD void detach() {
        parent_->transport->wait_written(after(broker_.io().now(), shutdown_limits::last_words));
        log::set_sink({});
        broker_.run([this] {
            detached_ = true;
            parent_->close(reason::broker_exited, "this context has detached");
        });
        broker_.io().leave_session();
        dispatcher_.retire();
    }

    /// No more calls; those that run are told to stop, and who has asked for it. On the loop.
    void end(context_id by, const std::string& why) {
        if (std::exchange(ending_, true)) return;
        router_.subtree().ends_for(by);
        router_.end_stops(false);
        dispatcher_.stop(ended_by(reason::broker_exited, by, why));
        const instant now = broker_.io().now();
        stop_at_ = after(now, welcome_.grace_ns);
        broker_.set_timer(overdue_, after(now, shutdown_limits::own_grace(welcome_.grace_ns)));
    }

    /// A function does not stop although it was told to: nobody may be left to end this process but
    /// itself. Its children go first: one that is stopped would never notice. On the loop.
    MITOGEN_COLD void overdue() {
        const instant now = broker_.io().now();
        if (waits_for_debugger(now)) return;
        if (signals_ == 0) {
            const std::uint32_t levels = router_.subtree().expedite_all();
            if (now < stop_at_) return broker_.set_timer(overdue_, stop_at_);
            if (expedited_until_ == never)
                expedited_until_ = after(now, levels * shutdown_limits::each_level);
            if (levels > 0 && now < expedited_until_)
                return broker_.set_timer(overdue_, after(now, shutdown_limits::levels_poll));
        }
        broker_.io().signal_self(signals_++ == 0 ? 15 : 9);
        broker_.set_timer(overdue_, after(now, shutdown_limits::own_kill));
    }

    /// Who stands below in a debugger must not lose the way to it, whenever this context was asked
    /// to end. Behind that it has all of its time again, as its parent gives it.
    bool waits_for_debugger(instant now) {
        const bool held = router_.subtree().held();
        if (held)
            broker_.set_timer(overdue_, after(now, shutdown_limits::levels_poll));
        else if (held_) {
            stop_at_ = after(now, welcome_.grace_ns);
            broker_.set_timer(overdue_, after(now, shutdown_limits::own_grace(welcome_.grace_ns)));
        }
        return std::exchange(held_, held) || held;
    }

    /// On the main thread, after the last call.
    void leave() {
        dispatcher_.join_pool();
        router_.close();
        broker_.io().release_stdout();
        stdout_.finish();
        flush();
        log::set_sink({}); // the router is about to go
    }

    /// Sends what is queued, unless the parent is gone or it takes too long; then closes the link.
    MITOGEN_COLD void flush() {
        broker_.run([this] {
            router_.logs().tell_all();
            parent_->tell(handles::farewell, {});
        });
        parent_->transport->wait_written(after(broker_.io().now(), shutdown_limits::last_words));
        broker_.run([this] {
            ending_ = true;
            broker_.cancel_timer(overdue_);
            parent_->close(reason::broker_exited, "this context has ended");
        });
    }
};

/// Runs a child whose link is ready. Returns when it has ended, what its process exits with. On the
/// main thread of its process, real or simulated. `stdout_end`: where what it prints comes out, if
/// it is captured already.
template <class Io>
MITOGEN_COLD int serve_as_child(Io io, child_ends<Io> ends, typename Io::descriptor stdout_end) {
    os::ignore_sigpipe();
    handshake::hello_reader reader;
    std::optional<handshake::welcome> welcome = shake_hands(io, ends, reader);
    if (!welcome || welcome->ancestors.empty()) return 0;
    io.set_title(welcome->title);
    if (!stdout_end) stdout_end = io.capture_stdout();
    for (const auto* end : {&ends.in, &ends.out, &stdout_end})
        if (*end) (void)io.set_nonblocking(end->get(), true);
    child_process<Io> child(io, std::move(*welcome), std::move(stdout_end));
    return child.run(std::move(ends));
}

/// What a fork child does instead of returning from fork().
template <class Io>
    requires io::can_fork<Io>
[[noreturn]] void enter_fork_child(Io io, child_pipes<Io>& pipes, void (*on_start)()) {
    for (const int fd : {0, 1, 2}) os::put_null(fd);
    os::discard_buffered_output();
    (void)os::dup_to(pipes.child_err.get(), 2);
    child_ends<Io> ends{std::move(pipes.child_in), std::move(pipes.child_out)};
    pipes = {};
    log::detail::begin_copy();
    typename Io::descriptor stdout_end = io.capture_stdout();
    if (on_start) {
        (void)os::set_nonblocking(1, true); // nobody reads yet
        on_start();
        (void)os::set_nonblocking(1, false);
        std::clearerr(stdout);
    }
    const int code = serve_as_child<Io>(io, std::move(ends), std::move(stdout_end));
    io::flush_in_time(io, nullptr);
    os::exit_now(code);
}

} // namespace detail
} // namespace mitogen::inline MITOGEN_ABI
