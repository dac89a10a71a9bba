// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/raw_link.hpp"
#include "../support/engine.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace typed_handler_test {

inline constexpr mitogen::handle<std::string, int> progress{2001};
inline constexpr mitogen::handle<> nudge{2002};
inline constexpr mitogen::handle<mitogen::context, int> about{2003};

void report(mitogen::router& here, mitogen::context_id to, int times) {
    for (int i = 0; i < times; ++i) here.context_by_id(to).send(progress, "copy", i);
}
void introduce(mitogen::router& here, mitogen::context_id to) {
    here.context_by_id(to).send(about, here.myself(), 7);
}
bool listens(mitogen::router& here) {
    here.add_handler(nudge, [](const mitogen::message&) {});
    return true;
}

} // namespace typed_handler_test

namespace {
using namespace typed_handler_test;
using generic::above_raw_link;
using generic::contains;
using generic::shared_pipe;
using generic::tree;
using mitogen::reason;

TEST_CASE("a handler gets the values of each message, in order") {
    shared_pipe told;
    std::vector<std::pair<std::string, int>> seen;
    mitogen::context_id sender = mitogen::no_context;
    tree t;
    t.root.add_handler(progress,
                       [&](const mitogen::message& m, const std::string& what, int percent) {
                           sender = m.src();
                           seen.emplace_back(what, percent);
                           told.post();
                       },
                       {.from = mitogen::senders::anyone});
    mitogen::context child = t.root.local();
    child.call<&report>(t.root.id(), 50);
    for (int i = 0; i < 50; ++i) REQUIRE(told.wait());
    for (int i = 0; i < 50; ++i)
        CHECK(seen[static_cast<std::size_t>(i)] == std::pair<std::string, int>("copy", i));
    CHECK(sender == child.id());
    t.root.myself().send(progress, "self", 100); // a context may send to itself
    REQUIRE(told.wait());
    CHECK(seen.back().first == "self");
}

TEST_CASE("contexts arrive in handlers, and can be called") {
    shared_pipe told;
    mitogen::context seen;
    tree t;
    t.root.add_handler(about,
                       [&](const mitogen::message&, mitogen::context who, int) {
                           seen = who;
                           told.post();
                       },
                       {.from = mitogen::senders::anyone});
    mitogen::context child = t.root.local();
    child.call_no_reply<&introduce>(t.root.id());
    REQUIRE(told.wait());
    CHECK(seen == child);
    CHECK(seen.call<&generic::add>(1, 1) == 2);
}

TEST_CASE("by default a handler takes messages from parents only") {
    generic::log_capture log;
    above_raw_link a;
    int runs = 0;
    a.t.root.add_handler(nudge, [&](const mitogen::message&) { ++runs; });
    a.peer.send(a.to_root(nudge.number, 7'000'000'000));
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::refused_by_policy);
    CHECK(runs == 0);
    tree other;
    mitogen::context child = other.root.local();
    CHECK(child.call<&listens>());
    CHECK_NOTHROW(child.send(nudge)); // from its parent
    child.ping().get();
    CHECK(log.records().size() == 1);
}

TEST_CASE("a number has one handler") {
    tree t;
    t.root.add_handler(nudge, [](const mitogen::message&) {});
    CHECK_THROWS_AS(t.root.add_handler(nudge, [](const mitogen::message&) {}),
                    mitogen::logic_error);
    const auto again = t.root.node().add_raw_handler(mitogen::handles::forward_log, {},
                                                     [](const mitogen::message&) {});
    REQUIRE_FALSE(again.has_value());
    CHECK(again.error().reason() == reason::misuse);
    t.root.node().remove_handler(nudge.number);
    CHECK_NOTHROW(t.root.add_handler(nudge, [](const mitogen::message&) {}));
    CHECK(t.root.node().new_port() != t.root.node().new_port());
}

TEST_CASE("messages are sent and handlers added with the error as a value") {
    shared_pipe told;
    tree t;
    CHECK(t.root.try_add_handler(nudge,
                                 [&](const mitogen::message& m) {
                                     if (!m.dead()) told.post();
                                 },
                                 {.from = mitogen::senders::anyone}));
    const auto taken = t.root.try_add_handler(nudge, [](const mitogen::message&) {});
    REQUIRE_FALSE(taken.has_value());
    CHECK(taken.error().reason() == reason::misuse);
    CHECK(t.root.myself().try_send(nudge));
    CHECK(told.wait());
    const auto from_nothing = mitogen::context().try_send(nudge);
    REQUIRE_FALSE(from_nothing.has_value());
    CHECK(from_nothing.error().reason() == reason::misuse);
    const mitogen::context child = t.root.local();
    CHECK(child.call<&listens>());
    CHECK(child.try_send(nudge));
    CHECK(child.shutdown().get().success());
    const auto lost = child.try_send(nudge);
    REQUIRE_FALSE(lost.has_value());
    CHECK(lost.error().kind() == mitogen::kind::disconnected);
    t.root.close();
    const auto closed =
        t.root.try_add_handler(about, [](const mitogen::message&, mitogen::context, int) {});
    REQUIRE_FALSE(closed.has_value());
    CHECK(closed.error().reason() == reason::broker_exited);
}

TEST_CASE("a handler that does not persist runs once") {
    above_raw_link a;
    int runs = 0;
    a.t.root.add_handler(nudge, [&](const mitogen::message&) { ++runs; },
                         {.from = mitogen::senders::anyone, .persist = false});
    a.peer.send(a.to_root(nudge.number));
    a.peer.send(a.to_root(nudge.number, 7'000'000'000));
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::invalid_handle);
    CHECK(runs == 1);
}

TEST_CASE("a handler that throws hurts nobody, and the sender is told") {
    generic::log_capture log;
    above_raw_link a;
    a.t.root.add_handler(progress,
                         [](const mitogen::message&, const std::string& what, int percent) {
                             if (percent < 0) throw std::runtime_error("negative " + what);
                             if (percent == 0) throw 42;
                         },
                         {.from = mitogen::senders::anyone});
    a.peer.send(a.to_root(progress.number, 7'000'000'000),
                mitogen::encode(std::string("progress"), -1));
    const mitogen::error why = a.peer.error_for(7'000'000'000);
    CHECK(contains(why.message(), "negative progress"));
    a.peer.send(a.to_root(progress.number, 7'000'000'001),
                mitogen::encode(std::string("progress"), 0));
    CHECK(a.peer.error_for(7'000'000'001).reason() != reason::none);
    CHECK(log.wait_for("negative progress"));
    a.peer.send(a.to_root(4711, 7'000'000'002)); // the loop goes on
    CHECK(a.peer.error_for(7'000'000'002).reason() == reason::invalid_handle);
}

TEST_CASE("a message that does not decode is refused, and the sender is told") {
    generic::log_capture log;
    above_raw_link a;
    int runs = 0;
    a.t.root.add_handler(progress,
                         [&](const mitogen::message&, const std::string&, int) { ++runs; },
                         {.from = mitogen::senders::anyone});
    a.peer.send(a.to_root(progress.number, 7'000'000'000), std::vector<std::byte>(3));
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::bad_arguments);
    const mitogen::buffer trailing = mitogen::encode(std::string("x"), 1, 2);
    a.peer.send(a.to_root(progress.number, 7'000'000'000), trailing);
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::bad_arguments);
    CHECK(runs == 0);
    CHECK(log.wait_for("does not decode"));
}

TEST_CASE("a handler that is bound to a context hears of its end, and of nobody else") {
    generic::log_capture quiet;
    shared_pipe told;
    std::string seen;
    above_raw_link a;
    a.t.loop.engine().run([&] {
        support::engine(a.t.root).routes().add({2, 1, "below raw", 0, a.peer_link});
    });
    struct receiver {
        std::string& seen;
        shared_pipe& told;
        void operator()(const mitogen::message&, const std::string& what, int) const {
            seen += what;
            told.post();
        }
        void operator()(const mitogen::message& m) const {
            seen += m.dead() ? " dead" : " what?";
            told.post();
        }
    };
    a.t.root.add_handler(progress, receiver{seen, told},
                         {.from = mitogen::senders::anyone, .respondent = 1});
    auto stranger = a.to_root(progress.number, 7'000'000'000);
    stranger.src = stranger.auth = 2;
    a.peer.send(stranger, mitogen::encode(std::string("stranger"), 1));
    CHECK(a.peer.error_for(7'000'000'000).reason() == reason::refused_by_policy);
    a.peer.send(a.to_root(progress.number), mitogen::encode(std::string("hello"), 1));
    REQUIRE(told.wait());
    a.peer.close();
    REQUIRE(told.wait());
    CHECK(seen == "hello dead");
    CHECK(a.lost().reason() == reason::respondent_lost);
    CHECK_NOTHROW(a.t.root.add_handler(progress, receiver{seen, told})); // the number is free again
}

TEST_CASE("handlers that are left at the end get a dead message") {
    int dead = 0;
    {
        tree t;
        t.root.add_handler(nudge, [&](const mitogen::message& m) { dead += m.dead() ? 1 : 0; });
        struct receiver {
            int& dead;
            void operator()(const mitogen::message&, const std::string&, int) const {}
            void operator()(const mitogen::message& m) const { dead += m.dead() ? 1 : 0; }
        };
        t.root.add_handler(progress, receiver{dead});
    }
    CHECK(dead >= 1);
}

TEST_CASE("the end of a context is told once to each who asked, also afterwards") {
    shared_pipe told;
    std::vector<std::string> seen;
    tree t;
    mitogen::context child = t.root.local({.name = "short"});
    const auto note = [&](const mitogen::error& why) {
        seen.emplace_back(why.what());
        told.post();
    };
    child.on_disconnect(note);
    child.on_disconnect(note);
    child.on_disconnect(
        [](const mitogen::error&) { throw std::runtime_error("a callback may throw"); });
    generic::log_capture quiet;
    child.call_no_reply<&generic::end_by_exit>(3);
    REQUIRE(told.wait());
    REQUIRE(told.wait());
    child.on_disconnect(note);
    REQUIRE(told.wait());
    t.loop.engine().run([] {});
    REQUIRE(seen.size() == 3);
    for (const auto& s : seen) CHECK(contains(s, "exit status 3"));
}

} // namespace
