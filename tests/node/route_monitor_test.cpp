// SPDX-License-Identifier: BSL-1.0
#include "tree.hpp"

#include <mitogen/codec/codec.hpp>

#include <atomic>
#include <future>
#include <thread>

namespace {

using namespace tree;

std::string route_text(context_id id, context_id parent) {
    return text_of(
        mitogen::encode(id, parent, std::string("claimed"), mitogen::detail::build_hash{5}));
}

/// Waits until everything that the raw end has written before was looked at.
void settle(raw_end& raw, context_id as) {
    raw.write({.dst = 0, .src = as, .auth = as, .handle = 4711, .reply_to = 1});
    CHECK(raw.next_dead().reason() == reason::invalid_handle);
}

TEST_CASE("every context above learns of a new one, and of its end") {
    family f;
    const auto known = f.root.router.routes().get(2);
    CHECK(known.name == "leaf");
    CHECK(known.parent == 1);
    CHECK(f.root.router.below().size() == 3);
    CHECK(f.middle.router.below().size() == 1);
    CHECK(f.leaf.router.below().empty());
    node deep;
    f.lease(1234, 1235);
    f.leaf.add_child(1234, deep, "deep");
    CHECK(*deep.ask(0, 1000, "x") == "x"); // nobody waits: the news is ahead of the message
    CHECK(f.root.router.routes().get(1234).name == "deep");
    CHECK(f.root.router.routes().get(1234).parent == 2);
    open_call* p = f.root.open(1234);
    deep.cut_all();
    const auto got = f.root.take(p);
    REQUIRE_FALSE(got);
    CHECK(got.error().reason() == reason::respondent_lost);
    CHECK(f.root.router.below().size() == 3);
}

TEST_CASE("with a context everything below it is lost") {
    family f;
    open_call* p = f.root.open(2);
    f.middle.cut_all();
    CHECK_FALSE(f.root.take(p));
    f.root.loop.run([] {});
    const auto left = f.root.router.below();
    REQUIRE(left.size() == 1);
    CHECK(left[0].id == 3);
    CHECK(f.root.router.why_lost(1));
    CHECK(f.root.router.why_lost(2));
}

TEST_CASE("a child may announce what is below it, and take it back") {
    family f;
    raw_end raw = f.root.add_raw_child(7);
    f.root.lease(7, 70, 80);
    header add{.dst = 0, .src = 7, .auth = 7, .handle = mitogen::handles::add_route};
    raw.write(add, route_text(70, 7));
    raw.write(add, route_text(71, 70));
    settle(raw, 7);
    CHECK(f.root.router.routes().get(70).name == "claimed");
    CHECK(f.root.router.routes().get(71).parent == 70);
    raw.write({.dst = 0, .src = 71, .auth = 71, .handle = 4711, .reply_to = 3});
    CHECK(raw.next_dead().reason() == reason::invalid_handle); // may send now
    header del = add;
    del.handle = mitogen::handles::del_route;
    const buffer notice = mitogen::encode_error(error(reason::respondent_lost, "it fell"));
    raw.write(del, text_of(mitogen::encode(context_id{71}, std::span<const std::byte>(notice))));
    settle(raw, 7);
    CHECK(f.root.router.routes().find(71) == nullptr);
    CHECK(f.root.router.why_lost(71)->message() == "it fell");
}

/// What a callback of on_disconnect is told.
struct told {
    std::promise<reason> why;
    auto call() {
        return [this](const error& e) { why.set_value(e.reason()); };
    }
};

TEST_CASE("who watches a context that is elsewhere is told of its end, however far away it is") {
    family f;
    told of_other, of_leaf;
    std::promise<context_id> bound;
    f.leaf.router.on_disconnect(3, of_other.call()); // has never sent to it
    f.leaf.add_handler(2001, [&](const message& m) { bound.set_value(m.dead() ? m.src() : 0); },
                       {.from = senders::anyone, .respondent = 3});
    f.other.router.on_disconnect(2, of_leaf.call());
    CHECK(f.leaf.router.reaches(3));
    REQUIRE(f.leaf.ask(0, 1000)); // the root knows of that now, and
    REQUIRE(f.other.ask(0, 1000));
    SECTION("the one end") {
        f.other.cut_all();
        CHECK(of_other.why.get_future().get() == reason::respondent_lost);
        CHECK(bound.get_future().get() == 3);
        CHECK_FALSE(f.leaf.router.reaches(3));
        told later;
        f.leaf.router.on_disconnect(3, later.call());
        CHECK(later.why.get_future().get() == reason::respondent_lost);
    }
    SECTION("the other end") {
        f.leaf.cut_all();
        CHECK(of_leaf.why.get_future().get() == reason::respondent_lost);
        CHECK_FALSE(f.other.router.reaches(2));
        // what lies beyond the link to the parent is lost with it
        CHECK(of_other.why.get_future().get() == reason::respondent_lost);
        CHECK(bound.get_future().get() == 3);
    }
}

TEST_CASE("who watches a context that is not there is told at once") {
    family f;
    for (node* at : {&f.root, &f.middle, &f.leaf}) {
        CAPTURE(at->router.id());
        told never_was;
        at->router.on_disconnect(4711, never_was.call());
        CHECK(never_was.why.get_future().get() == reason::no_route);
        CHECK_FALSE(at->router.reaches(4711));
    }
    std::promise<bool> dead;
    f.leaf.add_handler(2001, [&](const message& m) { dead.set_value(m.dead()); },
                       {.from = senders::anyone, .respondent = 4712});
    CHECK(dead.get_future().get());
    f.other.cut_all();
    REQUIRE(f.root.loop.run([] {}));
    while (f.root.router.routes().find(3)) std::this_thread::yield();
    told lost;
    f.leaf.router.on_disconnect(3, lost.call()); // before, and nobody has told it
    CHECK(lost.why.get_future().get() == reason::respondent_lost);
}

TEST_CASE("watches of a child that do not decode, or are many, cost a refusal and no more") {
    family f;
    raw_end raw = f.root.add_raw_child(7);
    const header watch{.dst = 0, .src = 7, .auth = 7, .handle = mitogen::handles::watch_route};
    raw.write(watch, "rubbish");
    settle(raw, 7);
    CHECK(f.root.router.routes().find(7)->refusals == 1);
    for (context_id id = 0; id < 5000; ++id) raw.write(watch, text_of(mitogen::encode(id % 3)));
    settle(raw, 7); // of those that are there, and of the root, nothing is said
    raw.write(watch, text_of(mitogen::encode(context_id{4711})));
    const auto [head, payload] = raw.next();
    CHECK(head.handle == mitogen::handles::del_route);
    CHECK(*mitogen::decode<context_id>(bytes(payload).first(4)) == 4711);
    f.leaf.cut_all();
    CHECK(raw.next().first.handle == mitogen::handles::del_route);
}

TEST_CASE("routes that nobody may claim are refused") {
    family f;
    const std::size_t before = f.root.router.below().size();
    raw_end raw = f.root.add_raw_child(7);
    f.root.lease(7, 70, 80);
    header add{.dst = 0, .src = 7, .auth = 7, .handle = mitogen::handles::add_route};
    raw.write(add, route_text(0, 7));  // the root itself
    raw.write(add, route_text(1, 7));  // somebody else's
    raw.write(add, route_text(2, 7));  // of another branch
    raw.write(add, route_text(80, 1)); // below another branch
    raw.write(add, route_text(7, 7));  // known
    raw.write(add, "rubbish");
    settle(raw, 7);
    CHECK(f.root.router.below().size() == before + 1);
    CHECK(f.root.router.routes().get(1).name == "middle");
    CHECK(*f.middle.ask(0, 1000, "unharmed") == "unharmed");
}

TEST_CASE("a route is believed only of an id that was handed out over that link, and once") {
    family f;
    raw_end raw = f.root.add_raw_child(7);
    header add{.dst = 0, .src = 7, .auth = 7, .handle = mitogen::handles::add_route};
    f.skip_ids();
    for (const context_id never_given : {8u, 70u, 5000u, 0xffff'fffeu, 0xffff'ffffu})
        raw.write(add, route_text(never_given, 7));
    raw.write(
        {.dst = 0, .src = 7, .auth = 7, .handle = mitogen::handles::allocate_id, .reply_to = 9});
    const auto [head, payload] = raw.next();
    CHECK(head.handle == 9);
    const context_id first = *mitogen::decode<context_id>(bytes(payload));
    raw.write(add, route_text(first - 1, 7));
    raw.write(add, route_text(first + 1000, 7));
    raw.write(add, route_text(first, 7));
    raw.write(add, route_text(first + 999, first));
    raw.write(add, route_text(first + 5, 4999)); // below somebody who is not there
    settle(raw, 7);
    CHECK(f.root.router.routes().find(first));
    CHECK(f.root.router.routes().get(first + 999).parent == first);
    CHECK(f.root.router.below().size() == 3 + 3);
    // gone for good, and not below one that was below it
    header del = add;
    del.handle = mitogen::handles::del_route;
    const buffer notice = mitogen::encode_error(error(reason::respondent_lost, "it fell"));
    raw.write(del, text_of(mitogen::encode(first, std::span<const std::byte>(notice))));
    raw.write(add, route_text(first, first + 999));
    raw.write(add, route_text(first, 7));
    raw.write(add, route_text(first + 1, first + 999));
    settle(raw, 7);
    CHECK_FALSE(f.root.router.routes().find(first));
    CHECK_FALSE(f.root.router.routes().find(first + 1));
    CHECK(f.root.router.path_of(first + 999).size() <= 1);
    CHECK(f.root.router.routes().find(7)->refusals == 11);
}

TEST_CASE("what was handed out below somebody else is nobody else's, at every hop") {
    family f;
    raw_end raw = f.middle.add_raw_child(7);
    f.skip_ids();
    const context_id of_leaf = *f.leaf.numbers.next();
    const context_id of_middle = *f.middle.numbers.next();
    const header add{.dst = 1, .src = 7, .auth = 7, .handle = mitogen::handles::add_route};
    for (const context_id id : {3u, of_leaf, of_middle, of_leaf + 500})
        raw.write(add, route_text(id, 7));
    raw.write({.dst = 1, .src = 7, .auth = 7, .handle = 4711, .reply_to = 1});
    CHECK(raw.next_dead().reason() == reason::invalid_handle);
    for (const context_id id : {3u, of_leaf, of_middle, of_leaf + 500})
        CHECK_FALSE(f.middle.router.routes().find(id));
    node deep;
    f.leaf.add_child(of_leaf, deep, "deep"); // whose it is may
    CHECK(*deep.ask(0, 1000, "x") == "x");
    CHECK(f.root.router.path_of(of_leaf) == std::vector<std::string>{"middle", "leaf", "deep"});
}

TEST_CASE("names, depths and numbers of routes, and last words, are bounded") {
    family f({.routes = 100});
    raw_end raw = f.root.add_raw_child(7);
    f.root.lease(7, 1000, 2000);
    header add{.dst = 0, .src = 7, .auth = 7, .handle = mitogen::handles::add_route};
    const auto named = [&](context_id id, context_id parent, std::string name) {
        return text_of(mitogen::encode(id, parent, name, mitogen::detail::build_hash{5}));
    };
    raw.write(add, named(1900, 7, std::string(257, 'n')));
    raw.write(add, named(1901, 7, "\x1b[2J\nmitogen"));
    raw.write(add, named(1902, 7, ""));
    context_id above = 7;
    for (context_id id = 1000; id < 1200; above = id++) raw.write(add, route_text(id, above));
    settle(raw, 7);
    CHECK_FALSE(f.root.router.routes().find(1900));
    CHECK(f.root.router.routes().get(1901).name == "\\x1b[2J\\nmitogen");
    CHECK(f.root.router.routes().get(1902).name == "context.1902");
    CHECK(f.root.router.routes().find(1063));
    CHECK_FALSE(f.root.router.routes().find(1064));
    CHECK(f.root.router.path_of(1063).size() == 65);
    CHECK(f.root.router.routes().find(7)->levels == 10);
    for (context_id id = 1300; id < 1400; ++id) raw.write(add, route_text(id, 7));
    settle(raw, 7);
    CHECK(f.root.router.routes().find(7)->routes == 100);
    CHECK(f.root.router.below().size() == 3 + 1 + 100);
    header del = add;
    del.handle = mitogen::handles::del_route;
    const buffer notice =
        mitogen::encode_error(error(reason::respondent_lost, std::string(65'000, 'x')));
    const std::string lost =
        text_of(mitogen::encode(context_id{1902}, std::span<const std::byte>(notice)));
    raw.write(del, lost + std::string(1000, 'x')); // does not decode
    settle(raw, 7);
    CHECK(f.root.router.routes().find(1902));
}

TEST_CASE("a child cannot become its grandparent: that would be authority over its parent") {
    family f;
    os::unique_fd in, out;
    raw_end raw;
    raw = f.middle.add_raw_child(7);
    std::atomic<int> reached{0};
    f.middle.add_handler(2000, [&](const message&) { ++reached; });
    raw.write({.dst = 1, .src = 7, .auth = 7, .handle = mitogen::handles::add_route},
              route_text(0, 7));
    raw.write({.dst = 1, .src = 7, .auth = 0, .handle = 2000, .reply_to = 5});
    CHECK(raw.next_dead().reason() == reason::unauthorised);
    CHECK(reached == 0);
    CHECK(*f.middle.ask(0, 1000, "the true root") == "the true root");
}

TEST_CASE("only the neighbour speaks for its branch, and only for its own") {
    family f;
    raw_end raw = f.root.add_raw_child(7);
    f.root.lease(7, 70, 80);
    header add{.dst = 0, .src = 7, .auth = 7, .handle = mitogen::handles::add_route};
    raw.write(add, route_text(70, 7));
    raw.write(add, route_text(71, 7));
    const std::string notice = text_of(mitogen::encode_error(error(reason::respondent_lost, "x")));
    const auto del_text = [&](context_id id) {
        return text_of(mitogen::encode(id, bytes(notice)));
    };
    header del = add;
    del.handle = mitogen::handles::del_route;
    raw.write(del, del_text(2)); // another branch
    raw.write(del, del_text(7)); // itself: its link's end says that
    raw.write(del, del_text(99));
    raw.write(del, "rubbish");
    header grandchild = del;
    grandchild.src = grandchild.auth = 70;
    raw.write(grandchild, del_text(71));
    grandchild.handle = mitogen::handles::add_route;
    raw.write(grandchild, route_text(72, 70));
    settle(raw, 7);
    for (const context_id id : {2u, 7u, 70u, 71u}) CHECK(f.root.router.routes().find(id));
    CHECK_FALSE(f.root.router.routes().find(72));
}

TEST_CASE("who waits for a lost context in another branch is told at once, through two levels") {
    family f;
    node deep;
    f.lease(1234, 1235);
    f.leaf.add_child(1234, deep, "deep");
    open_call* by_leaf = f.leaf.open(3);
    open_call* by_deep = deep.open(3);
    std::atomic<int> asked{0};
    f.other.add_handler(2000, [&](const message&) { ++asked; }, {.from = senders::anyone});
    f.other.add_echo(2001, senders::anyone);
    REQUIRE(f.leaf.router.send(f.leaf.router.address(3, 2000, by_leaf->handle()), bytes("?"),
                               flush_mode::soon));
    REQUIRE(deep.router.send(deep.router.address(3, 2000, by_deep->handle()), bytes("?"),
                             flush_mode::soon));
    CHECK(*f.leaf.ask(3, 2001, "behind it") == "behind it");
    CHECK(*deep.ask(3, 2001, "behind it") == "behind it");
    CHECK(asked == 2);
    f.other.cut_all();
    for (const auto& got : {f.leaf.take(by_leaf), deep.take(by_deep)}) {
        REQUIRE_FALSE(got);
        CHECK(got.error().reason() == reason::respondent_lost);
    }
    CHECK(deep.router.why_lost(3));
    CHECK(f.leaf.router.why_lost(3));
    bool forgotten = false;
    CHECK(f.root.router.loop().run([&] { forgotten = f.root.router.partners_of(3).empty(); }));
    CHECK(forgotten);
}

TEST_CASE("the last words of a lost context are for those above it alone") {
    family f;
    const std::string words = "its end; its last lines on stderr:\n  a password";
    const auto lose = [&](node& at, context_id id) {
        at.loop.run([&] {
            for (const auto& l : at.links)
                if (l->id == id) return l->close(reason::respondent_lost, words);
        });
    };
    node deep;
    f.lease(1234, 1235);
    f.leaf.add_child(1234, deep, "deep");
    deep.add_echo(2001, senders::anyone);
    f.other.add_echo(2001, senders::anyone);
    REQUIRE(*deep.ask(3, 2001, "x") == "x");
    REQUIRE(*f.other.ask(1234, 2001, "x") == "x");
    SECTION("one of another branch") {
        open_call* p = deep.open(3);
        lose(f.root, 3);
        const auto got = deep.take(p);
        REQUIRE_FALSE(got);
        CHECK(got.error().message() == "context 3 is lost: its end");
        CHECK(f.leaf.router.why_lost(3)->message() == "context 3 is lost: its end");
        CHECK(f.root.router.why_lost(3)->message() == "context 3 is lost: " + words);
    }
    SECTION("one further down, of which those above are told") {
        open_call* p = f.other.open(1234);
        lose(f.leaf, 1234);
        const auto got = f.other.take(p);
        REQUIRE_FALSE(got);
        CHECK(got.error().message() == "context 1234 is lost: its end");
        for (node* above : {&f.root, &f.middle, &f.leaf})
            CHECK(above->router.why_lost(1234)->message() == "context 1234 is lost: " + words);
    }
    SECTION("one that somebody asks about later") {
        lose(f.root, 3);
        raw_end raw = f.root.add_raw_child(7);
        raw.write({.dst = 0, .src = 7, .auth = 7, .handle = mitogen::handles::watch_route},
                  text_of(mitogen::encode(context_id{3})));
        const auto [head, payload] = raw.next();
        CHECK(head.handle == mitogen::handles::del_route);
        CHECK(payload.find("its end") != std::string::npos);
        CHECK(payload.find("password") == std::string::npos);
    }
}

TEST_CASE("who has nothing to do with a lost context is not told") {
    family f;
    f.other.cut_all();
    CHECK(*f.leaf.ask(0, 1000, "behind it") == "behind it");
    CHECK_FALSE(f.leaf.router.why_lost(3));
}

TEST_CASE("only the parent tells of losses elsewhere, and not of what is known better here") {
    family f;
    const buffer notice = mitogen::encode_error(error(reason::respondent_lost, "it fell"));
    const auto tell = [&](node& from, context_id to, context_id gone) {
        REQUIRE(from.router.send(from.router.address(to, mitogen::handles::del_route),
                                 mitogen::encode(gone, std::span<const std::byte>(notice)),
                                 flush_mode::soon));
    };
    f.middle.add_echo(2000, senders::anyone);
    tell(f.other, 1, 77); // a sibling
    CHECK(*f.other.ask(1, 2000, "behind it") == "behind it");
    CHECK_FALSE(f.middle.router.why_lost(77));
    for (const context_id known : {0u, 1u, 2u}) tell(f.root, 1, known);
    tell(f.root, 1, 77);
    CHECK(*f.root.ask(1, 2000, "behind it") == "behind it");
    CHECK(f.middle.router.why_lost(77)->message() == "it fell");
    for (const context_id known : {0u, 1u, 2u}) CHECK_FALSE(f.middle.router.why_lost(known));
    CHECK(f.middle.router.routes().find(2));
}

} // namespace
