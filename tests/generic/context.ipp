// SPDX-License-Identifier: BSL-1.0
// context.ipp: what every policy's contexts promise. Included with MITOGEN_TEST_IO set to a policy
// and MITOGEN_TEST_NAME to its name in quotes. The children run the native policy, those made by
// fork() that of their parent.
#include "../support/engine.hpp"
#include "context_functions.hpp"

#include <catch2/catch.hpp>
#include <memory>
#include <mitogen/mitogen.hpp>
#include <optional>
#include <thread>
#include <vector>

namespace {
namespace context_test {

using namespace std::chrono_literals;
using generic::shared_pipe;
using tree = generic::basic_tree<MITOGEN_TEST_IO>;
using mitogen::context;

/// Both kinds of children that need nothing else.
context make(tree& t, bool forked) { return forked ? t.root.fork() : t.root.local(); }

TEST_CASE(MITOGEN_TEST_NAME ": a child computes, fails and ends") {
    const bool forked = GENERATE(false, true);
    tree t;
    context child = make(t, forked);
    CHECK(child.id() != t.root.id());
    CHECK(child.alive());
    CHECK(child.call<&generic::add>(2, 3) == 5);
    CHECK(child.call<&generic::add_on_loop>(4, 5) == 9);
    CHECK(child.call<[](int x) { return 2 * x; }>(21) == 42);
    CHECK(child.call<&generic::process_id>() == t.root.child_pid(child.id()));
    const mitogen::error why = generic::thrown_by([&] { child.call<&generic::refuse>(7); });
    CHECK(why.reason() == mitogen::reason::remote_exception);
    CHECK(why.detail().type == "std::out_of_range");
    CHECK(why.message() == "no element 7");
    CHECK(why.detail().context == child.id());
    const mitogen::exit_status status = child.shutdown().get();
    CHECK(status.text() == "exit status 0");
    CHECK(generic::thrown_by([&] { child.call<&generic::add>(1, 1); }).kind() ==
          mitogen::kind::disconnected);
    CHECK_FALSE(child.alive());
}

TEST_CASE(MITOGEN_TEST_NAME ": answers of any size come back whole, and in any order") {
    const bool forked = GENERATE(false, true);
    tree t;
    context child = make(t, forked);
    std::vector<mitogen::future<std::string>> answers;
    const std::uint32_t sizes[] = {0,          1,      100,    4096,     65536,
                                   131072 - 4, 131072, 131073, 1u << 20, (4u << 20) + 3};
    for (const std::uint32_t size : sizes)
        answers.push_back(child.call_async<&generic::repeat>("x", size));
    for (std::size_t i = std::size(sizes); i-- > 0;) {
        const std::string text = answers[i].get();
        CHECK(text == std::string(sizes[i], 'x'));
    }
    const std::string big(5u << 20, 'y');
    CHECK(child.call<&generic::length>(big) == big.size());
}

TEST_CASE(MITOGEN_TEST_NAME
          ": functions of the pool run at the same time, also with the main thread") {
    const bool forked = GENERATE(false, true);
    shared_pipe a, b, c, d;
    tree t;
    context child = make(t, forked);
    auto main = child.call_async<&generic::hold>(c.write_end(), d.read_end(), 3);
    CHECK(c.wait());
    auto first = child.call_async<&generic::meet_on_pool>(a.write_end(), b.read_end(), 1);
    auto second = child.call_async<&generic::meet_on_pool>(b.write_end(), a.read_end(), 2);
    CHECK(first.get() == 1);
    CHECK(second.get() == 2);
    CHECK_NOTHROW(child.ping().get());
    CHECK_FALSE(main.done());
    d.post();
    CHECK(main.get() == 3);
}

TEST_CASE(MITOGEN_TEST_NAME ": a deadline reaches the caller and the callee") {
    const bool forked = GENERATE(false, true);
    shared_pipe started, stopped;
    tree t;
    context child = make(t, forked);
    const mitogen::error why = generic::thrown_by([&] {
        child.within(1s).template call<&generic::until_stopped>(started.write_end(),
                                                                stopped.write_end());
    });
    CHECK(why.reason() == mitogen::reason::timeout);
    CHECK(stopped.wait());
    CHECK(child.call<&generic::add>(1, 2) == 3);
}

TEST_CASE(MITOGEN_TEST_NAME ": whoever waits for a child that dies is told how it ended") {
    const bool forked = GENERATE(false, true);
    shared_pipe started, never;
    tree t;
    context child = make(t, forked);
    std::optional<mitogen::result<int>> seen;
    std::thread other(
        [&] { seen = child.try_call<&generic::hold>(started.write_end(), never.read_end(), 1); });
    CHECK(started.wait());
    ::kill(t.root.child_pid(child.id()), SIGKILL);
    other.join();
    REQUIRE(seen.has_value());
    REQUIRE_FALSE(seen->has_value());
    CHECK(seen->error().reason() == mitogen::reason::respondent_lost);
    CHECK(seen->error().detail().has_status);
    CHECK(seen->error().detail().status.signal == SIGKILL);
}

TEST_CASE(MITOGEN_TEST_NAME ": several threads and children at once") {
    tree t;
    std::vector<context> children{t.root.local(), t.root.fork(), t.root.local()};
    std::vector<std::thread> threads;
    std::atomic<int> wrong{0};
    for (int n = 0; n < 4; ++n) {
        threads.emplace_back([&, n] {
            for (int i = 0; i < 50; ++i) {
                const context& c = children[static_cast<std::size_t>(i + n) % children.size()];
                if (c.call<&generic::add>(i, n) != i + n) ++wrong;
            }
        });
    }
    for (auto& thread : threads) thread.join();
    CHECK(wrong == 0);
    CHECK(t.root.contexts().size() == 3);
    CHECK(support::open_answers<MITOGEN_TEST_IO>(t.root) == 0);
}

TEST_CASE(MITOGEN_TEST_NAME ": connecting does not wait, and many come up at once") {
    tree t;
    std::vector<mitogen::future<context>> coming;
    for (int i = 0; i < 6; ++i)
        coming.push_back(t.root.connect_async(mitogen::local{.name = "n" + std::to_string(i)}));
    for (std::size_t i = 0; i < coming.size(); ++i) {
        context c = coming[i].get();
        CHECK(c.name() == "n" + std::to_string(i));
        CHECK(c.call<&generic::add>(1, static_cast<int>(i)) == 1 + static_cast<int>(i));
    }
}

TEST_CASE(MITOGEN_TEST_NAME ": a router that ends takes children with it that are only coming up") {
    tree t;
    auto coming = t.root.connect_async(mitogen::local{});
    t.root.close();
    CHECK(coming.done());
}

TEST_CASE(MITOGEN_TEST_NAME ": any context can be a parent, and everybody above knows the names") {
    tree t;
    context a = t.root.local({.name = "a"});
    context b = a.local({.name = "b"});
    context c = b.connect(mitogen::local{.name = "c"});
    CHECK(c.call<&generic::add>(1, 2) == 3);
    CHECK(c.name() == "a.b.c");
    CHECK(c.path() == std::vector<std::string>{"a", "b", "c"});
    CHECK(b.name() == "a.b");
    CHECK(a.call<&generic::name_seen>(c.id()) == "b.c");
    CHECK(b.call<&generic::name_seen>(c.id()) == "c");
    CHECK(t.root.contexts().size() == 3);
    const context below_self = t.root.myself().local({.name = "self"}); // the same as on the router
    CHECK(below_self.name() == "self");
    CHECK(t.root.child_pid(below_self.id()) > 0);
    CHECK(support::open_answers<MITOGEN_TEST_IO>(t.root) == 0);
}

TEST_CASE(MITOGEN_TEST_NAME
          ": a context makes children whatever its functions do, several at once") {
    const bool forked = GENERATE(false, true);
    shared_pipe started, go_on;
    tree t;
    context a = make(t, forked);
    context other = make(t, forked);
    auto busy = a.call_async<&generic::hold>(started.write_end(), go_on.read_end(), 7);
    CHECK(started.wait());
    std::vector<mitogen::future<context>> coming;
    for (int i = 0; i < 3; ++i) {
        coming.push_back(a.connect_async(mitogen::local{.name = "n" + std::to_string(i)}));
        coming.push_back(other.connect_async(mitogen::local{.name = "n" + std::to_string(i)}));
    }
    for (auto& c : coming) {
        context child = c.get();
        CHECK(child.call<&generic::add>(20, 3) == 23);
        CHECK(child.path().size() == 2);
    }
    CHECK_FALSE(busy.done());
    go_on.post();
    CHECK(busy.get() == 7);
}

TEST_CASE(MITOGEN_TEST_NAME ": an error of connecting elsewhere arrives whole, with its place") {
    tree t;
    context a = t.root.local({.name = "a"});
    const auto ended = a.try_local({.executable = "/bin/false"});
    REQUIRE_FALSE(ended.has_value());
    CHECK(ended.error().reason() == mitogen::reason::no_init);
    CHECK(ended.error().detail().place == "a");
    CHECK(ended.error().detail().context == a.id());
    CHECK(ended.error().detail().status.code == 1);
    CHECK(generic::contains(generic::thrown_by([&] { a.local({.executable = "/bin/cat"}); }).what(),
                            "unrecognized option"));
    const auto missing =
        a.connect_async(mitogen::local{.executable = "/no/such/program"}).try_get();
    REQUIRE_FALSE(missing.has_value());
    CHECK(missing.error().reason() == mitogen::reason::payload);
    CHECK(generic::contains(missing.error().what(), "[in a]"));
    ::kill(t.root.child_pid(a.id()), SIGKILL);
    const auto lost = a.try_local();
    REQUIRE_FALSE(lost.has_value());
    CHECK(lost.error().kind() == mitogen::kind::disconnected);
    CHECK_THROWS_AS(a.local(), mitogen::channel_error);
}

TEST_CASE(MITOGEN_TEST_NAME ": whoever waits for a context in a branch that is lost is told") {
    shared_pipe started, never;
    tree t;
    context a = t.root.local({.name = "a"});
    context c = a.local().local();
    auto pending = c.call_async<&generic::hold>(started.write_end(), never.read_end(), 1);
    auto coming = c.connect_async(mitogen::local{});
    CHECK(started.wait());
    a.disconnect();
    CHECK_THROWS_AS(pending.get(), mitogen::channel_error);
    const auto child = coming.try_get(); // up before, or lost with its parent
    if (!child) CHECK(child.error().kind() == mitogen::kind::disconnected);
    CHECK_FALSE(c.alive());
    CHECK(t.root.contexts().empty());
}

} // namespace context_test
} // namespace
