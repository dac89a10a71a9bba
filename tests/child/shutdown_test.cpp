// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <string>
#include <support/leak_check.hpp>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

namespace shutdown_test {

/// Never ends, whatever it is told.
void hang(int started, bool ignore_sigterm) {
    if (ignore_sigterm) ::signal(SIGTERM, SIG_IGN);
    generic::shared_pipe::post(started);
    for (;;) ::pause();
}
void exit_handler_writes(int fd) {
    static int to;
    to = fd;
    std::atexit([] { generic::shared_pipe::post(to); });
}
mitogen::context make_child(mitogen::router& here) { return here.local(); }

/// A process that the child starts and that keeps every descriptor of it but the ones that are
/// close-on-exec.
int detach_child(int until) {
    const ::pid_t pid = ::fork();
    if (pid == 0) {
        generic::shared_pipe::wait(until);
        ::_exit(0);
    }
    return pid;
}
/// Makes a tree, tells the test, and waits to be killed.
void be_a_parent(int tell, int alive) {
    (void)alive; // inherited by the child; its last copy is closed when that ends
    mitogen::broker loop;
    mitogen::router root(loop);
    mitogen::context child = root.local();
    const int pid = child.call<&generic::process_id>();
    if (::write(tell, &pid, sizeof pid) != sizeof pid) ::_exit(1);
    child.call_no_reply<&generic::process_id>();
    for (;;) ::pause();
}
std::size_t swallow(std::string_view text) { return text.size(); }

} // namespace shutdown_test

