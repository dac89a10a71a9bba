// SPDX-License-Identifier: BSL-1.0
#pragma once
// raw_link.hpp: one end of a link in the hands of a test, which can say anything on it.

#include "../support/engine.hpp"
#include "tree.hpp"

#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/protocol/handshake.hpp>
#include <mitogen/router/child_main.hpp>
#include <mitogen/serve/dispatcher.hpp>
#endif

#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace generic {

/// What arrived on a raw link.
struct raw_frame {
    mitogen::header head{};
    std::vector<std::byte> payload{};
};

/// The far end: blocking, byte by byte.
class raw_link {
    mitogen::os::unique_fd in_;
    mitogen::os::unique_fd out_;

    bool read_all(std::byte* to, std::size_t size) {
        while (size > 0) {
            const long n = mitogen::os::read(in_.get(), to, size);
            if (n <= 0) return false;
            to += n;
            size -= static_cast<std::size_t>(n);
        }
        return true;
    }

public:
    raw_link() = default;
    raw_link(mitogen::os::unique_fd in, mitogen::os::unique_fd out)
        : in_(std::move(in)), out_(std::move(out)) {}

    /// Writes bytes; false once the other side has closed.
    bool write(const void* from, std::size_t size) {
        return mitogen::os::write_all(out_.get(), from, size);
    }

    /// Writes a frame, its length as given in the header if that is not 0.
    bool send(mitogen::header h, std::span<const std::byte> payload = {}) {
        std::byte head[mitogen::detail::header_layout::size];
        if (h.length == 0) h.length = static_cast<std::uint32_t>(payload.size());
        mitogen::detail::write_header(head, h);
        return write(head, sizeof head) &&
               (payload.empty() || write(payload.data(), payload.size()));
    }

    /// The next frame; nothing once the other side has closed.
    std::optional<raw_frame> receive() {
        std::byte head[mitogen::detail::header_layout::size];
        raw_frame f;
        if (!read_all(head, sizeof head) || mitogen::detail::read_header(head, f.head))
            return std::nullopt;
        f.payload.resize(f.head.length);
        if (!read_all(f.payload.data(), f.payload.size())) return std::nullopt;
        return f;
    }

    /// The error in the next frame that is an answer to `handle`.
    mitogen::error error_for(mitogen::handle_id handle) {
        while (auto f = receive()) {
            if (f->head.handle == handle) return mitogen::decode_error(f->payload);
        }
        return {mitogen::reason::none, "the link ended"};
    }

    void close() {
        in_.reset();
        out_.reset();
    }
    void close_write() { out_.reset(); }
};

namespace detail {
struct two_pipes {
    mitogen::os::unique_fd near_in, near_out, far_in, far_out;
    two_pipes() {
        if (mitogen::os::pipe(near_in, far_out) < 0 || mitogen::os::pipe(far_in, near_out) < 0)
            throw std::runtime_error("pipe");
        mitogen::os::set_nonblocking(near_in.get(), true);
        mitogen::os::set_nonblocking(near_out.get(), true);
    }
};
} // namespace detail

/// A root with one child, number 1, that is in the hands of the test.
class above_raw_link final : mitogen::detail::basic_peer<mitogen::io::native>::events {
    using link = mitogen::detail::basic_peer<mitogen::io::native>;
    std::mutex mutex_;
    std::condition_variable changed_;
    std::optional<mitogen::error> lost_;

public:
    tree t;
    raw_link peer;
    std::shared_ptr<link> peer_link;

