// SPDX-License-Identifier: BSL-1.0
#include "../generic/tree.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <chrono>
#include <map>
#include <mitogen/mitogen.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

namespace group_command_test {

using namespace std::chrono_literals;
using mitogen::context;

int pid_here() { return ::getpid(); }

/// Three children, and a child of the first.
mitogen::group four(generic::tree& t) {
    const context first = t.root.local();
    return mitogen::group{first, t.root.local(), t.root.local(), first.local()};
}

TEST_CASE("each member runs a command, and says what it says alone") {
    generic::tree t;
    const mitogen::group all = four(t);
    std::map<std::string, std::vector<std::string>> lines;
    const auto done =
        all.run("cat; printf 'two\nrest'; printf oops >&2; exit 3",
                {.input = "one\n", .line = [&](const context& who, std::string_view line) {
                     lines[std::to_string(who.id())].emplace_back(line);
                 }});
    REQUIRE(done.size() == all.size());
    for (std::size_t rank = 0; rank < all.size(); ++rank) {
        CAPTURE(rank);
        CHECK(done[rank].who == all[rank]);
        CHECK(done[rank].value->status.code == 3);
        CHECK(done[rank].value->out == "one\ntwo\nrest");
        CHECK(done[rank].value->err == "oops");
        CHECK(lines[std::to_string(all[rank].id())] ==
              std::vector<std::string>{"one", "two", "rest"});
    }
    CHECK(done.failures() == 0); // a status is a result
}

TEST_CASE("an unfinished line of a member is shown while the others go on") {
    generic::tree t;
    const mitogen::group all = four(t);
    std::vector<mitogen::line_end> ends;
    const auto done = all.run("printf 'sure? '; sleep 0.7; echo",
                              {.line = [&](std::string_view text, mitogen::line_end why) {
                                  if (text == "sure? ") ends.push_back(why);
                              }});
    CHECK(ends == std::vector(4, mitogen::line_end::pause));
    for (const auto& one : done) CHECK(one.value->out == "sure? \n");
}

TEST_CASE("a command that fails counts for the budget of its group") {
    generic::tree t;
    const mitogen::group all = four(t);
    SECTION("by its status") {
        const auto done = all.in_batches(2).allow_failures(1).run("exit 1");
        CHECK(done[0].value->status.code == 1);
        CHECK(done[1].value->status.code == 1);
        CHECK(done[2].value.error() == mitogen::reason::withheld);
        CHECK(done[3].phase == mitogen::call_phase::not_sent);
    }
    SECTION("by its time limit") {
        const auto done =
            all.at_once(1).allow_failures(0).exec("/bin/sleep", {"100"}, {.time_limit = 50ms});
        CHECK(done[0].value->timed_out);
        CHECK(done[1].value.error() == mitogen::reason::withheld);
    }
    SECTION("and the first that succeeds ends the others") {
        const auto done = all.first(1).run(
            "test $PPID = " + std::to_string(all[2].call<&pid_here>()) + " || exec sleep 100");
        REQUIRE(done.size() == 1);
        CHECK(done[0].who == all[2]);
    }
}

TEST_CASE("what becomes of one member's command is its own result") {
    generic::tree t;
    const mitogen::group all = four(t);
    const int last = all[3].call<&pid_here>();
    const auto done = all.run("echo begun; test $PPID = " + std::to_string(last) +
                              " && kill -9 $PPID && sleep 100; echo done");
    for (std::size_t rank = 0; rank < 3; ++rank) CHECK(done[rank].value->out == "begun\ndone\n");
    REQUIRE_FALSE(done[3].value);
    CHECK_THAT(done[3].value.error().what(), Catch::Contains("SIGKILL"));
}

TEST_CASE("a deadline ends the commands of all members, and tells what they had said") {
    generic::tree t;
    const mitogen::group all = four(t);
    const auto done = all.within(200ms).run("echo begun; exec sleep 100");
    for (const auto& one : done) {
        REQUIRE_FALSE(one.value);
        CHECK(one.value.error() == mitogen::reason::timeout);
        CHECK_THAT(one.value.error().what(), Catch::Contains("begun"));
    }
}

TEST_CASE("a callback that throws ends the commands of all members") {
    generic::tree t;
    const mitogen::group all = four(t);
    CHECK_THROWS_WITH(
        all.run("echo line; exec sleep 100",
                {.line = [](std::string_view) { throw std::runtime_error("enough"); }}),
        "enough");
}

TEST_CASE("much output of all members is bounded in the memory of whoever asks") {
    generic::tree t;
    const mitogen::group all = four(t);
    const auto done = all.run("head -c 20000000 /dev/zero", {.output_bytes = 1000});
    for (const auto& one : done) {
        CHECK(one.value->out == std::string(1000, '\0'));
        CHECK(one.value->out_cut == 20'000'000 - 1000);
    }
}

TEST_CASE("what cannot be said is the result of each member, and nothing runs") {
    generic::tree t;
    const auto done = four(t).exec("echo", {std::string("a\0b", 3)});
    REQUIRE(done.size() == 4);
    for (const auto& one : done) CHECK(one.value.error() == mitogen::reason::misuse);
    CHECK(mitogen::group().run("true").empty());
}

} // namespace group_command_test
