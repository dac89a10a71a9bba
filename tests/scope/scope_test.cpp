// SPDX-License-Identifier: BSL-1.0
// What a function or the body of a nursery waits for ends when that is cancelled or late.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"
#include "waits.hpp"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <cstdint>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>

namespace scope_test {

/// Tells through a pipe how a wait has ended.
void tell(int out, char what) {
    if (::write(out, &what, 1) != 1) throw std::runtime_error("cannot tell");
}
void tell(int out, const mitogen::error& e) {
    tell(out, e == mitogen::reason::cancelled ? 'c' : e == mitogen::reason::timeout ? 't' : 'o');
}
char told(const generic::shared_pipe& p) {
    ::pollfd readable{p.read_end(), POLLIN, 0};
    const auto most = std::chrono::milliseconds(generic::plenty);
    char what = 0;
    return ::poll(&readable, 1, static_cast<int>(most.count())) == 1 &&
                   ::read(p.read_end(), &what, 1) == 1
               ? what
               : '-';
}

int waits(int kind, int in, int out, mitogen::router& here) {
    try {
        wait_for_ever(kind, here, in);
    } catch (const mitogen::error& e) {
        tell(out, e);
        throw;
    }
    tell(out, 'v');
    return 1;
}

/// What it is cancelled in it does again, behind a shield.
int cleans_up(int in, int out, mitogen::router& here) {
    auto c = here.local();
    try {
        generic::shared_pipe::post(in);
        mitogen::sleep_for(1h);
    } catch (const mitogen::cancelled_error&) {
        const auto without = c.try_call<&generic::add>(1, 2);
        const mitogen::shield s{10s};
        const auto with = c.try_call<&generic::add>(1, 2);
        tell(out, without || without.error() != mitogen::reason::cancelled ? '1'
                  : !with                                                ? '2'
                                                                         : 'y');
        throw;
    }
    return 1;
}
/// Waits longer behind its shield than that lasts.
int stays_too_long(int in, int out) {
    try {
        const mitogen::shield s{50ms};
        generic::shared_pipe::post(in);
        mitogen::sleep_for(1h);
    } catch (const mitogen::error& e) {
        tell(out, e);
        throw;
    }
    return 1;
}
/// The same, in the way `kind`; the shield is over before or after it is cancelled.
int waits_too_long(int kind, std::int64_t shield_ms, int in, int out, mitogen::router& here) {
    const mitogen::shield s{std::chrono::milliseconds(shield_ms)};
    return waits(kind, in, out, here);
}
mitogen::task<int> stays_too_long_as_task(int in, int out) {
    try {
        const mitogen::shield s{50ms};
        generic::shared_pipe::post(in);
        co_await mitogen::sleep_for(1h);
    } catch (const mitogen::error& e) {
        tell(out, e);
        throw;
    }
    co_return 1;
}
/// Waits in a thread of its own.
int has_a_thread(int in, int out) {
    std::thread helper([scope = mitogen::this_scope(), in, out] {
        const mitogen::scope joined{scope};
        generic::shared_pipe::post(in);
        const auto end = mitogen::try_sleep_for(1h);
        tell(out, end.error());
    });
    helper.join();
    return 1;
}
mitogen::scope_handle left_behind;
int leaves_scope() {
    left_behind = mitogen::this_scope();
    return 1;
}
int waits_in_it() {
    int reason = 0;
    std::thread late([&] {
        const mitogen::scope joined{left_behind};
        reason = static_cast<int>(mitogen::try_sleep_for(1h).error().reason());
    });
    late.join();
    return reason;
}

/// Makes contexts, one below the other.
int make_deeper(int depth, mitogen::router& here) {
    return depth == 0 ? 0 : 1 + here.local().call<&make_deeper>(depth - 1);
}
/// Hands the wait on to the lowest of them.
int deeper(int depth, int in, int out, mitogen::router& here) {
    if (depth == 0) return waits(6, in, out, here);
    for (const mitogen::context& c : here.contexts())
        if (c.path().size() == 1) return c.call<&deeper>(depth - 1, in, out);
    return 0;
}
mitogen::task<int> sleeps_wrongly() {
    mitogen::sleep_for(1ms);
    co_return 1;
}
int boom_when(int go_on) {
    generic::shared_pipe::wait(go_on);
    throw std::runtime_error("boom");
}

/// What `F` tells if it is cancelled as soon as it says that it runs, in a new child.
template <auto F>
char told_when_cancelled(generic::tree& t) {
    const generic::shared_pipe in, out; // the child inherits them
    auto answer = t.root.local().call_async<F>(in.write_end(), out.write_end());
    in.wait();
    answer.cancel();
    return told(out);
}

} // namespace scope_test

