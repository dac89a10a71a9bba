// SPDX-License-Identifier: BSL-1.0
#include "../node/tree.hpp"

#include <mitogen/link/peer.hpp>

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace tree;
using peer = tree::link;

/// A root, and what it is told of the one neighbour that the test plays.
struct with_peer final : peer::events {
    node root{};
    raw_end far{};
    std::shared_ptr<peer> near{};
    std::atomic<int> ends{0};
    std::string last_words{};

    explicit with_peer(const mitogen::detail::peer_facts& who) {
        os::unique_fd in, out;
        REQUIRE(os::pipe(in, far.out) == 0);
        REQUIRE(os::pipe(far.in, out) == 0);
        os::set_nonblocking(in.get(), true);
        os::set_nonblocking(out.get(), true);
        near = peer::make(root.router, *this, who, std::move(in), std::move(out));
    }
    ~with_peer() { close("the test is over"); }

    void close(const std::string& why) {
        root.loop.run([&] { near->close(reason::respondent_lost, why); });
    }
    void link_closed(peer& gone, reason, const std::string& why) override {
        last_words = why;
        if (&gone == near.get()) ++ends;
        root.router.link_lost(gone, error(reason::respondent_lost, why));
    }
    void start(std::string_view early = {}) {
        root.loop.run([&] {
            if (!root.router.routes().add({near->id, 0, "far", near->build, near})) std::abort();
            near->start(bytes(early));
        });
    }
};

std::string frame(header h, std::string_view payload) {
    std::string all(mitogen::detail::header_layout::size, '\0');
    h.length = static_cast<std::uint32_t>(payload.size());
    mitogen::detail::write_header(reinterpret_cast<std::byte*>(all.data()), h);
    return all.append(payload);
}

TEST_CASE("a neighbour is what its owner said when the link was made") {
    with_peer t({.id = 7, .build = 99, .authority = 0});
    CHECK(t.near->id == 7);
    CHECK(t.near->build == 99);
    CHECK_FALSE(t.near->up);
    CHECK(t.near->authority == 0);
    CHECK(t.near->since > 0);
    CHECK(t.near->round_trip == mitogen::never);
}

TEST_CASE("a neighbour is told something on this context's authority") {
    with_peer t({.id = 7});
    t.near->tell(mitogen::handles::shutdown, bytes("x"), 12);
    const auto [h, payload] = t.far.next();
    CHECK(h.dst == 7);
    CHECK(h.src == 0);
    CHECK(h.auth == 0);
    CHECK(h.handle == mitogen::handles::shutdown);
    CHECK(h.reply_to == 12);
    CHECK(payload == "x");
}

TEST_CASE("what was read behind the handshake comes before what is read from the link") {
    const quiet no_noise;
    with_peer t({.id = 7});
    t.root.add_echo(1000, senders::anyone);
    const header h{.dst = 0, .src = 7, .auth = 7, .handle = 1000, .reply_to = 3};
    const std::string first = frame(h, "first");
    t.far.write(h, "third");
    t.start(first + frame(h, "second"));
    for (const char* expected : {"first", "second", "third"})
        CHECK(t.far.next().second == expected);
}

TEST_CASE("the owner is told of the end of a link once") {
    SECTION("which the far end closes") {
        with_peer t({.id = 7});
        t.start();
        open_call* const p = t.root.open(7);
        t.far.out.reset();
        CHECK_FALSE(t.root.take(p)); // fails when the loss is told
        t.close("again");
        CHECK(t.ends == 1);
        CHECK(t.last_words == "the link ended");
    }
    SECTION("which the owner closes") {
        with_peer t({.id = 7});
        t.start();
        t.close("enough");
        t.close("again");
        CHECK(t.ends == 1);
        CHECK(t.last_words == "enough");
    }
}

TEST_CASE("what comes from a neighbour with authority has it, if it has no other") {
    const quiet no_noise;
    for (const bool granted : {false, true}) {
        with_peer t({.id = 7, .authority = granted ? context_id{0} : mitogen::no_context});
        std::atomic<context_id> seen{mitogen::no_context};
        t.root.add_handler(1000,
                           [&](const message& m) {
                               seen = m.head.auth;
                               t.root.router.reply(m.head, {}, 0);
                           },
                           {.from = senders::anyone});
        t.start();
        t.far.write({.dst = 0, .src = 7, .auth = 7, .handle = 1000, .reply_to = 3});
        (void)t.far.next();
        CHECK(seen == (granted ? 0 : 7));
    }
}

} // namespace
