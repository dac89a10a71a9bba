// SPDX-License-Identifier: BSL-1.0
// Contexts that are made by other contexts than the one that asks for them.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"
#include "../support/engine.hpp"
#include "../support/leak_check.hpp"
#include "../support/soon.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <iterator>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/boot/prompts/prompt_matcher.hpp>
#include <mitogen/remote/serializable_method.hpp>
#endif
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace descendants_test {

int level_of(mitogen::router& here) { return static_cast<int>(here.ancestors().size()); }
std::uint64_t message_limit(mitogen::router& here) { return here.node().bounds().message_bytes; }
std::string own_name(mitogen::router& here) { return here.myself().name(); }
std::vector<std::string> names_of_others(mitogen::router& here) {
    std::vector<std::string> names;
    for (const mitogen::context& c : here.contexts()) names.push_back(c.name());
    std::sort(names.begin(), names.end());
    return names;
}
int log_level() { return static_cast<int>(mitogen::log::threshold()); }

/// What comes of the attempt to make a child below another context.
int attempt_below(mitogen::router& here, mitogen::context_id other) {
    const auto child = here.context_by_id(other).try_local();
    return static_cast<int>(child ? mitogen::reason::none : child.error().reason());
}
std::string made_by_myself(mitogen::router& here) {
    return here.myself().local({.name = "mine"}).name();
}
int attempt_on_loop(mitogen::router& here, mitogen::context_id other) {
    return attempt_below(here, other);
}
mitogen::context_id make_and_call(mitogen::router& here) {
    mitogen::context child = here.local().local();
    if (child.call<&generic::add>(2, 2) != 4) return mitogen::no_context;
    return child.id();
}

/// The next children of this process wait forever before they introduce themselves, and say so.
void hush(int tell) { ::setenv("MITOGEN_TEST_HUSHED", std::to_string(tell).c_str(), 1); }
void speak() { ::unsetenv("MITOGEN_TEST_HUSHED"); }
/// Of a child that was started meanwhile: before main() it tells that it began, then does nothing.
const int hushed = [] {
    const char* tell = std::getenv("MITOGEN_TEST_HUSHED");
    if (!tell) return 0;
    generic::shared_pipe::post(std::atoi(tell));
    for (;;) ::pause();
}();

std::size_t processes() { return support::take_census().children.size(); }

} // namespace descendants_test

template <>
inline constexpr auto mitogen::run_on<&descendants_test::attempt_on_loop> = mitogen::on::loop;