template <>
inline constexpr auto mitogen::run_on<&scope_test::boom_when> = mitogen::on::pool;

namespace {

using namespace scope_test;
using generic::shared_pipe;
using generic::tree;
using mitogen::reason;

TEST_CASE("whatever a function waits for ends when its caller cancels it") {
    const int kind = GENERATE(range(0, kinds));
    CAPTURE(kind);
    shared_pipe in, out;
    tree t;
    auto child = t.root.local();
    auto answer = child.call_async<&waits>(kind, in.write_end(), out.write_end());
    REQUIRE(in.wait());
    answer.cancel();
    CHECK(told(out) == 'c');
    CHECK(answer.try_get().error() == reason::cancelled);
    CHECK(child.call<&generic::add>(1, 2) == 3); // the thread is free again
}

TEST_CASE("whatever a function waits for ends when its call is late") {
    const int kind = GENERATE(range(0, kinds));
    CAPTURE(kind);
    shared_pipe in, out;
    tree t;
    auto child = t.root.local();
    auto answer = child.within(500ms).call_async<&waits>(kind, in.write_end(), out.write_end());
    CHECK(answer.try_get().error() == reason::timeout);
    CHECK(child.call<&generic::add>(1, 2) == 3); // behind it
    if (out.empty()) return;            // a busy machine: it was late before it began
    const char how = told(out);
    CHECK((how == 't' || how == 'c')); // whose clock is the first to say so
}

TEST_CASE("whatever the body of a nursery waits for ends when a task of it fails") {
    const int kind = GENERATE(range(0, kinds));
    CAPTURE(kind);
    shared_pipe in, go_on;
    tree t;
    std::optional<mitogen::error> body, end;
    {
        mitogen::nursery n{t.root};
        n.start<&boom_when>(n.local(), go_on.read_end());
        std::thread when([&] {
            in.wait();
            go_on.post();
        });
        try {
            wait_for_ever(kind, t.root, in.write_end());
        } catch (const mitogen::error& e) {
            body = e;
        }
        when.join();
        if (const auto ended = n.try_join(); !ended) end = ended.error();
    }
    REQUIRE(body);
    CHECK(*body == reason::cancelled);
    CHECK(std::string(body->what()).find("boom") != std::string::npos);
    REQUIRE(end);
    CHECK(end->message() == "boom");
}

TEST_CASE("a deadline reaches the deepest wait, hop after hop, with nothing handed on") {
    shared_pipe in, out;
    tree t;
    auto child = t.root.local();
    REQUIRE(child.call<&make_deeper>(3) == 3);
    auto answer = child.within(500ms).call_async<&deeper>(3, in.write_end(), out.write_end());
    const char how = told(out);
    CHECK((how == 't' || how == 'c'));
    CHECK(answer.try_get().error() == reason::timeout);
}

TEST_CASE("a shield keeps a clean-up from being ended, for as long as it says") {
    tree t;
    CHECK(told_when_cancelled<&cleans_up>(t) == 'y');
    CHECK(told_when_cancelled<&stays_too_long>(t) == 'c');
    CHECK(told_when_cancelled<&stays_too_long_as_task>(t) == 'c');
}

TEST_CASE("whatever a function waits for behind a shield ends when that is over") {
    const int kind = GENERATE(range(0, kinds));
    const std::int64_t shield_ms = GENERATE(1, 300);
    CAPTURE(kind, shield_ms);
    shared_pipe in, out;
    tree t;
    auto answer = t.root.local().call_async<&waits_too_long>(kind, shield_ms, in.write_end(),
                                                             out.write_end());
    REQUIRE(in.wait());
    answer.cancel();
    CHECK(told(out) == 'c');
}

TEST_CASE("a thread that a function starts can join its scope, and not stay when that is left") {
    tree t;
    CHECK(told_when_cancelled<&has_a_thread>(t) == 'c');
    auto child = t.root.local();
    CHECK(child.call<&leaves_scope>() == 1);
    CHECK(child.call<&waits_in_it>() == static_cast<int>(reason::misuse));
}

TEST_CASE("a cancellation that comes too late for one call never reaches the next") {
    tree t;
    auto child = t.root.local();
    for (int i = 0; i < 300; ++i) {
        auto first = child.call_async<&generic::add>(i, 1);
        auto second = child.call_async<&generic::add>(i, 2);
        first.cancel();
        CHECK(second.get() == i + 2);
    }
}

TEST_CASE("a scope entered by hand ends what its thread waits for, and nothing else") {
    tree t;
    mitogen::receiver<int> r{t.root};
    auto keep = r.to_sender();
    {
        const mitogen::scope s{20ms};
        CHECK(r.try_receive().error() == reason::timeout);
        CHECK(s.late());
        CHECK_FALSE(s.cancelled());
        CHECK(r.try_receive().error() == reason::timeout); // every time
        CHECK(mitogen::check_scope().error() == reason::timeout);
    }
    CHECK(mitogen::check_scope());
    keep.send(1);
    CHECK(r.receive() == 1); // no item was lost
    {
        mitogen::scope s;
        std::thread other([&] { s.cancel(); });
        CHECK(r.try_receive().error() == reason::cancelled);
        other.join();
        CHECK(s.cancelled());
        const mitogen::scope inner{1h};
        CHECK(mitogen::try_sleep_for(1h).error() == reason::cancelled);
        const mitogen::shield quiet{1h};
        CHECK(mitogen::try_sleep_for(1ms));
    }
    std::stop_source stop;
    const mitogen::scope s{stop.get_token()};
    stop.request_stop();
    CHECK(r.try_receive().error() == reason::cancelled);
    CHECK(r.try_receive_for(0s).error() == reason::cancelled);
}

TEST_CASE("in a scope that has ended no call is made and waited for, however fast its answer is") {
    tree t;
    auto child = t.root.local();
    mitogen::scope s;
    s.cancel();
    for (int i = 0; i < 300; ++i) {
        const auto waited = child.try_call<&generic::add>(i, 1);
        REQUIRE_FALSE(waited);
        CHECK(waited.error() == reason::cancelled);
    }
    const mitogen::shield clean_up{1h};
    CHECK(child.call<&generic::add>(1, 2) == 3);
}

TEST_CASE("the earlier one of a wait's own deadline and its scope's says so") {
    tree t;
    mitogen::receiver<int> r{t.root};
    auto keep = r.to_sender();
    const mitogen::scope s{1h};
    const auto own = r.try_receive_for(1ms);
    CHECK(own.error() == reason::timeout);
    CHECK(mitogen::check_scope());
}

TEST_CASE("scopes that are left in the wrong order are named") {
    const generic::log_capture log;
    {
        auto outer = std::make_unique<mitogen::scope>();
        mitogen::scope inner;
        outer.reset();
    }
    CHECK(log.wait_for("leave the innermost first"));
    CHECK(mitogen::check_scope());
}

TEST_CASE("a task that sleeps without co_await is told, and does not stop its loop") {
    tree t;
    auto child = t.root.local();
    const auto end = child.try_call<&sleeps_wrongly>();
    REQUIRE_FALSE(end);
    CHECK(std::string(end.error().what()).find("co_await") != std::string::npos);
}

} // namespace
