// SPDX-License-Identifier: BSL-1.0
// A child that goes on without its parent; and the end of contexts that somebody else has made.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/soon.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdint>
#include <mitogen/mitogen.hpp>
#include <sys/wait.h>
#include <unistd.h>

using generic::shared_pipe;
using mitogen::reason;

namespace detach_test {

void tell(int to, std::int32_t what) { (void)!::write(to, &what, sizeof what); }

/// Detaches, says so, and stays until it may go.
void leave(mitogen::router& here, int says, int go) {
    here.detach();
    tell(says, ::getpid());
    shared_pipe::wait(go);
}
void leave_with_child(mitogen::router& here, int says, int go) {
    const auto child = here.local();
    here.detach();
    tell(says, child.call<&generic::add>(20, 22));
    shared_pipe::wait(go);
    tell(says, child.alive() ? 1 : 0);
}
void log_and_leave(mitogen::router& here) {
    mitogen::log::write(mitogen::log::level::warning, "test", "the last words");
    here.detach();
}
int try_on_loop(mitogen::router& here) {
    return static_cast<int>(here.try_detach().error().reason());
}
/// Asks somebody who is not its parent.
int ask(mitogen::router& here, mitogen::context_id other) {
    mitogen::outstanding_call& p =
        here.node().ask({.to = other, .handle = mitogen::handles::detaching});
    const auto answer =
        mitogen::future<void>(&p, here.node(), here.myself().environment()).try_get();
    return static_cast<int>(answer ? reason::none : answer.error().reason());
}
mitogen::context make_one(mitogen::router& here) { return here.local(); }

void leave_and_make(mitogen::router& here, int says, int go) {
    here.detach();
    tell(says, ::getsid(0));
    const auto one = here.local();
    const auto below = one.call<&make_one>();
    tell(says, below.call<&generic::add>(20, 22));
    tell(says, one.id() != below.id() ? static_cast<int>(here.contexts().size()) : -1);
    shared_pipe::wait(go);
}
void leave_at_once(mitogen::router& here) { here.detach(); }

} // namespace detach_test

template <>
inline constexpr auto mitogen::run_on<&detach_test::try_on_loop> = mitogen::on::loop;

