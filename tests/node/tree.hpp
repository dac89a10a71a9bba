// SPDX-License-Identifier: BSL-1.0
#pragma once
// tree.hpp: several contexts in one process, joined by pipes.

#include <mitogen/base/log.hpp>
#include <mitogen/call/boot_progress.hpp>
#include <mitogen/loop/broker_engine.hpp>
#include <mitogen/node/id_allocator.hpp>
#include <mitogen/node/route_monitor.hpp>
#include <mitogen/node/router_core.hpp>
#include <mitogen/os/call.hpp>
#include <mitogen/os/process/signal.hpp>

#include <atomic>
#include <catch2/catch.hpp>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace tree {

using io_type = mitogen::io::native;
using broker = mitogen::detail::broker_engine<io_type>;
using link = mitogen::detail::basic_peer<io_type>;
using open_call = mitogen::basic_outstanding_call<io_type>;
using monitor = mitogen::detail::basic_route_monitor<io_type>;
using ids = mitogen::detail::basic_id_allocator<io_type>;
using mitogen::buffer;
using mitogen::context_id;
using mitogen::error;
using mitogen::detail::flush_mode;
using mitogen::handle_id;
using mitogen::header;
using mitogen::message;
using mitogen::detail::message_flags;
using mitogen::reason;
using mitogen::result;
using mitogen::senders;
namespace os = mitogen::os;

inline std::span<const std::byte> bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string text_of(std::span<const std::byte> b) {
    return {reinterpret_cast<const char*>(b.data()), b.size()};
}

/// Keeps the library's warnings from the terminal.
struct quiet {
    quiet() {
        mitogen::log::set_sink([](const mitogen::log::record&) {});
    }
    ~quiet() { mitogen::log::set_sink({}); }
};

/// The far end of a link, in the hands of the test: writes any frame and reads what comes back.
struct raw_end {
    os::unique_fd in, out;

    void write(const header& h, std::string_view payload = {}) { REQUIRE(try_write(h, payload)); }
    /// The same on a thread of its own, if nothing may be asserted.
    bool try_write(const header& h, std::string_view payload = {}) {
        std::string all(mitogen::detail::header_layout::size, '\0');
        header sent = h;
        sent.length = static_cast<std::uint32_t>(payload.size());
        mitogen::detail::write_header(reinterpret_cast<std::byte*>(all.data()), sent);
        all += payload;
        return os::write(out.get(), all.data(), all.size()) == static_cast<long>(all.size());
    }
    std::string read(std::size_t size) {
        std::string text(size, '\0');
        for (std::size_t at = 0; at < size;) {
            const long n = os::read(in.get(), text.data() + at, size - at);
            REQUIRE(n > 0);
            at += static_cast<std::size_t>(n);
        }
        return text;
    }
    std::pair<header, std::string> next() {
        const std::string head = read(mitogen::detail::header_layout::size);
        header h;
        REQUIRE(mitogen::detail::read_header(reinterpret_cast<const std::byte*>(head.data()), h) ==
                nullptr);
        return {h, read(h.length)};
    }
    /// The next frame, which must be a dead message.
    error next_dead() {
        const auto [h, payload] = next();
        CHECK(h.dead());
        return mitogen::decode_error(bytes(payload));
    }
};

/// A router's core by itself: it sends and receives, and makes no children.
class core final : public mitogen::detail::basic_router_core<io_type> {
    static error not_here() { return {reason::misuse, "not in these tests"}; }

public:
    using basic_router_core::basic_router_core;

    void close() override { close_messages(); }
    bool calls_by_number(context_id, const void*, std::uint32_t) override { return false; }
    result<std::uint64_t> key_of(const void*, context_id) override { return not_here(); }
    mitogen::outstanding_call& make_child(const mitogen::any_method&,
                                          mitogen::detail::making_options) override {
        return refuse_call(id(), not_here());
    }
    mitogen::outstanding_call& shut_down(context_id id) override {
        return refuse_call(id, not_here());
    }
    void disconnect(context_id) override {}
    void terminate(context_id, bool) override {}
    result<mitogen::boot_info> info_of_boot(context_id) override { return not_here(); }
    int child_pid(context_id) override { return -1; }
    std::vector<mitogen::context_status> status() override { return {}; }
    std::vector<mitogen::activity> activities() override { return {}; }
    bool watches_descriptors() const noexcept override { return false; }
    long watch(mitogen::detail::event_source&) override { return -ENOTSUP; }
    void unwatch(mitogen::detail::event_source&) override {}
    int loop_fd() override { return -1; }
    void poll_loop() override {}
    result<void> detach() override { return not_here(); }
    const void* policy_tag() const noexcept override { return nullptr; }
    mitogen::router& as_router() noexcept override { std::abort(); }
};

/// One context.
class node final : link::events {
public:
    broker loop;
    core router;
    monitor routes{router};
    ids numbers{router};
    std::vector<std::shared_ptr<link>> links;

    explicit node(const mitogen::limits& bounds = {},
                  const mitogen::tree_rules& rules = {.heartbeat = {0, 0}})
        : router(loop, bounds, rules) {
        os::ignore_sigpipe();
    }
    ~node() {
        cut_all();
        router.close();
    }