namespace {
using namespace shutdown_test;
using namespace std::chrono_literals;
using generic::contains;
using generic::shared_pipe;
using generic::tree;
using mitogen::reason;

constexpr mitogen::shutdown_timeouts impatient{.grace = 100'000'000,
                                               .after_term = 100'000'000,
                                               .for_status = 100'000'000,
                                               .for_link = 100'000'000};
mitogen::router_options expedited() {
    mitogen::router_options o;
    o.timeouts = impatient;
    return o;
}
/// For tests in which nothing may be due to a deadline.
mitogen::router_options patient() {
    mitogen::router_options o;
    constexpr mitogen::duration_ns hour = 3'600'000'000'000;
    o.timeouts = {.grace = hour, .after_term = hour, .for_status = hour, .for_link = hour};
    return o;
}

TEST_CASE("shutdown of one context ends it and what is below it, and nothing else") {
    shared_pipe exited;
    tree t(patient());
    mitogen::context one = t.root.local();
    mitogen::context other = t.root.local();
    mitogen::context below = one.call<&make_child>();
    one.call<&exit_handler_writes>(exited.write_end());
    const int below_pid = below.call<&generic::process_id>();
    CHECK(one.shutdown().get().success());
    CHECK(exited.wait()); // exit handlers have run
    CHECK_FALSE(one.alive());
    CHECK_FALSE(below.alive());
    CHECK(generic::thrown_by([&] { below.call<&generic::add>(1, 1); }).kind() ==
          mitogen::kind::disconnected);
    CHECK((::kill(below_pid, 0) != 0 && errno == ESRCH));
    CHECK(other.call<&generic::add>(1, 1) == 2);
    CHECK_THROWS_AS(one.shutdown().get(), mitogen::channel_error);
}

int unnamed(int value) { return value; } // has a name within this build only

TEST_CASE("a call to a lost context says that it is lost, also where the function has no name "
          "outside this build") {
    tree t(patient());
    mitogen::context one = t.root.local();
    mitogen::context below = one.call<&make_child>();
    CHECK(one.call<&unnamed>(7) == 7);
    CHECK(below.call<&unnamed>(7) == 7);
    CHECK(one.shutdown().get().success());
    for (const mitogen::context& gone : {one, below}) {
        const auto e = generic::thrown_by([&] { gone.call<&unnamed>(7); });
        CHECK(e.kind() == mitogen::kind::disconnected);
        CHECK(contains(e.what(), "is lost"));
        CHECK(gone.try_call<&unnamed>(7).error().kind() == mitogen::kind::disconnected);
    }
    const auto nobody =
        generic::thrown_by([&] { t.root.context_by_id(4'000'000'000u).call<&unnamed>(7); });
    CHECK(nobody.reason() == reason::no_route);
}

TEST_CASE("a router or a loop that ends in the middle of many connects cancels each of them with a "
          "reason, and leaves nothing") {
    const bool loop_first = GENERATE(false, true);
    tree t(expedited());
    std::vector<mitogen::future<mitogen::context>> coming; // anywhere in their start, or up
    std::vector<mitogen::future<mitogen::context>> silent; // nothing of theirs ever says hello
    for (int i = 0; i < 15; ++i) {
        coming.push_back(t.root.connect_async(mitogen::local{}));
        silent.push_back(
            t.root.connect_async(mitogen::command{.argv = {"sh", "-c", "exec sleep 3600"}}));
    }
    coming[0].wait_until(mitogen::never); // the others are on their way
    if (loop_first)
        t.loop.shutdown();
    else
        t.root.close();
    std::vector<mitogen::result<mitogen::context>> ended;
    for (auto& c : silent) ended.push_back(c.try_get());
    for (const auto& end : ended) {
        REQUIRE_FALSE(end);
        CHECK(end.error().reason() == reason::broker_exited);
    }
    for (auto& c : coming) {
        if (const auto end = c.try_get(); !end)
            CHECK(end.error().reason() == reason::broker_exited);
    }
    CHECK_FALSE(t.root.try_connect(mitogen::local{}));
    if (!loop_first) return;
    t.loop.join();
    CHECK(support::take_census().children.empty());
    CHECK_FALSE(t.loop.defer([] {}));
}

TEST_CASE(
    "a loop that is shut down closes its routers first, also those that are made afterwards") {
    generic::shared_pipe started;
    mitogen::broker loop(mitogen::broker_options{.thread = GENERATE(true, false)});
    mitogen::router one(loop, expedited());
    mitogen::router two(loop);
    const mitogen::context child = one.local();
    const mitogen::context other = two.local();
    auto call = child.call_async<&hang>(started.write_end(), false);
    loop.shutdown();
    loop.shutdown();
    mitogen::router late(loop);
    CHECK_FALSE(late.try_local());
    loop.join();
    CHECK(support::take_census().children.empty());
    CHECK_FALSE(call.try_get());
    CHECK_FALSE(other.try_call<&generic::add>(1, 2));
    one.close();
}

TEST_CASE("a tree that is idle ends by itself, however patient its root is") {
    tree t(patient());
    for (int i = 0; i < 3; ++i) t.root.local().call<&make_child>();
}

TEST_CASE("shutdown stops what runs and refuses what waits") {
    shared_pipe started, stopped, ran;
    tree t(patient());
    mitogen::context child = t.root.local();
    auto running =
        child.call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
    auto waiting = child.call_async<&generic::hold>(ran.write_end(), ran.read_end(), 1);
    CHECK(started.wait());
    auto ended = child.shutdown();
    CHECK(stopped.wait());
    CHECK(ended.get().success());
    CHECK(running.done());
    const auto refused = waiting.try_get();
    REQUIRE_FALSE(refused.has_value());
    CHECK(refused.error().kind() == mitogen::kind::disconnected);
    CHECK(ran.empty());
}

TEST_CASE("a function that hangs does not keep ping and shutdown from working") {
    const bool ignores = GENERATE(false, true);
    shared_pipe started;
    mitogen::router_options options = expedited();
    if (!ignores) options.timeouts.after_term = patient().timeouts.after_term;
    tree t(options);
    mitogen::context child = t.root.local();
    auto hanging = child.call_async<&hang>(started.write_end(), ignores);
    CHECK(started.wait());
    CHECK_NOTHROW(child.ping().get());
    const mitogen::exit_status status = child.shutdown().get();
    CHECK(status.signal == (ignores ? SIGKILL : SIGTERM));
    const auto r = hanging.try_get();
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error().kind() == mitogen::kind::disconnected);
}

TEST_CASE("a child that is stopped in a call: the deadline passes, and shutdown kills it") {
    shared_pipe started, go_on;
    tree t(expedited());
    mitogen::context child = t.root.local();
    auto held = child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 1);
    CHECK(started.wait());
    const int pid = t.root.child_pid(child.id());
    ::kill(pid, SIGSTOP);
    CHECK_THROWS_AS(child.within(20ms).call<&generic::add>(1, 1), mitogen::timeout_error);
    CHECK(child.shutdown().get().signal == SIGKILL);
    CHECK_THROWS_AS(held.get(), mitogen::channel_error);
}

TEST_CASE(
    "a child that is killed in a call: everybody who waits is told, with status and last words") {
    shared_pipe started, go_on;
    generic::log_capture quiet;
    tree t(patient());
    mitogen::context child = t.root.local({.name = "victim"});
    std::vector<mitogen::future<int>> all;
    for (int i = 0; i < 10; ++i)
        all.push_back(child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), i));
    CHECK(started.wait());
    ::kill(t.root.child_pid(child.id()), SIGKILL);
    for (auto& f : all) {
        const auto r = f.try_get();
        REQUIRE_FALSE(r.has_value());
        CHECK(r.error().reason() == reason::respondent_lost);
        CHECK(r.error().detail().status.signal == SIGKILL);
        CHECK(r.error().detail().place == "victim");
    }
    const auto later = child.try_call<&generic::add>(1, 1);
    REQUIRE_FALSE(later.has_value());
    CHECK(contains(later.error().what(), "signal 9")); // remembered
}

