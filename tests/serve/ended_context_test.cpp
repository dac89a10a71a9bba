// SPDX-License-Identifier: BSL-1.0
// Who has ended a context is told to what runs there, and to those who wait for it.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <mitogen/mitogen.hpp>
#include <stop_token>
#include <string>
#include <unistd.h>

namespace ended_context_test {

using generic::shared_pipe;
using namespace std::chrono_literals;

std::string described(const mitogen::error& e) {
    return std::string(mitogen::reason_name(e.reason())) + " by " + std::to_string(e.canceller()) +
           " radius " + std::to_string(static_cast<int>(e.radius()));
}
/// What its wait ends with: here it is a value, which counts although the context ends.
std::string dialog_sees(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    return described(peer.try_receive().error());
}
std::string sender_sees(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    for (;;)
        if (const auto sent = peer.try_send(1); !sent) return described(sent.error());
}
int dialog_fails(mitogen::dialog<void(int, int)>& peer) {
    peer.started();
    return peer.receive();
}
mitogen::task<std::string> task_sees(int started) {
    shared_pipe::post(started);
    try {
        co_await mitogen::sleep_for(1h);
    } catch (const mitogen::error& e) {
        co_return described(e);
    }
    co_return "nothing";
}
mitogen::task<int> task_fails(int started) {
    shared_pipe::post(started);
    co_await mitogen::sleep_for(1h);
    co_return 1;
}
std::string function_sees(int started) {
    shared_pipe::post(started);
    return described(mitogen::try_sleep_for(1h).error());
}
void stays(int started) {
    ::signal(SIGTERM, SIG_IGN);
    shared_pipe::post(started);
    for (;;) ::pause();
}

} // namespace ended_context_test

namespace {
using namespace ended_context_test;
using generic::tree;
using mitogen::reason;

const std::string by_root = "cancelled by 0 radius 3";

TEST_CASE("who shuts a context down is told at both ends of what runs there") {
    shared_pipe started;
    tree t;
    mitogen::context c = t.root.local();
    auto sees = c.open<&dialog_sees>();
    auto sends = c.open<&sender_sees>();
    auto fails = c.open<&dialog_fails>();
    auto task = c.call_async<&task_sees>(started.write_end());
    auto failing_task = c.call_async<&task_fails>(started.write_end());
    auto function = c.call_async<&function_sees>(started.write_end());
    for (int i = 0; i < 3; ++i) started.wait();
    auto end = c.shutdown();
    CHECK(sees.result() == by_root);
    CHECK(sends.result() == by_root);
    CHECK(described(fails.try_receive().error()) == by_root);
    CHECK(described(fails.outcome().error()) == by_root);
    CHECK(task.get() == by_root);
    CHECK(described(failing_task.try_get().error()) == by_root);
    CHECK(function.get() == by_root);
    CHECK(end.get().success());
}

TEST_CASE("it is the one who has asked, not the parent that carries it out; what is below hears of "
          "the same") {
    tree t;
    mitogen::context parent = t.root.local();
    SECTION("a context further down") {
        mitogen::context c = parent.local();
        auto sees = c.open<&dialog_sees>();
        auto end = c.shutdown();
        CHECK(sees.result() == by_root);
        CHECK(end.get().success());
    }
    SECTION("with its parent") {
        mitogen::context c = parent.local();
        auto sees = c.open<&dialog_sees>();
        auto end = parent.shutdown();
        CHECK(sees.result() == by_root);
        CHECK(end.get().success());
    }
}

TEST_CASE("a context that had to be ended by force says who had asked for its end") {
    shared_pipe started;
    mitogen::router_options quick;
    quick.timeouts = {.grace = 1'000'000,
                      .after_term = 1'000'000,
                      .for_status = 100'000'000,
                      .for_link = 100'000'000};
    tree t(quick);
    mitogen::context c = t.root.local();
    auto stays_there = c.call_async<&stays>(started.write_end());
    started.wait();
    auto end = c.shutdown();
    const mitogen::result<void> why = stays_there.try_get();
    CHECK(described(why.error()) == "respondent_lost by 0 radius 3");
    CHECK(why.error().status()->signal == SIGKILL);
    CHECK_FALSE(end.get().success());
    CHECK(described(c.try_call<&generic::add>(1, 2).error()) == "respondent_lost by 0 radius 3");
}

TEST_CASE("one that ends by itself was ended by nobody") {
    tree t;
    mitogen::context c = t.root.local();
    const auto why = c.try_call<&generic::end_by_exit>(3);
    CHECK(why.error().reason() == reason::respondent_lost);
    CHECK(why.error().canceller() == mitogen::no_context);
    CHECK(why.error().radius() == mitogen::cancel_radius::none);
}

TEST_CASE("what the program has ended itself is no warning") {
    generic::log_capture log;
    {
        tree t;
        mitogen::context c = t.root.local();
        {
            auto d = c.open<&dialog_fails>();
            CHECK(c.shutdown().get().success());
        }
    }
    CHECK(log.records().empty());
}

} // namespace
