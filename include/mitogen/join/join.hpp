// SPDX-License-Identifier: BSL-1.0
#pragma once
// join.hpp: makes this program a context of a tree that is running already.

#include <mitogen/base/config.hpp>
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>
#include <mitogen/base/time.hpp>
#include <mitogen/boot/prompts/prompt.hpp>
#include <mitogen/call/context.hpp>
#include <mitogen/child/shutdown_ladder.hpp>
#include <mitogen/io/native.hpp>
#include <mitogen/io/policy.hpp>
#include <mitogen/join/call_server.hpp>
#include <mitogen/join/joined.hpp>
#include <mitogen/link/build_hash.hpp>
#include <mitogen/link/peer.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/failure.hpp>
#include <mitogen/os/local_socket.hpp>
#include <mitogen/os/process/signal.hpp>
#include <mitogen/protocol/error_notice.hpp>
#include <mitogen/protocol/handle.hpp>
#include <mitogen/protocol/hello_reader.hpp>
#include <mitogen/protocol/join_handshake.hpp>
#include <mitogen/protocol/shutdown_notice.hpp>
#include <mitogen/router/router_engine.hpp>
#include <mitogen/serve/program_id.hpp>
#include <mitogen/sync/event.hpp>

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

namespace detail {

/// A program that has joined: its loop, its router, its link, and what runs its calls.
template <class Io>
class joined_node final : public joined_place, private basic_peer<Io>::events {
    using peer = basic_peer<Io>;

    broker_engine<Io> broker_;
    router_engine<Io> router_;
    std::shared_ptr<peer> parent_;
    call_server<Io> server_;
    std::atomic<bool> lost_{false};
    context_id ended_by_ = no_context; // loop: who has asked this context to leave
    std::atomic<bool> admitted_{false};
    basic_event<Io> settled_; // either of them has changed

public:
    /// `in` and `out`: what the context that listens says, and what it hears.
    MITOGEN_COLD joined_node(Io io, joining::answer said, const join_options& options,
                             typename Io::descriptor in, typename Io::descriptor out)
        : broker_(io), router_(broker_, {.limits = said.bounds,
                                         .pool_threads = options.pool_threads,
                                         .rules = said.rules,
                                         .on_prompt = options.on_prompt}),
          parent_(peer::make(
              router_, *this,
              {.id = said.ancestors.front(), .build = hash_build(said.build), .up = true},
              std::move(in), std::move(out))),
          server_(router_, said.name, options.pool_threads), settled_(broker_.io()) {
        (void)router_.add_raw_handler(handles::shutdown, {}, [this](const message& m) {
            ended_by_ = wire::shutdown_notice::read(m).by;
            parent_->close(reason::broker_exited,
                           "the context that was joined has ended, or wants this one to leave");
        });
        (void)router_.add_raw_handler(handles::admitted, {}, [this](const message&) {
            admitted_.store(true, std::memory_order_release);
            settled_.raise();
        });
        broker_.run([&] {
            router_.become(said.id, said.ancestors, said.above, said.name, parent_, said.bounds);
        });
    }

    joined_node(joined_node&&) = delete;

    ~joined_node() override {
        server_.stop(ended_by(reason::broker_exited, router_.id(),
                              "this context is leaving the tree"));
        router_.close();
        server_.join();
        // What it has said last still goes out.
        parent_->transport->wait_written(after(broker_.io().now(), shutdown_limits::last_words));
        broker_.run(
            [this] { parent_->close(reason::broker_exited, "this context has left the tree"); });
    }

    /// From here on the link carries frames. Waits until the tree knows this context; false if that
    /// does not come, or not in time. Once.
    bool begin(instant deadline) {
        broker_.run([&] { parent_->start(); });
        return settled_.wait(broker_, deadline) && admitted_.load(std::memory_order_acquire);
    }

