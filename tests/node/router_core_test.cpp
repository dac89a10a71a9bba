// SPDX-License-Identifier: BSL-1.0
#include "tree.hpp"

#include <mitogen/os/pipe_size.hpp>

#include <algorithm>
#include <cstdint>
#include <future>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using namespace tree;

TEST_CASE("messages and answers pass between neighbours and through a middle context") {
    family f;
    f.middle.add_echo(2000);
    f.leaf.add_echo(2000);
    CHECK(*f.root.ask(1, 2000, "near") == "near");
    CHECK(*f.root.ask(2, 2000, "far", flush_mode::soon) == "far");
    CHECK(*f.middle.ask(2, 2000, "") == "");
    CHECK(*f.leaf.ask(0, 1000, "up") == "up");
    CHECK(f.root.ask(0, 1000, "self").value() == "self");
    const std::string large(1'000'000, 'x');
    CHECK(*f.root.ask(2, 2000, large) == large);
    CHECK(*f.leaf.ask(0, 1000, large) == large);
    CHECK(f.root.ask(0, 1000, large).value() == large);
}

TEST_CASE("siblings reach each other only where the handle accepts anyone") {
    family f;
    f.other.add_echo(2000, senders::anyone);
    f.other.add_echo(2001);
    CHECK(*f.leaf.ask(3, 2000, "hello") == "hello");
    // comes down from the parent, but on the sibling's authority
    const auto refused = f.leaf.ask(3, 2001);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().reason() == reason::refused_by_policy);
    CHECK(*f.root.ask(3, 2001, "from above") == "from above");
    f.root.add_echo(2002);
    CHECK(f.leaf.why_not(0, 2002) == reason::refused_by_policy); // never upwards
    CHECK(f.leaf.why_not(3, mitogen::handles::ping) == reason::refused_by_policy);
    CHECK(f.root.why_not(2, mitogen::handles::ping) == reason::none);
}

TEST_CASE("what nobody has registered is answered so") {
    family f;
    const auto got = f.root.ask(2, 4711);
    REQUIRE_FALSE(got);
    CHECK(got.error().reason() == reason::invalid_handle);
    CHECK(std::string(got.error().what()).find("handle 4711 of context 2") != std::string::npos);
    CHECK(f.root.why_not(0, 4711) == reason::invalid_handle);
}

