// SPDX-License-Identifier: BSL-1.0
// What runs in a context, and who waits there for what: told to whoever asks, and to the log if
// calls wait for one that goes on and on.
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <mitogen/mitogen.hpp>
#include <string>
#include <thread>
#include <vector>

namespace places_test {

/// Says that it has begun, and goes on until it is told to end.
int hold(int begun, int go_on) {
    generic::shared_pipe::post(begun);
    return generic::shared_pipe::wait(go_on);
}
int hold_pool(int begun, int go_on) { return hold(begun, go_on); }
int add(int a, int b) { return a + b; }
int add_in_pool(int a, int b) { return a + b; }
mitogen::generator<int> count(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
/// Keeps the main thread.
mitogen::generator<int> count_on_main(int n) {
    for (int i = 0; i < n; ++i) co_yield i;
}
int ask_further(mitogen::context whom, int begun, int go_on) {
    return whom.call<&hold>(begun, go_on);
}
mitogen::task<int> ask_in_task(mitogen::context whom, int begun, int go_on) {
    co_return co_await whom.call_async<&hold>(begun, go_on);
}
mitogen::context make_child(mitogen::router& here) { return here.local({.name = "deep"}); }
std::string describe(mitogen::router& here) { return here.describe(); }

} // namespace places_test

template <>
inline constexpr auto mitogen::run_on<&places_test::describe> = mitogen::on::loop;
template <>
inline constexpr auto mitogen::run_on<&places_test::hold_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&places_test::add_in_pool> = mitogen::on::pool;
template <>
inline constexpr auto mitogen::run_on<&places_test::count_on_main> = mitogen::on::main;

namespace {

using namespace places_test;
using generic::contains;
using generic::log_capture;
using generic::shared_pipe;
using generic::tree;

/// What `say` says, once it contains `part`.
template <class Say>
std::string text_with(const std::string& part, Say say) {
    const auto end = std::chrono::steady_clock::now() + generic::plenty;
    std::string text = say();
    while (!contains(text, part) && std::chrono::steady_clock::now() < end) {
        std::this_thread::yield();
        text = say();
    }
    return text;
}

TEST_CASE("a context says what runs there, and which calls wait for it") {
    const shared_pipe begun;
    const shared_pipe go_on;
    tree t;
    const auto web = t.root.local({.name = "web7"});
    const auto here = [&] { return web.call<&describe>(); };
    CHECK_FALSE(contains(here(), "hold"));
    auto first = web.call_async<&hold>(begun.write_end(), go_on.read_end());
    CHECK(begun.wait());
    auto second = web.call_async<&add>(1, 2);
    const std::string text = here(); // it came behind the call
    CHECK(contains(text, "the main thread runs places_test::hold for context 0"));
    CHECK(contains(text, "the call of places_test::add for context 0 waits for the main thread"));
    // from then on they have an age
    for (const char* line : {"the main thread runs places_test::hold for context 0, for ",
                             "places_test::add for context 0 waits for the main thread, for "})
        CHECK(contains(text_with(line, here), line));
    go_on.post();
    CHECK(second.get() == 3);
    CHECK_FALSE(contains(here(), "hold"));
}

TEST_CASE("the caller says which answers are waited for") {
    const shared_pipe begun;
    const shared_pipe go_on;
    tree t;
    const auto web = t.root.local({.name = "web7"});
    auto answer = web.call_async<&hold>(begun.write_end(), go_on.read_end());
    const std::string line = "this program waits for the answer to places_test::hold in web7";
    CHECK(contains(t.root.describe(), line));
    CHECK(contains(web.describe(), "\n" + line));
    CHECK(contains(text_with(line + ", for ", [&] { return web.describe(); }), line + ", for "));
    bool found = false;
    for (const mitogen::activity& a : t.root.activities())
        found = found || (a.context == web.id() && a.lasts > 0 && contains(a.text(), line));
    CHECK(found);
    go_on.post();
    CHECK(answer.get() == 1);
    CHECK_FALSE(contains(t.root.describe(), "hold"));
}

TEST_CASE("what a function waits for is told with it") {
    const shared_pipe begun;
    const shared_pipe go_on;
    tree t;
    const auto web = t.root.local({.name = "web7"});
    const auto deep = web.call<&make_child>();
    const auto here = [&] { return web.call<&describe>(); };
    const std::string wait = " waits for the answer to places_test::hold in deep";
    SECTION("on the main thread") {
        auto answer = web.call_async<&ask_further>(deep, begun.write_end(), go_on.read_end());
        CHECK(begun.wait());
        const std::string text = text_with("main thread" + wait, here);
        CHECK(contains(text, "the main thread runs places_test::ask_further for context 0"));
        CHECK(contains(text, "the main thread" + wait));
        CHECK_FALSE(contains(text, "this program" + wait)); // not a second time
        go_on.post();
        CHECK(answer.get() == 1);
    }
    SECTION("in a task") {
        auto answer = web.call_async<&ask_in_task>(deep, begun.write_end(), go_on.read_end());
        CHECK(begun.wait());
        const std::string text = here();
        CHECK(contains(text, "a task runs places_test::ask_in_task for context 0"));
        CHECK(contains(text, "a task" + wait));
        go_on.post();
        CHECK(answer.get() == 1);
    }
    SECTION("in a generator, for credit") {
        auto items = web.stream<&count>(100'000'000);
        CHECK(items.receive() == 0);
        const std::string line = "a thread of its own waits for credit for an item to context 0";
        const std::string text = text_with(line, here);
        CHECK(contains(text, "a thread of its own runs places_test::count for context 0"));
        CHECK(contains(text, line));
    }
}

TEST_CASE("a thread that waits for items is told of") {
    tree t;
    mitogen::receiver<int> in(t.root);
    const auto out = in.to_sender();
    std::thread waits([&] { CHECK(in.receive() == 7); });
    const std::string line = "a thread waits for an item";
    CHECK(contains(text_with(line, [&] { return t.root.describe(); }), line));
    out.send(7);
    waits.join();
    CHECK_FALSE(contains(t.root.describe(), line));
}

mitogen::router_options watchful() {
    return {.pool_threads = 1, .rules = {.warnings = {.queued_call = 50'000'000}}};
}

TEST_CASE("the log says what calls wait for if that goes on and on, once for each") {
    const log_capture log;
    const shared_pipe begun;
    const shared_pipe go_on;
    tree t(watchful());
    const auto web = t.root.local({.name = "web7"});
    const auto told = [&](const std::string& text) {
        std::size_t n = 0;
        for (const generic::logged& r : log.records()) n += contains(r.text, text);
        return n;
    };
    SECTION("for the main thread") {
        const std::string text = "call places_test::add waits for the main thread of web7, which "
                                 "for 50 ms has run places_test::hold for context 0";
        for (std::size_t times = 1; times <= 2; ++times) {
            auto first = web.call_async<&hold>(begun.write_end(), go_on.read_end());
            CHECK(begun.wait());
            auto second = web.call_async<&add>(1, 2);
            auto third = web.call_async<&add>(1, 2);
            CHECK(log.wait_until([&](const std::vector<generic::logged>& all) {
                std::size_t n = 0;
                for (const generic::logged& r : all)
                    n += r.place == "web7" &&
                         contains(r.text, text + "; 1 more calls wait");
                return n == times;
            }));
            CHECK_FALSE(second.done());
            go_on.post();
            CHECK(third.get() == 3);
            CHECK(told(text) == times);
        }
    }
    SECTION("for the main thread, which waits itself") {
        auto items = web.stream<&count_on_main>(100'000'000);
        CHECK(items.receive() == 0);
        // only what waits already when the log looks is told of with it
        const std::string wait = "the main thread waits for credit for an item to context 0";
        CHECK(contains(text_with(wait, [&] { return web.call<&describe>(); }), wait));
        auto second = web.call_async<&add>(1, 2);
        CHECK(log.wait_for("call places_test::add waits for the main thread of web7, which for 50 "
                           "ms has run places_test::count_on_main for context 0, which waits for "
                           "credit for an item to context 0, for "));
        items.cancel();
        CHECK(second.get() == 3);
    }
    SECTION("for the pool") {
        auto first = web.call_async<&hold_pool>(begun.write_end(), go_on.read_end());
        CHECK(begun.wait());
        auto second = web.call_async<&add_in_pool>(1, 2);
        CHECK(log.wait_for("call places_test::add_in_pool waits for the pool of web7, which for 50 "
                           "ms has run places_test::hold_pool for context 0"));
        go_on.post();
        CHECK(second.get() == 3);
    }
}

} // namespace
