// SPDX-License-Identifier: BSL-1.0
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/boot/boot_plan.hpp>
#include <mitogen/method/method.hpp>
#include <mitogen/remote/serializable_method.hpp>
#endif
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <unistd.h>
#include <vector>

namespace restart_test {

using generic::shared_pipe;

int runs_here = 0;
/// Fails until it has run so often in this process.
int fails_until(int run) {
    if (++runs_here < run) throw std::runtime_error("boom " + std::to_string(runs_here));
    return runs_here;
}
/// Posts at each run, and fails.
void fails(int ran) {
    shared_pipe::post(ran);
    throw std::runtime_error("boom");
}
int echo(int n) { return n; }
/// The first two to run die, without a word; the third says who it is.
int dies_twice(int turns, int ran) {
    shared_pipe::post(ran);
    char turn = 0;
    if (::read(turns, &turn, 1) == 1 && turn == 'd') ::raise(SIGKILL);
    return ::getpid();
}
/// Returns at once, again and again, until there is no turn left; then it waits to be stopped.
int serves(int turns, int left, std::stop_token stop) {
    char turn = 0;
    if (::read(turns, &turn, 1) == 1) return 1;
    return generic::until_stopped(left, left, stop);
}

/// A program that ends instead of saying hello.
struct broken {
    std::string name{};
    std::chrono::milliseconds connect_timeout{30'000};
    std::string executable{};
    std::optional<mitogen::limits> limits{};
    int ran = -1;

    mitogen::result<mitogen::boot_plan> plan() const {
        mitogen::boot_plan p;
        p.what = "broken";
        p.name = "broken";
        mitogen::detail::apply_common(*this, p);
        p.start.path = "/bin/sh";
        p.start.argv = {"sh", "-c", "printf x >/dev/fd/" + std::to_string(ran) + "; exit 3"};
        return p;
    }
};

} // namespace restart_test

namespace {
using namespace restart_test;
using namespace std::chrono_literals;
using generic::thrown_by;
using generic::tree;
using mitogen::reason;
using mitogen::restart;
using mitogen::detail::restart_schedule;

constexpr mitogen::instant ms = 1'000'000;
constexpr mitogen::restart_policy at_once{.first_delay = 0ms};

int posted(shared_pipe& p) {
    p.close_write_end();
    int count = 0;
    while (p.wait()) ++count;
    return count;
}

} // namespace

TEST_CASE("the pause doubles with each failure within the window, up to its limit, and what lies "
          "further back is forgotten") {
    restart_schedule s({.limit = 4, .window = 10s, .first_delay = 100ms, .longest_delay = 350ms});
    CHECK(s.after_end(true, 0) == 100 * ms);
    CHECK(s.after_end(true, 1'000 * ms) == 200 * ms);
    CHECK(s.after_end(false, 1'500 * ms) == std::nullopt); // only failures are repaired
    CHECK(s.after_end(true, 2'000 * ms) == 350 * ms);
    CHECK(s.after_end(true, 10'000 * ms) == 350 * ms); // the first is just within
    CHECK(s.after_end(true, 10'000 * ms) == std::nullopt);
    CHECK(s.after_end(true, 10'001 * ms) == 350 * ms);
    CHECK(s.after_end(true, 100'000 * ms) == 100 * ms);
}

TEST_CASE("an end without failure pauses briefly where it goes on, and counts for nothing") {
    restart_schedule s({.when = restart::always, .limit = 1, .first_delay = 100ms});
    for (int i = 0; i < 100; ++i) CHECK(s.after_end(false, i) == 100 * ms);
    CHECK(s.after_end(true, 200) == 100 * ms);
    CHECK(s.after_end(false, 300) == 100 * ms);
    CHECK(s.after_end(true, 400) == std::nullopt);
    restart_schedule none({.when = restart::off});
    CHECK(none.after_end(true, 0) == std::nullopt);
    CHECK(none.after_end(false, 0) == std::nullopt);
}

TEST_CASE("pauses neither overflow nor need memory without end") {
    restart_schedule s({.limit = UINT32_MAX,
                        .window = 1h,
                        .first_delay = 1ms,
                        .longest_delay = std::chrono::hours(24 * 365 * 200)});
    mitogen::duration_ns last = 0;
    for (int i = 0; i < 10'000; ++i) {
        const auto pause = s.after_end(true, i);
        REQUIRE(pause);
        REQUIRE(*pause >= last);
        last = *pause;
    }
    CHECK(last == std::chrono::nanoseconds(std::chrono::hours(24 * 365 * 200)).count());
}

TEST_CASE("a task that fails is begun again in its context until it succeeds; its value is the "
          "last one's") {
    tree t;
    mitogen::nursery n{t.root};
    const mitogen::context child = n.local();
    auto task = n.restarting(at_once).start<&fails_until>(child, 4);
    CHECK(task.get() == 4);
    CHECK_FALSE(n.stopping());
    CHECK_NOTHROW(n.join());
}

TEST_CASE(
    "with a method each run has a context of its own, whose loss is no failure of the nursery") {
    shared_pipe turns, ran;
    CHECK(::write(turns.write_end(), "ddl", 3) == 3);
    tree t;
    mitogen::nursery n{t.root};
    const mitogen::context other = n.local();
    auto task = n.restarting(at_once).start<&dies_twice>(mitogen::local{}, turns.read_end(),
                                                         ran.write_end());
    const int last = task.get();
    CHECK(::kill(last, 0) == 0); // it ends with the nursery
    CHECK(other.call<&echo>(5) == 5);
    CHECK_FALSE(n.stopping());
    CHECK_NOTHROW(n.join());
    CHECK((::kill(last, 0) != 0 && errno == ESRCH));
    CHECK(posted(ran) == 3);
}

TEST_CASE("after more failures than the limit the task has failed, with the last of them") {
    tree t;
    shared_pipe ran;
    mitogen::nursery n{t.root};
    mitogen::restart_policy how = at_once;
    how.limit = 3;
    SECTION("a function that throws") {
        n.restarting(how).start<&fails>(mitogen::local{}, ran.write_end());
        const mitogen::error why = thrown_by([&] { n.join(); });
        CHECK(why.reason() == reason::remote_exception);
        CHECK(why.message() == "boom");
    }
    SECTION("a program that does not come up") {
        n.restarting(how).start<&echo>(broken{.ran = ran.write_end()}, 1);
        const mitogen::error why = thrown_by([&] { n.join(); });
        CHECK(generic::contains(why.what(), "exit status 3"));
    }
    SECTION("off is once") {
        how.when = restart::off;
        auto once = n.restarting(how).start<&fails>(n.local(), ran.write_end());
        CHECK(thrown_by([&] { n.join(); }).message() == "boom");
        CHECK(thrown_by([&] { once.get(); }).message() == "boom");
        CHECK(posted(ran) == 1);
        return;
    }
    CHECK(posted(ran) == 4);
}

TEST_CASE("always goes on after values too, until it is cancelled") {
    shared_pipe turns, left;
    CHECK(::write(turns.write_end(), "aaaaa", 5) == 5);
    turns.close_write_end();
    tree t;
    mitogen::nursery n{t.root};
    auto task = n.restarting({.when = restart::always, .first_delay = 0ms})
                    .start<&serves>(n.local(), turns.read_end(), left.write_end());
    CHECK(left.wait());
    CHECK_FALSE(task.done());
    SECTION("by its holder, which is no failure") {
        task.cancel();
        CHECK(task.get() == 1);
        CHECK_NOTHROW(n.join());
    }
    SECTION("with its nursery") {
        n.cancel();
        CHECK_NOTHROW(n.join());
    }
    CHECK(left.wait());
}

TEST_CASE("to cancel in a pause ends the task at once") {
    shared_pipe ran;
    tree t;
    mitogen::nursery n{t.root, {.grace = 1h}};
    const mitogen::context child = n.local();
    auto task = n.restarting({.first_delay = 1h, .longest_delay = 1h})
                    .start<&fails>(child, ran.write_end());
    CHECK(ran.wait());
    CHECK(child.call<&echo>(1) == 1); // behind the failure
    CHECK_FALSE(task.done());
    SECTION("by its holder") {
        task.cancel();
        CHECK(thrown_by([&] { task.get(); }).reason() == reason::cancelled);
        CHECK_NOTHROW(n.join());
    }
    SECTION("with its nursery") {
        n.cancel();
        CHECK(mitogen::cancelled_error(thrown_by([&] { task.get(); })).radius() ==
              mitogen::cancel_radius::nursery);
        CHECK_NOTHROW(n.join());
    }
    SECTION("because another one fails") {
        n.start<&fails>(child, ran.write_end());
        CHECK(thrown_by([&] { n.join(); }).message() == "boom");
        CHECK(thrown_by([&] { task.get(); }).message() == "boom");
    }
    SECTION("by the end of the scope with an exception") {
        try {
            mitogen::nursery inner{t.root};
            const mitogen::context there = inner.local();
            auto also = inner.restarting({.first_delay = 1h, .longest_delay = 1h})
                            .start<&fails>(there, ran.write_end());
            CHECK(there.call<&echo>(1) == 1);
            throw std::runtime_error("the body");
        } catch (const std::runtime_error& e) {
            CHECK(std::string(e.what()) == "the body");
        }
        n.cancel();
        CHECK_NOTHROW(n.join());
    }
    SECTION("by the end of the router") {
        t.root.close();
        CHECK_FALSE(n.try_join());
    }
}

TEST_CASE("a context that was there before is not replaced: its loss is the end") {
    shared_pipe ran;
    tree t;
    const mitogen::context child = t.root.local();
    mitogen::nursery n{t.root};
    auto task =
        n.restarting({.limit = 1000, .first_delay = 0ms}).start<&fails>(child, ran.write_end());
    CHECK(ran.wait());
    ::kill(t.root.child_pid(child.id()), SIGKILL);
    CHECK(thrown_by([&] { task.get(); }).kind() == mitogen::kind::disconnected);
    CHECK_FALSE(n.try_join());
}