    explicit above_raw_link(mitogen::limits bounds = {})
        : t([&] {
              mitogen::router_options options;
              options.limits = bounds;
              return options;
          }()) {
        detail::two_pipes pipes;
        peer = raw_link(std::move(pipes.far_in), std::move(pipes.far_out));
        auto& inside = support::engine(t.root);
        peer_link = link::make(inside, *this, {.id = 1, .build = inside.own_build()},
                               std::move(pipes.near_in), std::move(pipes.near_out));
        t.loop.engine().run([&] {
            inside.routes().add({1, 0, "raw", peer_link->build, peer_link});
            peer_link->start();
        });
    }
    ~above_raw_link() {
        t.loop.engine().run(
            [&] { peer_link->close(mitogen::reason::respondent_lost, "the test is over"); });
    }

    mitogen::context child() { return t.root.context_by_id(1); }

    /// Waits until the link is closed, and says why.
    mitogen::error lost() {
        std::unique_lock lock(mutex_);
        if (!changed_.wait_for(lock, plenty, [&] { return lost_.has_value(); }))
            return {mitogen::reason::none, "not closed"};
        return *lost_;
    }

    /// A frame from the child to the root.
    static mitogen::header to_root(mitogen::handle_id handle, mitogen::handle_id reply_to = 0) {
        return {.dst = 0, .src = 1, .auth = 1, .handle = handle, .reply_to = reply_to};
    }

private:
    void link_closed(link& gone, mitogen::reason cause, const std::string& why) override {
        support::engine(t.root).link_lost(gone, mitogen::error(cause, why));
        const std::lock_guard lock(mutex_);
        lost_.emplace(cause, why);
        changed_.notify_all();
    }
};

/// A context, number 1, that executes calls, below a parent that is in the hands of the test.
class below_raw_link final : mitogen::detail::basic_peer<mitogen::io::native>::events {
    using link = mitogen::detail::basic_peer<mitogen::io::native>;
    using dispatcher_type = mitogen::detail::basic_dispatcher<mitogen::io::native>;

public:
    mitogen::detail::broker_engine<mitogen::io::native> loop;
    mitogen::detail::router_engine<mitogen::io::native> node;
    raw_link peer;
    std::shared_ptr<link> peer_link;
    dispatcher_type dispatcher;
    std::thread main;

    explicit below_raw_link(mitogen::limits bounds = {})
        : node(loop, {.limits = bounds}), dispatcher(node, "below", 2) {
        detail::two_pipes pipes;
        peer = raw_link(std::move(pipes.far_in), std::move(pipes.far_out));
        peer_link = link::make(node, *this, {.id = 0, .build = node.own_build(), .up = true},
                               std::move(pipes.near_in), std::move(pipes.near_out));
        loop.run([&] {
            node.become(1, {0}, {}, "raw", peer_link, bounds);
            peer_link->start();
        });
        main = std::thread([this] { dispatcher.serve(); });
    }
    ~below_raw_link() {
        loop.run([&] {
            dispatcher.stop(mitogen::error(mitogen::reason::broker_exited, "the test is over"));
        });
        main.join();
        dispatcher.join_pool();
        loop.run([&] { peer_link->close(mitogen::reason::respondent_lost, "the test is over"); });
    }

    /// A frame from the parent.
    static mitogen::header to_child(mitogen::handle_id handle, mitogen::handle_id reply_to = 0) {
        return {.dst = 1, .src = 0, .auth = 0, .handle = handle, .reply_to = reply_to};
    }

    /// The bytes of a call.
    template <class... Args>
    static std::vector<std::byte> call_bytes(mitogen::detail::call_frame frame,
                                             const Args&... args) {
        std::vector<std::byte> out(frame.size() + mitogen::encoded_size(args...));
        mitogen::writer w(out.data());
        frame.write(w);
        mitogen::encode(w, args...);
        return out;
    }
    template <auto F, class... Args>
    static std::vector<std::byte> call_of(const Args&... args) {
        mitogen::detail::call_frame frame;
        frame.function = mitogen::detail::entry_of<F>().index();
        return call_bytes(frame, args...);
    }

private:
    void link_closed(link&, mitogen::reason, const std::string&) override {
    } // the test ends it, or looks at what came before
};

} // namespace generic