namespace {
using namespace detach_test;
using generic::contains;
using generic::tree;

std::int32_t told(const shared_pipe& from) {
    std::int32_t what = -1;
    CHECK(::read(from.read_end(), &what, sizeof what) == sizeof what);
    return what;
}

/// Waits for a process that nobody else waits for any more.
int reap(pid_t pid) {
    int status = -1;
    CHECK(::waitpid(pid, &status, 0) == pid);
    return status;
}

/// Waits until a process has ended and is reaped by whoever made it.
bool is_gone(pid_t pid) {
    return support::soon([&] { return ::kill(pid, 0) != 0; }, generic::plenty);
}

TEST_CASE("a child that detaches lives on, and its parent neither ends it nor waits for it") {
    shared_pipe says;
    shared_pipe go;
    pid_t pid = 0;
    {
        tree t;
        const auto child = t.root.local({.name = "free", .may_detach = true});
        auto answer = child.call_async<&leave>(says.write_end(), go.read_end());
        pid = told(says);
        const auto end = answer.try_get();
        REQUIRE(!end);
        CHECK(end.error().reason() == reason::respondent_lost);
        CHECK(contains(end.error().what(), "has detached"));
        CHECK_FALSE(child.alive());
        CHECK(t.root.contexts().empty());
    }
    CHECK(::kill(pid, 0) == 0);
    CHECK(::waitpid(pid, nullptr, WNOHANG) == 0); // it runs
    go.post();
    CHECK(reap(pid) == 0); // and ends by itself
}

TEST_CASE("a detached child that ends while its former parent lives is reaped there") {
    shared_pipe says;
    shared_pipe go;
    tree t;
    const auto child = t.root.local({.may_detach = true});
    child.call_no_reply<&leave>(says.write_end(), go.read_end());
    const pid_t pid = told(says);
    go.post();
    CHECK(is_gone(pid));
}

TEST_CASE("a detached child keeps its own children, and takes them with it") {
    shared_pipe says;
    shared_pipe go;
    tree t;
    const auto child = t.root.local({.may_detach = true});
    const pid_t pid = t.root.child_pid(child.id());
    child.call_no_reply<&leave_with_child>(says.write_end(), go.read_end());
    CHECK(told(says) == 42);
    CHECK(t.root.contexts().empty()); // they are not this tree's any more
    go.post();
    CHECK(told(says) == 1);
    CHECK(is_gone(pid));
}

TEST_CASE("what a child has said before it detaches arrives") {
    generic::log_capture log;
    tree t;
    const auto child = t.root.local({.may_detach = true});
    const pid_t pid = t.root.child_pid(child.id());
    auto answer = child.call_async<&log_and_leave>();
    CHECK(contains(answer.try_get().error().what(), "has detached"));
    CHECK(log.wait_for("the last words"));
    CHECK(is_gone(pid));
}

TEST_CASE("who cannot detach is told why") {
    tree t;
    const auto child = t.root.local({.may_detach = true});
    const auto other = t.root.local();
    CHECK(t.root.try_detach().error().reason() == reason::misuse);
    CHECK(child.call<&try_on_loop>() == static_cast<int>(reason::misuse));
    CHECK(child.call<&ask>(other.id()) == static_cast<int>(reason::refused_by_policy));
    CHECK(child.call<&generic::add>(1, 1) == 2); // nothing has happened
}

TEST_CASE("a detached child leads a session, and makes children, the first ones too") {
    shared_pipe says;
    shared_pipe go;
    tree t;
    const auto child = t.root.local({.may_detach = true});
    const pid_t pid = t.root.child_pid(child.id());
    child.call_no_reply<&leave_and_make>(says.write_end(), go.read_end());
    CHECK(told(says) == pid); // its session
    CHECK(told(says) == 42);
    CHECK(told(says) == 2); // two of its own, with different ids
    go.post();
    CHECK(is_gone(pid));
}

TEST_CASE("a child detaches only if its method says that it may") {
    tree t;
    const auto child = t.root.local({.name = "kept"});
    const auto why = child.try_call<&leave_at_once>();
    REQUIRE(!why);
    CHECK(why.error().reason() == reason::refused_by_policy);
    CHECK(contains(why.error().what(), "kept may not detach"));
    CHECK(contains(why.error().what(), ".may_detach = true"));
    CHECK(child.alive());
}

TEST_CASE("a nursery does not wait for a context of its own that has detached") {
    shared_pipe says;
    shared_pipe go;
    tree t;
    pid_t pid = 0;
    {
        mitogen::nursery n{t.root};
        const auto child = n.local({.may_detach = true});
        child.call_no_reply<&leave>(says.write_end(), go.read_end());
        pid = told(says);
        (void)n.try_join(); // the loss of a context is a failure
    }
    CHECK(::kill(pid, 0) == 0); // it runs
    go.post();
    CHECK(is_gone(pid));
}

TEST_CASE("a context further down is ended through its parent") {
    tree t;
    const auto middle = t.root.local({.name = "middle"});
    const auto low = middle.call<&make_one>();
    const auto lowest = low.call<&make_one>();
    const auto status = low.shutdown().try_get();
    REQUIRE(status);
    CHECK(status->success());
    CHECK(middle.call<&generic::add>(1, 1) == 2);
    const auto lost = lowest.try_call<&generic::add>(1, 1);
    REQUIRE(!lost);
    CHECK(lost.error().kind() == mitogen::kind::disconnected);
    const auto again = low.shutdown().try_get();
    CHECK(!again);
}

TEST_CASE("the link of a context further down is cut through its parent") {
    shared_pipe started;
    shared_pipe stopped;
    tree t;
    const auto middle = t.root.local();
    const auto low = middle.call<&make_one>();
    auto answer = low.call_async<&generic::until_stopped>(started.write_end(), stopped.write_end());
    started.wait();
    low.disconnect();
    const auto end = answer.try_get();
    REQUIRE(!end);
    CHECK(end.error().kind() == mitogen::kind::disconnected);
    CHECK(contains(end.error().what(), "disconnected by its parent"));
}

} // namespace