TEST_CASE("a context that nobody knows is answered so, by whoever knows best") {
    family f;
    const auto down = f.root.ask(99, 1000);
    REQUIRE_FALSE(down);
    CHECK(down.error().reason() == reason::no_route);
    const auto up = f.leaf.ask(99, 1000);
    REQUIRE_FALSE(up);
    CHECK(up.error().reason() == reason::no_route);
    CHECK(up.error().message() == "no route to context 99, my id is 0");
    // in fragments: one answer
    CHECK(f.leaf.why_not(99, 1000, std::string(500'000, 'x')) == reason::no_route);
    CHECK(*f.leaf.ask(0, 1000, "still here") == "still here");
}

TEST_CASE("a message over the limit is refused where it begins, or where it ends") {
    mitogen::limits tight;
    tight.message_bytes = 1000;
    quiet no_noise;
    node root, child(tight);
    root.add_child(1, child);
    child.add_echo(2000);
    root.add_echo(1000, senders::anyone);
    CHECK(child.why_not(0, 1000, std::string(1001, 'x')) == reason::message_too_large);
    CHECK(child.why_not(0, 1000, std::string(1000, 'x')) == reason::none);
    CHECK(root.why_not(1, 2000, std::string(1001, 'x')) == reason::message_too_large);
    CHECK(root.why_not(1, 2000, std::string(1'000'000, 'x')) == reason::message_too_large);
    CHECK(*root.ask(1, 2000, "still here") == "still here");
}

TEST_CASE("an answer over the limit fails the one who waits for it") {
    mitogen::limits tight;
    tight.message_bytes = 1000;
    quiet no_noise;
    node root(tight), child;
    root.add_child(1, child);
    const std::size_t size = GENERATE(std::size_t{2000}, std::size_t{1'000'000});
    child.add_handler(2000, [&](const message& m) {
        child.router.reply(m.head, buffer(bytes(std::string(size, 'x'))), 0);
    });
    CHECK(root.why_not(1, 2000) == reason::message_too_large);
    CHECK(root.router.outstanding().open_count() == 0);
}

TEST_CASE("an error passes although it is larger than a message may be") {
    mitogen::limits tight;
    tight.message_bytes = 100;
    quiet no_noise;
    node root(tight), child(tight);
    root.add_child(1, child);
    child.add_handler(2000, [&](const message& m) {
        mitogen::error_detail d;
        d.why = reason::remote_exception;
        d.text = std::string(300'000, 't');
        d.type = "some_type";
        d.backtrace = std::string(300'000, 'b');
        child.router.reply_dead(m.head, error(d));
    });
    const auto got = root.ask(1, 2000);
    REQUIRE_FALSE(got);
    CHECK(got.error().detail().type == "some_type");
    CHECK(got.error().message().size() > 60'000);
    CHECK(got.error().message().size() < 70'000);
}

TEST_CASE("an answer from a context that was not asked is refused, and the real one still counts") {
    family f;
    raw_end raw = f.root.add_raw_child(7);
    open_call* p = f.root.open(1);
    raw.write({.dst = 0, .src = 7, .auth = 7, .handle = p->handle(), .reply_to = 5000}, "forged");
    CHECK(raw.next_dead().reason() == reason::unexpected_reply);
    raw.write({.dst = 0, .src = 7, .auth = 7, .handle = p->handle(), .reply_to = mitogen::is_dead},
              "forged death");
    raw.write({.dst = 0, .src = 7, .auth = 7, .handle = 4711, .reply_to = 5001});
    // and nothing before it: dead messages are not answered
    CHECK(raw.next_dead().reason() == reason::invalid_handle);
    CHECK_FALSE(p->done());
    f.middle.add_handler(
        2000, [&](const message& m) { f.middle.router.reply(m.head, bytes("real"), 0); });
    (void)f.root.router.send(f.root.router.address(1, 2000, p->handle()), bytes("?"),
                             flush_mode::now);
    CHECK(*f.root.take(p) == "real");
}

TEST_CASE("who sends as somebody else, or on an authority that is not his, is refused and told") {
    family f;
    std::atomic<int> reached{0};
    f.root.add_handler(2000, [&](const message&) { ++reached; }, {.from = senders::anyone});
    f.leaf.add_handler(2000, [&](const message&) { ++reached; }, {.from = senders::anyone});
    raw_end raw = f.root.add_raw_child(7);
    raw.write({.dst = 0, .src = 1, .auth = 1, .handle = 2000, .reply_to = 11});
    CHECK(raw.next_dead().reason() == reason::unauthorised);
    raw.write({.dst = 0, .src = 7, .auth = 0, .handle = 2000, .reply_to = 12});
    CHECK(raw.next_dead().reason() == reason::unauthorised);
    raw.write({.dst = 2, .src = 7, .auth = 1, .handle = 2000, .reply_to = 13}); // to be forwarded
    const auto [head, text] = raw.next();
    CHECK(head.dead());
    CHECK(head.dst == 7);
    CHECK(head.handle == 13);
    raw.write({.dst = 0, .src = 0, .auth = 0, .handle = 2000, .reply_to = 14});
    CHECK(raw.next_dead().reason() == reason::unauthorised);
    CHECK(reached == 0);
    raw.write({.dst = 2, .src = 7, .auth = 7, .handle = 2000, .reply_to = 0});
    raw.write({.dst = 2, .src = 7, .auth = 7, .handle = 4711, .reply_to = 15});
    CHECK(raw.next_dead().reason() == reason::invalid_handle);
    CHECK(reached == 1);
}

TEST_CASE("whoever waits for a context that goes away is told why") {
    family f;
    std::atomic<int> disconnects{0};
    std::atomic<int> dead{0}, wrong{0};
    f.leaf.add_handler(2000, [](const message&) {}); // never answers
    f.root.router.on_disconnect(2, [&](const error& why) {
        if (why.reason() == reason::respondent_lost) ++disconnects;
    });
    f.root.add_handler(2001, [&](const message& m) { ++(m.dead() && m.src() == 2 ? dead : wrong); },
                       {.from = senders::anyone, .respondent = 2});
    open_call* far = f.root.open(2);
    (void)f.root.router.send(f.root.router.address(2, 2000, far->handle()), bytes("?"),
                             flush_mode::now);
    open_call* near = f.middle.open(2);
    (void)f.middle.router.send(f.middle.router.address(2, 2000, near->handle()), bytes("?"),
                               flush_mode::now);
    SECTION("itself") { f.leaf.cut_all(); }
    SECTION("the one above it") { f.middle.cut_all(); }
    const auto got = f.root.take(far);
    REQUIRE_FALSE(got);
    CHECK(got.error().reason() == reason::respondent_lost);
    CHECK_FALSE(f.middle.take(near));
    f.root.loop.run([] {});
    CHECK(disconnects == 1);
    CHECK(dead == 1);
    CHECK(wrong == 0);
    CHECK(f.root.router.why_lost(2));
    CHECK(f.root.why_not(2, 2000) == reason::respondent_lost); // later too
    f.root.router.on_disconnect(2, [&](const error&) { ++disconnects; });
    f.root.loop.run([] {});
    CHECK(disconnects == 2);
    CHECK(f.root.router.outstanding().open_count() == 0);
}

TEST_CASE("a lost parent fails everything that a context waits for") {
    family f;
    f.root.add_handler(2000, [](const message&) {}, {.from = senders::anyone});
    open_call* p = f.leaf.open(0);
    (void)f.leaf.router.send(f.leaf.router.address(0, 2000, p->handle()), bytes("?"),
                             flush_mode::now);
    f.middle.cut_all();
    CHECK_FALSE(f.leaf.take(p));
}

TEST_CASE("a bound handler takes messages of its respondent only") {
    std::atomic<int> calls{0}; // outlives the handler, which is told of its respondent's end
    family f;
    f.root.add_handler(2000,
                       [&](const message& m) {
                           ++calls;
                           f.root.router.reply(m.head, bytes("ok"), 0);
                       },
                       {.from = senders::anyone, .respondent = 2});
    CHECK(f.middle.why_not(0, 2000) == reason::refused_by_policy);
    CHECK(*f.leaf.ask(0, 2000) == "ok");
    CHECK(calls == 1);
}

TEST_CASE("a handler for one message is gone before it runs") {
    family f;
    f.leaf.add_handler(2000,
                       [&](const message& m) { f.leaf.router.reply(m.head, bytes("once"), 0); },
                       {.persist = false});
    CHECK(*f.root.ask(2, 2000) == "once");
    CHECK(f.root.why_not(2, 2000) == reason::invalid_handle);
}

TEST_CASE("a handler that throws is logged, its sender is told, and the next message is served") {
    family f;
    f.leaf.add_handler(2000, [&](const message& m) {
        if (m.payload.size() == 1) throw std::runtime_error("on purpose");
        if (m.payload.size() == 2) throw 42;
        f.leaf.router.reply(m.head, bytes("fine"), 0);
    });
    const auto got = f.root.ask(2, 2000, "1");
    REQUIRE_FALSE(got);
    CHECK(got.error().reason() == reason::remote_exception);
    CHECK(std::string(got.error().what()).find("on purpose") != std::string::npos);
    CHECK(f.root.why_not(2, 2000, "12") == reason::remote_exception);
    CHECK(*f.root.ask(2, 2000, "123") == "fine");
}

TEST_CASE("a handle has one handler, and a number of its own where the router chooses") {
    quiet no_noise;
    node root;
    root.add_echo(1001);
    CHECK(root.router.add_raw_handler(1001, {}, [](const message&) {}).error().reason() ==
          reason::misuse);
    CHECK(root.router.add_raw_handler(handle_id{1} << 32, {}, [](const message&) {})
              .error()
              .reason() == reason::misuse);
    const handle_id port = root.router.new_port();
    CHECK(mitogen::detail::is_port(port));
    root.add_echo(port);
    CHECK(*root.ask(0, port, "x") == "x");
    CHECK(root.router.add_raw_handler(port + 1, {}, [](const message&) {}).error().reason() ==
          reason::misuse); // was not given out
    root.router.remove_handler(1001);
    root.router.remove_handler(1001);
    root.add_echo(1001);
    CHECK(*root.ask(0, 1001, "x") == "x");
}

TEST_CASE("a handler may remove itself, and its captures may come back to the router") {
    quiet no_noise;
    node root;
    struct cleaner {
        core* router;
        explicit cleaner(core* r) : router(r) {}
        cleaner(cleaner&& other) noexcept : router(std::exchange(other.router, nullptr)) {}
        ~cleaner() {
            if (router) router->remove_handler(4711);
        }
    };
    root.add_handler(2000, [&root, c = cleaner(&root.router)](const message& m) {
        (void)c;
        root.router.remove_handler(2000);
        root.router.reply(m.head, bytes("bye"), 0);
    });
    CHECK(*root.ask(0, 2000) == "bye");
    CHECK(root.why_not(0, 2000) == reason::invalid_handle);
    root.add_handler(2001, [c = cleaner(&root.router)](const message&) { (void)c; });
    root.router.remove_handler(2001);
}

TEST_CASE("at the end everyone who waits is told, on the loop where it is a handler") {
    quiet no_noise;
    node root, child;
    root.add_child(1, child);
    child.add_handler(2000, [](const message&) {});
    int told = 0;
    bool on_loop = true;
    const auto call = [&](const message& m) {
        told += m.dead() && mitogen::decode_error(m.payload).reason() == reason::broker_exited;
        on_loop = on_loop && root.loop.on_loop();
    };
    REQUIRE(root.router.add_raw_handler(2001, {.from = senders::anyone}, call));
    open_call* p = root.open(1);
    (void)root.router.send(root.router.address(1, 2000, p->handle()), bytes("?"), flush_mode::now);
    root.router.close();
    CHECK(p->failure()->reason() == reason::broker_exited);
    p->release();
    CHECK(told == 1);
    CHECK(on_loop);
    std::optional<error> why;
    CHECK(root.router.outstanding().open(1, why) == nullptr);
    CHECK(root.router.add_raw_handler(3000, {}, [](const message&) {}).error().reason() ==
          reason::broker_exited);
    root.router.close();
    CHECK(told == 1);
}

TEST_CASE(
    "an answer that does not come in time fails, the other side is told, and nothing is left") {
    family f;
    std::atomic<int> cancelled{0};
    std::vector<header> asked;
    f.leaf.add_handler(2000, [&](const message& m) { asked.push_back(m.head); });
    f.leaf.add_handler(mitogen::handles::cancel_call, [&](const message&) { ++cancelled; });
    for (int i = 0; i < 50; ++i) {
        open_call* p = f.root.open(2);
        (void)f.root.router.send(f.root.router.address(2, 2000, p->handle()), bytes("?"),
                                 flush_mode::now);
        f.root.router.expire(*p, f.root.loop.io().now() + 500'000,
                             error(reason::timeout, "too late"));
        const auto got = f.root.take(p);
        REQUIRE_FALSE(got);
        CHECK(got.error().reason() == reason::timeout);
    }
    f.leaf.add_echo(2001);
    CHECK(*f.root.ask(2, 2001, "behind") == "behind");
    CHECK(cancelled == 50);
    f.leaf.loop.run([&] {
        for (const header& h : asked) f.leaf.router.reply(h, bytes("late"), 0);
    });
    CHECK(*f.root.ask(2, 2001, "behind") == "behind");
    std::uint64_t late = 0;
    f.root.loop.run([&] { late = f.root.router.late_frames(); });
    CHECK(late == 50);
    // An answer in time takes the deadline away.
    open_call* p = f.root.open(2);
    f.root.router.expire(*p, f.root.loop.io().now() + 60'000'000'000,
                         error(reason::timeout, "too late"));
    (void)f.root.router.send(f.root.router.address(2, 2001, p->handle()), bytes("!"),
                             flush_mode::now);
    CHECK(*f.root.take(p) == "!");
    CHECK(f.root.router.outstanding().open_count() == 0);
}

TEST_CASE("nobody can make a context hold messages without end") {
    quiet no_noise;
    node root;
    root.add_echo(2000, senders::anyone);
    raw_end raw = root.add_raw_child(7);
    header first{.dst = 0, .src = 7, .auth = 7, .handle = 2000, .reply_to = 9};
    first.flags = message_flags::fragment | message_flags::first;
    const std::string size("\x00\x00\x01\x00\x00\x00\x00\x00", 8);
    for (std::size_t i = 0; i < mitogen::detail::assembler::most_messages; ++i) {
        first.stream = static_cast<std::uint32_t>(i);
        raw.write(first, size);
    }
    first.stream = 1'000'000;
    raw.write(first, size);
    CHECK(raw.next_dead().reason() == reason::overloaded);
}

TEST_CASE("many threads ask at once through two hops") {
    family f;
    f.leaf.add_echo(2000);
    f.other.add_echo(2000);
    std::atomic<int> good{0};
    std::vector<std::thread> threads;
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 150; ++i) {
                const std::string text = std::to_string(t) + ":" + std::to_string(i) +
                                         std::string(i % 40 == 0 ? 200'000 : 0, 'x');
                const auto got = f.root.ask(t % 2 ? 2 : 3, 2000, text,
                                            i % 2 ? flush_mode::now : flush_mode::soon);
                good += got && *got == text;
            }
        });
    }
    for (std::thread& t : threads) t.join();
    CHECK(good == 600);
}

TEST_CASE("contexts may vanish while others send to them") {
    for (int round = 0; round < 15; ++round) {
        family f;
        f.leaf.add_echo(2000);
        std::atomic<int> asked{0};
        std::vector<std::thread> threads;
        for (int t = 0; t < 2; ++t) {
            threads.emplace_back([&] {
                while (f.root.ask(2, 2000, "x")) ++asked;
            });
        }
        while (asked < 20) std::this_thread::yield();
        if (round % 2) {
            f.leaf.cut_all();
        } else {
            f.middle.cut_all();
        }
        for (std::thread& t : threads) t.join();
        CHECK(f.root.router.outstanding().open_count() == 0);
    }
}

TEST_CASE("an error crosses the wire with all that is known of it, and is cut where it is long") {
    mitogen::error_detail d;
    d.why = reason::remote_exception;
    d.text = "text";
    d.type = "a::b";
    d.place = "web1";
    d.backtrace = "#0";
    d.context = 12;
    d.canceller = 7;
    d.radius = mitogen::cancel_radius::nursery;
    d.status = {3, 9};
    d.has_status = true;
    const error got = mitogen::decode_error(mitogen::encode_error(error(d)));
    CHECK(got.reason() == d.why);
    CHECK(got.message() == d.text);
    CHECK(got.detail().type == d.type);
    CHECK(got.detail().place == d.place);
    CHECK(got.detail().backtrace == d.backtrace);
    CHECK(got.detail().context == 12);
    CHECK(got.detail().canceller == 7);
    CHECK(got.detail().radius == mitogen::cancel_radius::nursery);
    CHECK(got.detail().status == d.status);
    CHECK(got.detail().has_status);
    d.text = d.type = d.place = d.backtrace = std::string(10'000'000, 'x');
    const buffer large = mitogen::encode_error(error(d));
    CHECK(large.size() <= mitogen::detail::error_notice_bytes);
    CHECK(mitogen::decode_error(large).message().ends_with("cut]"));
    CHECK(mitogen::decode_error(bytes("rubbish")).reason() == reason::bad_arguments);
    CHECK(mitogen::decode_error({}).reason() == reason::bad_arguments);
}

TEST_CASE("a call from below or beside is refused, and told so") {
    family f;
    // nothing is registered there
    const auto upwards = f.leaf.ask(0, mitogen::handles::call_function);
    REQUIRE_FALSE(upwards);
    CHECK(upwards.error().reason() == reason::refused_by_policy);
    CHECK(upwards.error().message() ==
          "context 2 may not call functions of context 0: only contexts above context 0 may");
    f.other.add_echo(mitogen::handles::call_function);
    const auto beside = f.leaf.ask(3, mitogen::handles::call_function);
    REQUIRE_FALSE(beside);
    CHECK(beside.error().message() ==
          "context 2 may not call functions of context 3: only contexts above context 3 may");
    CHECK(*f.root.ask(3, mitogen::handles::call_function, "from above") == "from above");
    CHECK(f.root.why_not(2, mitogen::handles::call_function) == reason::invalid_handle);
}

TEST_CASE("an address is used only if its sender may name it") {
    family f;
    auto& root = f.root.router;
    for (const auto& [from, id] : {std::pair{1u, 1u}, {1u, 2u}, {2u, 1u}, {3u, 3u}, {3u, 0u}})
        CHECK(root.may_name(from, id, false));
    for (const auto& [from, id] : {std::pair{1u, 3u}, {2u, 3u}, {3u, 1u}, {3u, 2u}, {3u, 77u}})
        CHECK_FALSE(root.may_name(from, id, false));
    root.hand_out(3, 2);
    CHECK(root.may_name(3, 2, false));
    CHECK_FALSE(root.may_name(3, 1, false));
    CHECK_FALSE(root.may_name(2, 3, false));
    root.hand_out(mitogen::no_context, 1); // to somebody
    CHECK(root.may_name(3, 1, false));
    CHECK(root.may_name(1, 2, true)); // as the answer to a request for a child
    for (const auto& [from, id] : {std::pair{1u, 1u}, {2u, 1u}, {3u, 2u}, {1u, 0u}, {1u, 77u}})
        CHECK_FALSE(root.may_name(from, id, true));
    auto& middle = f.middle.router;
    CHECK(middle.may_name(0, 2, false));  // from above, whatever it is
    CHECK(middle.may_name(3, 77, false)); // from elsewhere, what lies there
    CHECK_FALSE(middle.may_name(3, 2, false));
    CHECK(middle.may_name(2, 0, false)); // over it there is no authority here
    CHECK_FALSE(middle.may_name(2, 3, false));
    middle.hand_out(2, 3);
    CHECK(middle.may_name(2, 3, false));
    f.other.cut_all();
    while (!root.why_lost(3)) std::this_thread::yield();
    CHECK(root.may_name(1, 3, false)); // leads nowhere
}

TEST_CASE("where the mode is unidirectional, siblings are kept apart wherever their ways meet") {
    const quiet no_noise;
    const mitogen::tree_rules rules{.heartbeat = {0, 0}, .unidirectional = true};
    node root({}, rules), middle({}, rules), leaf({}, rules), other({}, rules);
    root.add_child(1, middle);
    root.add_child(3, other);
    root.lease(1, 2, 3);
    middle.add_child(2, leaf);
    root.add_echo(1000, senders::anyone);
    other.add_echo(1000, senders::anyone);
    for (node* from : {&middle, &leaf}) {
        const auto got = from->ask(3, 1000, "psst");
        REQUIRE_FALSE(got);
        CHECK(got.error().reason() == reason::unidirectional);
        CHECK(got.error().message().find("routing mode prevents forward from context ") == 0);
        CHECK(got.error().message().find(" to context 3 via context 0") != std::string::npos);
    }
    // in fragments: one answer
    CHECK(leaf.why_not(3, 1000, std::string(500'000, 'x')) == reason::unidirectional);
    CHECK(*leaf.ask(0, 1000, "upwards") == "upwards");
    CHECK(*root.ask(3, 1000, "downwards") == "downwards");
    other.cut_all();
    leaf.cut_all();
    middle.cut_all();
}

TEST_CASE("what passes through is bounded: who sends to a context that does not read is read no "
          "longer, until it does") {
    const quiet no_noise;
    mitogen::limits bounds;
    bounds.queue_bytes = 300'000;
    node root(bounds);
    raw_end from = root.add_raw_child(7);
    raw_end to = root.add_raw_child(8);
    const auto link = root.router.towards(8);
    const std::string payload(10'000, 'x');
    constexpr int count = 1'000;
    bool wrote = true; // the other thread's, until it has ended
    std::thread writes([&] {
        for (int i = 1; i <= count; ++i) {
            const header h{.dst = 8,
                           .src = 7,
                           .auth = 7,
                           .handle = 1000,
                           .stream = static_cast<std::uint32_t>(i)};
            wrote = from.try_write(h, payload) && wrote;
        }
    });
    while (link->transport->queued() <= bounds.queue_bytes) std::this_thread::yield();
    std::uint64_t most = 0;
    for (int i = 1; i <= count; ++i) {
        root.loop.run([] {});
        most = std::max(most, link->transport->queued());
        const auto [h, got] = to.next();
        REQUIRE(h.stream == static_cast<std::uint32_t>(i));
        REQUIRE(got.size() == payload.size());
    }
    writes.join();
    CHECK(wrote);
    CHECK(most < 3 * bounds.queue_bytes); // what one read brings is on top; ten millions were sent
}

TEST_CASE("who asks and does not read the answers is read no longer, until it does") {
    const quiet no_noise;
    mitogen::limits bounds;
    bounds.queue_bytes = 300'000;
    node root(bounds);
    root.add_echo(1000, senders::anyone);
    raw_end from = root.add_raw_child(7);
    const auto link = root.router.towards(7);
    const std::string payload(10'000, 'x');
    constexpr int count = 1'000;
    bool wrote = true; // the other thread's, until it has ended
    std::thread writes([&] {
        for (int i = 1; i <= count; ++i)
            wrote = from.try_write(
                        {.dst = 0, .src = 7, .auth = 7, .handle = 1000, .reply_to = 5'000'000'000},
                        payload) &&
                    wrote;
    });
    while (link->transport->queued() <= bounds.queue_bytes) std::this_thread::yield();
    std::uint64_t most = 0;
    for (int i = 1; i <= count; ++i) {
        root.loop.run([] {});
        most = std::max(most, link->transport->queued());
        REQUIRE(from.next().second.size() == payload.size());
    }
    writes.join();
    CHECK(wrote);
    CHECK(most < 3 * bounds.queue_bytes); // what one read brings is on top; ten millions were asked
}

TEST_CASE("who only answers somebody that does not read is read as before, and who asked is lost "
          "if it never reads") {
    const quiet no_noise;
    mitogen::limits bounds;
    bounds.queue_bytes = 100'000;
    node root(bounds);
    raw_end asks = root.add_raw_child(7);
    raw_end answers = root.add_raw_child(8);
    const auto link = root.router.towards(7);
    constexpr handle_id awaited = 5'000'000'000;
    constexpr int count = 1'000;
    constexpr int large_ones = 10;
    for (int i = 0; i < count + large_ones; ++i) {
        asks.write({.dst = 8, .src = 7, .auth = 7, .handle = 1000, .reply_to = awaited});
        REQUIRE(answers.next().first.reply_to == awaited);
    }
    const auto alive = [&] {
        answers.write(
            {.dst = 0, .src = 8, .auth = 8, .handle = mitogen::handles::ping, .reply_to = 4711});
        header h;
        do h = answers.next().first; // behind news of others
        while (h.handle != 4711);
    };
    const std::string small(500, 'x'); // in all five times what waits for one link
    for (int i = 0; i < count; ++i)
        answers.write({.dst = 7, .src = 8, .auth = 8, .handle = awaited}, small);
    alive();
    CHECK(link->transport->queued() > bounds.queue_bytes);
    bool wrote = true;
    std::thread writes([&] {
        const std::string large(100'000, 'x');
        for (int i = 0; i < large_ones; ++i)
            wrote = answers.try_write({.dst = 7, .src = 8, .auth = 8, .handle = awaited}, large) &&
                    wrote;
    });
    writes.join(); // in the end: 7 is lost
    CHECK(wrote);
    alive();
    CHECK(root.router.towards(7) == nullptr);
}

TEST_CASE("a small message passes all that other threads send the same way, but what is in the "
          "pipe and one part") {
    const quiet no_noise;
    node root, middle;
    root.add_child(1, middle, "middle");
    root.lease(1, 2, 3);
    raw_end slow = middle.add_raw_child(2); // reads nothing yet
    os::enlarge_pipe(slow.in.get());        // as a child's
    middle.add_echo(1000);
    root.add_echo(1000, senders::anyone);
    REQUIRE(middle.ask(0, 1000)); // the news of the other one has reached the root
    constexpr std::size_t parts = 8;
    constexpr std::size_t messages = 20;
    std::thread([&] {
        for (std::size_t i = 0; i < messages; ++i)
            (void)root.router.send(root.router.address(2, 2000),
                                   buffer(parts * mitogen::detail::fragment_bytes),
                                   flush_mode::soon);
    }).join();
    REQUIRE(root.links.front()->transport->wait_written(mitogen::never));
    REQUIRE(root.ask(1, 1000)); // all of it is at the hop
    REQUIRE(root.router.send(root.router.address(2, 2001), bytes("small"), flush_mode::now));
    REQUIRE(root.ask(1, 1000)); // and so is that
    std::size_t before = static_cast<std::size_t>(-1);
    std::size_t large = 0;
    while (large < messages * (parts + 1)) {
        const auto [h, payload] = slow.next();
        if (h.handle == 2001) before = large;
        large += h.handle == 2000;
    }
    CHECK(before <= 4); // an announcement, two parts in the pipe, and one that was being written
}

TEST_CASE("what the loop sends keeps its order, whichever thread leads it") {
    const quiet no_noise;
    node one;
    raw_end far = one.add_raw_child(5);
    std::promise<void> sent;
    one.loop.defer([&] { // on the loop's own thread: nobody else leads
        (void)one.router.send(one.router.address(5, 2000),
                              buffer(8 * mitogen::detail::fragment_bytes), flush_mode::soon);
        sent.set_value();
    });
    sent.get_future().wait();
    one.loop.run([&] { // on this thread, if there is a gate
        (void)one.router.send(one.router.address(5, 2001), bytes("small"), flush_mode::soon);
    });
    std::vector<handle_id> order;
    while (order.size() < 10) order.push_back(far.next().first.handle);
    CHECK(std::count(order.begin(), order.end(), 2000) == 9);
    CHECK(order.back() == 2001);
}

TEST_CASE("who is keep_alive because of a link that is then closed is read again") {
    const quiet no_noise;
    mitogen::limits bounds;
    bounds.queue_bytes = 100'000;
    node root(bounds);
    raw_end from = root.add_raw_child(7);
    raw_end to = root.add_raw_child(8);
    const auto link = root.router.towards(8);
    const std::string payload(10'000, 'x');
    bool wrote = true; // the other thread's, until it has ended
    std::thread writes([&] {
        for (int i = 0; i < 200; ++i)
            wrote =
                from.try_write({.dst = 8, .src = 7, .auth = 7, .handle = 1000}, payload) && wrote;
        wrote =
            from.try_write({.dst = 0, .src = 7, .auth = 7, .handle = 4711, .reply_to = 1}) && wrote;
    });
    while (link->transport->queued() <= bounds.queue_bytes) std::this_thread::yield();
    root.loop.run([&] { link->transport->close(reason::respondent_lost, "cut"); });
    writes.join();
    CHECK(wrote);
    CHECK(from.next().first.handle == mitogen::handles::del_route); // it has sent to what is lost
    CHECK(from.next_dead().reason() == reason::invalid_handle);
}

} // namespace