    mitogen::router& router() noexcept override { return router_.as_router(); }
    context_id parent() const noexcept override { return parent_->id; }
    bool alive() const noexcept override { return !lost_.load(std::memory_order_acquire); }

private:
    void link_closed(peer& link, reason cause, const std::string& text) override {
        const error why = ended_by_ == no_context
                              ? error(cause, "the tree is lost: " + text)
                              : ended_by(cause, ended_by_, "the tree is lost: " + text);
        lost_.store(true, std::memory_order_release);
        settled_.raise();
        router_.link_lost(link, why);
        for (const context_id above : router_.ancestors()) router_.on_peer_lost(above, why);
        server_.stop(ended_by(reason::broker_exited, ended_by_, "the tree is lost"));
    }
};

/// The error that a failed connect() means.
MITOGEN_COLD inline error cannot_join(const std::string& path, long rc) {
    const reason why = rc == -ENOENT || rc == -ECONNREFUSED  ? reason::connection_refused
                       : rc == -EAGAIN || rc == -EWOULDBLOCK ? reason::connect_timeout
                       : rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM ? reason::overloaded
                                                                         : reason::connect;
    return error(why, "cannot join at " + path + ": " + os::errno_text(static_cast<int>(-rc)));
}

MITOGEN_COLD inline error too_late(const std::string& path) {
    return error(reason::connect_timeout,
                 "cannot join at " + path + ": no answer in time (connect_timeout)");
}

/// Reads the listener's answer, until the deadline.
template <class Io>
MITOGEN_COLD result<joining::answer> hear_answer(Io& io, int fd, instant deadline,
                                                 const std::string& path,
                                                 handshake::hello_reader& reader) {
    using finding = handshake::hello_reader::finding;
    for (;;) {
        const instant now = io.now();
        std::byte bytes[4096];
        long n = -EAGAIN;
        if (now < deadline) {
            n = os::set_patience(fd, deadline - now);
            // what follows may be secret: the link reads it
            if (n >= 0) n = io.read(fd, bytes, std::min(sizeof bytes, reader.missing()));
        }
        if (n == -EAGAIN || n == -EWOULDBLOCK) return too_late(path);
        if (n == 0 || n == -ECONNRESET)
            return error(reason::end_of_file, "cannot join at " + path +
                                                  ": who listens there has closed the connection");
        if (n < 0) return cannot_join(path, n);
        reader.feed({bytes, static_cast<std::size_t>(n)});
        switch (reader.look()) {
        case finding::nothing: continue;
        case finding::wrong_version:
            return error(reason::connect, "cannot join at " + path +
                                              ": the program there speaks another version of this "
                                              "library's protocol; build both "
                                              "with the same version");
        case finding::stage:
        case finding::wrong:
            return error(reason::connect,
                         "cannot join at " + path + ": what answers there is no listener");
        case finding::hello: break;
        }
        joining::answer said;
        if (!joining::decode_answer(reader.payload(), said))
            return error(reason::connect,
                         "cannot join at " + path + ": the answer does not decode");
        if (said.refusal.empty()) return said;
        return error(reason::connect, "refused at " + path + ": " +
                                          std::string(decode_error(said.refusal).message()));
    }
}

} // namespace detail

/// Joins the tree that listens at `path` (see router::listen), and so becomes a context of it,
/// below the one that listens. Needs no init(): it starts nothing. Both may be different programs:
/// functions are then found by name. Blocks: up to connect_timeout.
template <class Io>
    requires io::has_local_sockets<Io> MITOGEN_COLD result<joined>
    try_join(const std::string& path, const join_options& options, Io io) {
        if (options.name.size() > joining::name_limit)
            return error(reason::misuse, "the name of a context that joins has at most " +
                                             std::to_string(joining::name_limit) + " bytes");
        os::ignore_sigpipe();
        const instant deadline = detail::after(io.now(), detail::to_ns(options.connect_timeout));
        typename Io::descriptor socket;
        if (const long rc = os::connect_local(path, detail::to_ns(options.connect_timeout), socket);
            rc < 0)
            return detail::cannot_join(path, rc);
        if (const std::int64_t user = os::peer_user(socket.get()); !os::is_trusted_user(user))
            return error(reason::connect,
                         "cannot join at " + path + ": another user listens there");
        const buffer request =
            joining::encode_request({detail::program_id::own().text(),
                                     static_cast<std::uint32_t>(io.own_pid()), options.name});
        // A refusal may have been sent before the request was read.
        (void)io.write(socket.get(), request.data(), request.size());
        handshake::hello_reader reader(joining::answer_rules);
        result<joining::answer> said =
            detail::hear_answer(io, socket.get(), deadline, path, reader);
        if (!said) return said.error();
        // a link has a descriptor for each direction
        const long second = os::dup_above(socket.get(), 3);
        if (second < 0) return detail::cannot_join(path, second);
        typename Io::descriptor out(static_cast<int>(second));
        if (const long rc = io.set_nonblocking(out.get(), true); rc < 0)
            return detail::cannot_join(path, rc);
        auto in = std::make_unique<detail::joined_node<Io>>(io, std::move(*said), options,
                                                            std::move(socket), std::move(out));
        if (!in->begin(deadline)) {
            return in->alive() ? detail::too_late(path)
                               : error(reason::end_of_file,
                                       "cannot join at " + path + ": the tree was lost at once");
        }
        return joined(std::move(in));
    }

/// The same; throws if it fails.
template <class Io>
    requires io::has_local_sockets<Io> joined join(const std::string& path,
                                                   const join_options& options, Io io) {
        return try_join<Io>(path, options, io).value();
    }

template <class Io>
result<joined> try_join(const std::string& path, const join_options& options) {
    return try_join<Io>(path, options, Io{});
}

} // namespace mitogen::inline MITOGEN_ABI
