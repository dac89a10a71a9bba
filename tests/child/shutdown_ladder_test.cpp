// SPDX-License-Identifier: BSL-1.0
#include <mitogen/child/shutdown_ladder.hpp>

#include <catch2/catch.hpp>

namespace {

using mitogen::detail::shutdown_ladder;

/// 30 and 10 until the signals, 5 for a status, 7 for a link.
constexpr mitogen::shutdown_timeouts timeouts{
    .grace = 30, .after_term = 10, .for_status = 5, .for_link = 7};

TEST_CASE("an end that takes its time is expedited by SIGTERM, then SIGKILL, once each") {
    shutdown_ladder e(timeouts);
    e.begin(100);
    CHECK(e.next_look(100, true, true) == 130);
    CHECK(e.due_signal(129) == shutdown_ladder::no_signal);
    CHECK(e.due_signal(130) == shutdown_ladder::term);
    CHECK(e.due_signal(130) == shutdown_ladder::no_signal);
    CHECK(e.next_look(130, true, true) == 140);
    CHECK(e.due_signal(139) == shutdown_ladder::no_signal);
    CHECK(e.due_signal(140) == shutdown_ladder::kill);
    CHECK(e.due_signal(1000) == shutdown_ladder::no_signal);
    // looks now and then, should a signal have been lost
    CHECK(e.next_look(140, true, true) == 150);
}

TEST_CASE("who looks late kills at once") {
    shutdown_ladder e(timeouts);
    e.begin(100);
    CHECK(e.due_signal(5000) == shutdown_ladder::kill);
    CHECK(e.due_signal(5001) == shutdown_ladder::no_signal);
}

TEST_CASE("nothing is due after a kill") {
    shutdown_ladder e(timeouts);
    e.begin(100);
    e.killed();
    CHECK(e.due_signal(500) == shutdown_ladder::no_signal);
}

TEST_CASE("what was sent SIGTERM at once has until SIGKILL, and is sent no second one") {
    shutdown_ladder e(timeouts);
    e.terminated(100);
    CHECK(e.next_look(100, true, true) == 110);
    CHECK(e.due_signal(109) == shutdown_ladder::no_signal);
    CHECK(e.due_signal(110) == shutdown_ladder::kill);
    CHECK(e.due_signal(500) == shutdown_ladder::no_signal);
}

TEST_CASE("a loss is reported without exit status after a while, and that is looked at in time") {
    shutdown_ladder e(timeouts);
    e.begin(100);
    CHECK_FALSE(e.report_due(104));
    CHECK(e.report_due(105));
    CHECK(e.next_look(100, true, false) == 105);
    CHECK(e.next_look(110, true, false) == 110); // never in the past
    CHECK(e.next_look(100, false, false) == 105);
}

TEST_CASE("the link of a process that is gone stays for a while from the first news") {
    shutdown_ladder e(timeouts);
    e.begin(100);
    e.exited(200);
    e.exited(300);
    CHECK(e.link_end() == 207);
}

TEST_CASE("a client of what has ended in order is not waited for longer than for a status") {
    shutdown_ladder e(timeouts);
    e.begin(100);
    CHECK(e.client_end() == mitogen::never);
    e.served(110);
    e.served(120); // only the first time counts
    CHECK(e.client_end() == 115);
    CHECK(e.next_look(110, true, true) == 115);
    CHECK(e.due_signal(116) == shutdown_ladder::no_signal); // the child takes that for itself
    e.terminated(116);
    CHECK(e.next_look(116, true, true) == 126);
    CHECK(e.due_signal(126) == shutdown_ladder::kill);
}

TEST_CASE(
    "no signal is due while somebody looks at it in a debugger, and then all of its time is") {
    shutdown_ladder e(timeouts);
    e.begin(100);
    e.hold();
    CHECK(e.due_signal(10'000) == shutdown_ladder::no_signal);
    CHECK(e.next_look(10'000, true, true) > 10'000);
    e.release(10'000);
    shutdown_ladder fresh(timeouts);
    fresh.begin(10'000);
    CHECK(e.next_look(10'000, true, true) == fresh.next_look(10'000, true, true));
    for (mitogen::instant now = 10'000; now < 10'100; ++now)
        CHECK(e.due_signal(now) == fresh.due_signal(now));
}

TEST_CASE("what was not asked to end has no time that could be given back") {
    shutdown_ladder e(timeouts);
    e.hold();
    e.release(50);
    CHECK(e.due_signal(mitogen::never - 1) == shutdown_ladder::no_signal);
    e.begin(100);
    CHECK(e.due_signal(mitogen::never - 1) != shutdown_ladder::no_signal);
}

TEST_CASE("a timeouts without limit never ends") {
    shutdown_ladder e({.grace = mitogen::never,
                       .after_term = mitogen::never,
                       .for_status = mitogen::never,
                       .for_link = 7});
    e.begin(100);
    CHECK(e.due_signal(mitogen::never - 1) == shutdown_ladder::no_signal);
    CHECK_FALSE(e.report_due(mitogen::never - 1));
}

} // namespace
