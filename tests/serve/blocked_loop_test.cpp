// SPDX-License-Identifier: BSL-1.0
// A loop that a function, a handler or a log sink blocks is named in the log while it is blocked,
// also where it is that of another context, whose log travels over that loop.
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <future>
#include <mitogen/mitogen.hpp>
#include <string>

namespace blocked_loop_test {

int block_on_loop(int fd) { return generic::shared_pipe::wait(fd); }
mitogen::task<int> block_in_task(int fd) { co_return generic::shared_pipe::wait(fd); }
void log_once(const std::string& text) { mitogen::log::write(mitogen::log::level::error, text); }

} // namespace blocked_loop_test

template <>
inline constexpr auto mitogen::run_on<&blocked_loop_test::block_on_loop> = mitogen::on::loop;

namespace {

using namespace blocked_loop_test;
using generic::contains;
using generic::log_capture;
using generic::logged;
using generic::tree;

mitogen::router_options watchful() {
    return {.rules = {.warnings = {.blocked_loop = 20'000'000}}};
}

TEST_CASE("a function that blocks the loop of its context is named while it does so") {
    const log_capture log;
    const generic::shared_pipe go_on;
    tree t(watchful());
    auto child = t.root.local({.name = "web7"});
    const auto says = [&](const std::string& what) {
        return log.wait_until([&](const std::vector<logged>& all) {
            for (const logged& r : all)
                if (r.place == "web7" && contains(r.text, "the loop is blocked: " + what))
                    return true;
            return false;
        });
    };
    SECTION("on the loop") {
        auto answer = child.call_async<&block_on_loop>(go_on.read_end());
        CHECK(says("the function blocked_loop_test::block_on_loop has run there for 20 ms"));
        CHECK_FALSE(answer.done());
        go_on.post();
        CHECK(answer.get() == 1);
    }
    SECTION("as a task") {
        auto answer = child.call_async<&block_in_task>(go_on.read_end());
        CHECK(says("the task blocked_loop_test::block_in_task has run there for 20 ms"));
        CHECK_FALSE(answer.done());
        go_on.post();
        CHECK(answer.get() == 1);
    }
    SECTION("further down, with others before and behind it") {
        auto deep = child.local({.name = "deep"});
        const auto before = deep.call_async<&block_on_loop>(go_on.read_end());
        auto answer = deep.call_async<&block_on_loop>(go_on.read_end());
        CHECK(log.wait_for("the function blocked_loop_test::block_on_loop"));
        CHECK_FALSE(answer.done());
        go_on.post();
        go_on.post();
        CHECK(answer.get() == 1);
    }
}

TEST_CASE("so is a task of the program itself") {
    const log_capture log;
    tree t(watchful());
    const auto wrong = [](const log_capture& seen) -> mitogen::task<bool> {
        co_return seen.wait_for("the loop is blocked: a task of this program has run there");
    };
    CHECK(mitogen::block_on(t.root, wrong(log)));
}

TEST_CASE("so is a handler, also while a thread that waits drives the loop") {
    const log_capture log;
    tree t(watchful());
    bool told = false;
    const mitogen::handle<int> number{4711};
    t.root.add_handler(number, [&](const mitogen::message&, int) {
        told = log.wait_for("the loop is blocked: the handler of handle 4711");
    });
    t.root.myself().send(number, 1);
    t.root.myself().ping().get();
    CHECK(told);
}

TEST_CASE("so is a log sink") {
    std::promise<void> told;
    bool seen = false;
    mitogen::log::set_sink([&](const mitogen::log::record& r) {
        if (contains(r.text, "the loop is blocked: the log's sink")) told.set_value();
        if (r.text == "block me")
            seen = told.get_future().wait_for(generic::plenty) == std::future_status::ready;
    });
    {
        tree t(watchful());
        auto child = t.root.local();
        child.call<&log_once>("block me");
        child.ping().get();
    }
    mitogen::log::set_sink({});
    CHECK(seen);
}

} // namespace