    void cut_all() {
        loop.run([&] {
            for (const auto& l : std::exchange(links, {})) l->close(reason::respondent_lost, "cut");
        });
    }

    std::shared_ptr<link> add_link(context_id peer, bool up, os::unique_fd in, os::unique_fd out) {
        os::set_nonblocking(in.get(), true);
        os::set_nonblocking(out.get(), true);
        auto l = link::make(router, *this, {.id = peer, .up = up}, std::move(in), std::move(out));
        links.push_back(l);
        return l;
    }

    /// A child below this context whose far end the test plays.
    raw_end add_raw_child(context_id id) {
        raw_end far;
        os::unique_fd in, out;
        REQUIRE(os::pipe(in, far.out) == 0);
        REQUIRE(os::pipe(far.in, out) == 0);
        loop.run([&] { adopt(id, "raw", add_link(id, false, std::move(in), std::move(out))); });
        return far;
    }

    void add_child(context_id id, node& child, const std::string& name = "child") {
        os::unique_fd down_read, down_write, up_read, up_write;
        REQUIRE(os::pipe(down_read, down_write) == 0);
        REQUIRE(os::pipe(up_read, up_write) == 0);
        std::vector<context_id> above{router.id()};
        above.insert(above.end(), router.ancestors().begin(), router.ancestors().end());
        child.loop.run([&] {
            const auto l =
                child.add_link(router.id(), true, std::move(down_read), std::move(up_write));
            child.router.become(id, above, {}, "c", l, child.router.bounds());
            l->start();
        });
        loop.run([&] {
            adopt(id, name, add_link(id, false, std::move(up_read), std::move(down_write)));
        });
    }

    /// Those behind the child of that number may have the ids from `first` up to `end`.
    void lease(context_id child, context_id first, context_id end) {
        loop.run([&] {
            router.leases().grant(first, end, router.routes().find(child).get());
        });
    }

    void add_handler(handle_id number, mitogen::detail::raw_handler call,
                     mitogen::handler_options options = {}) {
        // What a test's handlers refer to is gone when the router closes and tells them.
        REQUIRE(router.add_raw_handler(
            number, options, [call = std::move(call)](const message& m) mutable {
                if (!m.dead() || mitogen::decode_error(m.payload).reason() != reason::broker_exited)
                    call(m);
            }));
    }
    /// A handler that answers with what it was sent.
    void add_echo(handle_id number, senders from = senders::parents) {
        add_handler(number,
                    [this](const message& m) { router.reply(m.head, buffer(m.payload), 0); },
                    {.from = from});
    }

    open_call* open(context_id from) {
        std::optional<error> why;
        open_call* p = router.outstanding().open(from, why);
        if (!p) std::abort(); // called on any thread: Catch belongs to the test's own
        return p;
    }

    result<std::string> take(open_call* p) {
        loop.wait(p->wake, mitogen::never, true, [p] { return p->done(); });
        result<std::string> got = p->failure() ? result<std::string>(*p->failure())
                                               : result<std::string>(text_of(p->payload()));
        p->release();
        return got;
    }

    /// Sends a message that wants an answer, and waits for it.
    result<std::string> ask(context_id dst, handle_id handle, std::string_view payload = "?",
                            flush_mode when = flush_mode::now) {
        open_call* p = open(dst);
        const result<void> sent =
            router.send(router.address(dst, handle, p->handle()), buffer(bytes(payload)), when);
        if (!sent) router.outstanding().fail(*p, sent.error());
        return take(p);
    }
    reason why_not(context_id dst, handle_id handle, std::string_view payload = "?") {
        const auto got = ask(dst, handle, payload);
        return got ? reason::none : got.error().reason();
    }

private:
    void link_closed(link& gone, reason cause, const std::string& why) override {
        const error e(cause, "context " + std::to_string(gone.id) + " is lost: " + why);
        for (const context_id id : router.link_lost(gone, e)) routes.withdraw(id, e);
    }

    void adopt(context_id id, const std::string& name, const std::shared_ptr<link>& l) {
        const mitogen::detail::route<link> added{id, router.id(), name, 0, l};
        if (!router.routes().add(added)) std::abort();
        routes.announce(added);
        l->start();
    }
};

/// root 0 — middle 1 — leaf 2, and 3 below the root. Destroyed from the leaves up.
struct family {
    quiet no_noise;
    node root, middle, leaf, other;

    explicit family(const mitogen::limits& bounds = {})
        : root(bounds), middle(bounds), leaf(bounds), other(bounds) {
        root.add_child(1, middle, "middle");
        root.lease(1, 2, 3);
        middle.add_child(2, leaf, "leaf");
        root.add_child(3, other, "other");
        // A message of the leaf reaches the root behind the news of its existence.
        root.add_echo(1000, senders::anyone);
        REQUIRE(leaf.ask(0, 1000));
    }

    /// The root gives out none of the ids that these have.
    void skip_ids() {
        for (int i = 0; i < 10; ++i) REQUIRE(root.numbers.next());
    }

    /// The leaf may have these ids for its children.
    void lease(context_id first, context_id end) {
        root.lease(1, first, end);
        middle.lease(2, first, end);
    }
};

} // namespace tree