namespace {
using namespace descendants_test;
using generic::contains;
using generic::shared_pipe;
using generic::thrown_by;
using generic::tree;
using mitogen::reason;

/// Waits until a context has that many child processes.
bool has_processes(const mitogen::context& c, std::size_t wanted) {
    return support::soon([&] { return c.call<&processes>() == wanted; }, generic::plenty);
}

/// What `to` says about a message to handles::connect.
mitogen::error refusal_of(tree& t, const mitogen::context& to, mitogen::buffer payload) {
    mitogen::outstanding_call& p = t.root.node().ask(
        {.to = to.id(), .handle = mitogen::handles::connect, .payload = std::move(payload)});
    t.root.node().await(p, mitogen::never);
    const mitogen::error why =
        p.failure() ? *p.failure() : mitogen::error(reason::none, "it was not refused");
    p.release();
    return why;
}

TEST_CASE("a chain of ten levels") {
    tree t;
    std::vector<mitogen::context> chain{t.root.local({.name = "1"})};
    for (int level = 2; level <= 10; ++level)
        chain.push_back(chain.back().local({.name = std::to_string(level)}));
    CHECK(chain.back().name() == "1.2.3.4.5.6.7.8.9.10");
    for (std::size_t i = 0; i < chain.size(); ++i)
        CHECK(chain[i].call<&level_of>() == static_cast<int>(i) + 1);
    CHECK(thrown_by([&] { chain.back().local({.executable = "/no/such"}); }).detail().place ==
          chain.back().name());
    CHECK(chain[4].call<&generic::name_seen>(chain[9].id()) == "6.7.8.9.10");
    const std::string big(1u << 20, 'b');
    CHECK(chain.back().call<&generic::length>(big) == big.size());
}

TEST_CASE(
    "a context made by a function that asks another one is known above, and siblings ask in vain") {
    generic::log_capture quiet;
    tree t;
    mitogen::context a = t.root.local({.name = "a"});
    mitogen::context other = t.root.local({.name = "other"});
    mitogen::context below = t.root.context_by_id(a.call<&make_and_call>());
    CHECK(below.call<&level_of>() == 3);
    CHECK(below.path().size() == 3);
    CHECK(a.call<&made_by_myself>() == "mine");
    CHECK(static_cast<reason>(other.call<&attempt_below>(a.id())) == reason::refused_by_policy);
    CHECK(static_cast<reason>(below.call<&attempt_below>(a.id())) == reason::refused_by_policy);
    CHECK(static_cast<reason>(a.call<&attempt_on_loop>(below.id())) == reason::misuse);
    CHECK(static_cast<reason>(a.call<&attempt_below>(999'999)) == reason::no_route);
}

TEST_CASE("a context knows its own path, by which others see what it says") {
    tree t;
    CHECK(t.root.myself().name().empty());
    const mitogen::context web = t.root.local({.name = "web1"});
    const mitogen::context first = web.local({.name = "db"});
    const mitogen::context second = t.root.local({.name = "web2"}).local({.name = "db"});
    const mitogen::context unnamed = web.local();
    CHECK(web.call<&own_name>() == "web1");
    CHECK(first.call<&own_name>() == "web1.db");
    CHECK(second.call<&own_name>() == "web2.db");
    CHECK(unnamed.call<&own_name>() == unnamed.name());
    CHECK(web.call<&names_of_others>() == std::vector<std::string>{"db", unnamed.path().back()});
}

TEST_CASE("limits, log level and pool size reach everything below") {
    const mitogen::log::level before = mitogen::log::threshold();
    mitogen::log::set_level(mitogen::log::level::error);
    mitogen::router_options options;
    options.pool_threads = 6; // more than the standard
    options.limits.message_bytes = 50u << 20;
    shared_pipe met, go_on;
    tree t(options);
    mitogen::context a = t.root.local();
    mitogen::context b = a.local();
    mitogen::context bounded = a.local({.limits = mitogen::limits{.message_bytes = 1u << 20}});
    mitogen::context below = bounded.local();
    CHECK(b.call<&message_limit>() == 50u << 20);
    CHECK(bounded.call<&message_limit>() == 1u << 20);
    CHECK(below.call<&message_limit>() == 1u << 20);
    CHECK(b.call<&log_level>() == static_cast<int>(mitogen::log::level::error));
    std::vector<mitogen::future<int>> meeting;
    for (int i = 0; i < 6; ++i)
        meeting.push_back(
            b.call_async<&generic::meet_on_pool>(met.write_end(), go_on.read_end(), i));
    for (int i = 0; i < 6; ++i) CHECK(met.wait());
    for (int i = 0; i < 6; ++i) go_on.post();
    for (int i = 0; i < 6; ++i) CHECK(meeting[static_cast<std::size_t>(i)].get() == i);
    mitogen::log::set_level(before);
}

TEST_CASE("a child that nobody waits for any more is ended before it is up, near and far") {
    const bool drop = GENERATE(false, true);
    const generic::log_capture quiet;
    shared_pipe began;
    tree t;
    mitogen::context a = t.root.local({.name = "a"});
    a.call<&hush>(began.write_end());
    auto coming = a.connect_async(mitogen::local{.connect_timeout = std::chrono::hours(1)});
    CHECK(began.wait());
    CHECK(a.call<&processes>() == 1);
    if (drop) {
        coming = {};
    } else {
        coming.cancel();
        CHECK(thrown_by([&] { coming.get(); }).reason() == reason::cancelled);
    }
    CHECK(has_processes(a, 0));
    a.call<&speak>();
    CHECK(a.local().call<&generic::add>(1, 1) == 2);
    CHECK(t.root.contexts().size() == 2);
    {
        hush(began.write_end());
        auto near = t.root.connect_async(mitogen::local{.connect_timeout = std::chrono::hours(1)});
        CHECK(began.wait());
        speak();
        CHECK(support::take_census().children.size() == 2);
    }
    CHECK(
        support::soon([] { return support::take_census().children.size() == 1; }, generic::plenty));
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("whenever a child is given up, it is gone in the end") {
    tree t;
    mitogen::context a = t.root.local({.name = "a"});
    std::size_t kept = 0;
    for (int i = 0; i < 40; ++i) {
        auto coming = a.connect_async(mitogen::local{});
        // Another moment of its start each time.
        const auto until = std::chrono::steady_clock::now() + std::chrono::microseconds(200 * i);
        while (std::chrono::steady_clock::now() < until) std::this_thread::yield();
        coming.cancel();
        if (coming.try_get()) ++kept;
    }
    CHECK(has_processes(a, kept));
    CHECK(support::soon([&] { return t.root.contexts().size() == 1 + kept; }, generic::plenty));
    CHECK(support::open_answers(t.root) == 0);
}

TEST_CASE("a hundred thousand calls of a grandchild that are given up leave nothing") {
    tree t;
    mitogen::context below = t.root.local().local();
    for (int i = 0; i < 100'000; ++i) {
        const auto dropped = below.call_async<&generic::add>(i, 1);
        if (!dropped.valid()) FAIL("no call");
    }
    CHECK(below.call<&generic::add>(1, 1) == 2);
    CHECK(support::open_answers(t.root) == 0);
}

/// A program can be asked for what it names.
const mitogen::any_method named[] = {mitogen::ssh{}, mitogen::sudo{}};

TEST_CASE("what the other program does not understand is an error that says so") {
    CHECK(std::size(named) == 2);
    tree t;
    mitogen::context a = t.root.local({.name = "a"});
    const mitogen::error unknown =
        refusal_of(t, a, mitogen::encode(std::string_view("teleport"), 1));
    CHECK(unknown.kind() == mitogen::kind::unimplemented);
    CHECK(contains(unknown.what(), "does not know the connection method \"teleport\""));
    CHECK(unknown.detail().place == "a");
    CHECK(
        contains(refusal_of(t, a, mitogen::encode(std::string_view("ssh"), std::uint8_t{1})).what(),
                 "do not decode"));
    CHECK(refusal_of(t, a, mitogen::buffer()).reason() == reason::bad_arguments);
}

TEST_CASE("a method arrives as it was sent") {
    mitogen::ssh sent{.hostname = "h", .username = "u", .port = 22222, .identity_file = "/key"};
    sent.password = "correct horse";
    sent.check_host_keys = mitogen::host_keys::ignore;
    sent.ssh_path = "/opt/ssh";
    sent.ssh_args = {"-4"};
    sent.identities_only = false;
    sent.interactive = true;
    sent.proxy_jump = "bastion";
    sent.forward_agent = true;
    sent.debug_level = 2;
    sent.compression = true;
    sent.keepalive_interval = std::chrono::seconds(77);
    sent.keepalive_count = 8;
    sent.connect_timeout = std::chrono::milliseconds(4321);
    sent.name = "n";
    sent.keep_program = false;
    sent.may_detach = true;
    sent.executor = mitogen::on::pool;
    sent.limits = mitogen::limits{.message_bytes = 1,
                                  .queue_bytes = 2,
                                  .nesting = 3,
                                  .elements = 4,
                                  .open_calls = 5,
                                  .window_bytes = 6,
                                  .routes = 7};
    // Every member travels: one that is new is entered here, and in fields().
    STATIC_REQUIRE(std::tuple_size_v<decltype(mitogen::ssh::fields(sent))> == 23);
    STATIC_REQUIRE(
        std::tuple_size_v<decltype(mitogen::local::fields(std::declval<mitogen::local&>()))> == 6);
    STATIC_REQUIRE(sizeof(mitogen::local) == sizeof(mitogen::local::name) * 2 +
                                                 sizeof(mitogen::local::connect_timeout) +
                                                 sizeof(std::uint64_t) +
                                                 // executor: one byte, and what aligns the limits
                                                 sizeof(mitogen::local::limits) +
                                                 sizeof(std::uint64_t)); // may_detach
    const auto plan = mitogen::detail::plan_from(mitogen::detail::encode_method(sent).value(), {});
    REQUIRE(plan);
    CHECK(plan->start.argv == sent.arguments());
    CHECK(plan->start.path == "/opt/ssh");
    CHECK(plan->name == "n");
    CHECK(plan->timeout == 4'321'000'000);
    CHECK(plan->bounds == *sent.limits);
    CHECK(plan->executor == mitogen::on::pool);
    CHECK(plan->may_detach);
    REQUIRE(plan->prompts);
    CHECK(plan->prompts->password() == sent.password);

    STATIC_REQUIRE(
        std::tuple_size_v<decltype(mitogen::sudo::fields(std::declval<mitogen::sudo&>()))> == 16);
    const mitogen::sudo other{.username = "u",
                              .password = "p",
                              .sudo_path = "/opt/sudo",
                              .preserve_env = true,
                              .login = true,
                              .selinux_role = "r",
                              .selinux_type = "t",
                              .sudo_args = {"-n"}};
    const auto other_plan =
        mitogen::detail::plan_from(mitogen::detail::encode_method(other).value(), {});
    REQUIRE(other_plan);
    CHECK(other_plan->start.argv == other.arguments());
    CHECK(other_plan->start.path == "/opt/sudo");
    CHECK(other_plan->prompts->password() == other.password);
    CHECK_FALSE(plan->keep_program);
    const auto bad =
        mitogen::detail::plan_from(mitogen::detail::encode_method(mitogen::ssh{}).value(), {});
    CHECK(contains(bad.error().what(), "hostname is empty"));
}

} // namespace