TEST_CASE("disconnect cuts the link, and the child ends by itself") {
    shared_pipe told;
    tree t(patient());
    mitogen::context child = t.root.local();
    child.on_disconnect([&](const mitogen::error&) { told.post(); });
    auto held = child.call_async<&generic::until_stopped>(told.write_end(), told.write_end());
    CHECK(told.wait());
    child.disconnect();
    CHECK_THROWS_AS(held.get(), mitogen::channel_error);
    CHECK(told.wait()); // stopped, or told
    CHECK(told.wait());
}

TEST_CASE("whoever loses its parent ends by itself, whatever it is doing") {
    shared_pipe tell, alive;
    int child_pid = 0;
    {
        tree t(patient());
        mitogen::context parent = t.root.local();
        parent.call_no_reply<&be_a_parent>(tell.write_end(), alive.write_end());
        REQUIRE(::read(tell.read_end(), &child_pid, sizeof child_pid) == sizeof child_pid);
        CHECK(::kill(child_pid, 0) == 0);
        ::kill(t.root.child_pid(parent.id()), SIGKILL);
        alive.close_write_end();
        CHECK_FALSE(alive.wait()); // the end of the pipe: the last process that has it is gone
    }
}

TEST_CASE(
    "a process that the child has left behind does not keep the child's end from being noticed") {
    shared_pipe until, started, go_on;
    tree t(expedited());
    mitogen::context child = t.root.local();
    // has the child's link: it did not execute anything
    CHECK(child.call<&detach_child>(until.read_end()) > 0);
    auto held = child.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 1);
    CHECK(started.wait());
    ::kill(t.root.child_pid(child.id()), SIGKILL);
    const auto r = held.try_get();
    REQUIRE_FALSE(r.has_value());
    CHECK(r.error().kind() == mitogen::kind::disconnected);
    CHECK(r.error().detail().status.signal == SIGKILL);
    until.post();
}

TEST_CASE("what waits for a child that takes nothing is bounded") {
    mitogen::router_options options = expedited();
    options.limits.queue_bytes = 4u << 20;
    shared_pipe started, go_on;
    tree t(options);
    mitogen::context child = t.root.local();
    child.ping().get();
    const int pid = t.root.child_pid(child.id());
    ::kill(pid, SIGSTOP);
    std::atomic<int> sent{0};
    const std::string text(100'000, 'q');
    std::thread sender([&] { // 100 MB, of which the queue takes 4
        for (int i = 0; i < 1000; ++i) {
            if (generic::thrown_by([&] { child.call_no_reply<&swallow>(text); }).reason() !=
                reason::none)
                return;
            ++sent;
        }
    });
    const auto peer_link = support::engine(t.root).towards(child.id());
    const auto limit = std::chrono::steady_clock::now() + generic::plenty;
    // Not until that much is queued: what the pipe takes may have been in the queue when the sender
    // came to its limit.
    while (static_cast<std::size_t>(sent.load()) * text.size() < options.limits.queue_bytes &&
           std::chrono::steady_clock::now() < limit)
        std::this_thread::yield();
    for (int i = 0; i < 1000; ++i) std::this_thread::yield();
    CHECK(peer_link->transport->queued() < options.limits.queue_bytes + 2 * text.size());
    CHECK(sent < 100);
    ::kill(pid, SIGCONT);
    sender.join();
    CHECK(sent == 1000);
    CHECK(child.call<&generic::add>(1, 1) == 2);
}

TEST_CASE("closing the router while threads call makes every call end") {
    tree t(expedited());
    mitogen::context child = t.root.local();
    std::atomic<int> ended{0};
    std::atomic<bool> going{false};
    std::vector<std::thread> callers;
    for (int n = 0; n < 4; ++n) {
        callers.emplace_back([&] {
            while (child.try_call<&generic::add>(1, 1)) going = true;
            ++ended;
        });
    }
    while (!going) std::this_thread::yield();
    t.root.close();
    for (auto& c : callers) c.join();
    CHECK(ended == 4);
    CHECK(support::open_answers(t.root) == 0);
}

} // namespace
