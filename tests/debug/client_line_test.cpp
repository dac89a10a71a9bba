// SPDX-License-Identifier: BSL-1.0
#include <mitogen/debug/clients/client_line.hpp>

#include <catch2/catch.hpp>
#include <cstdint>
#include <string>
#include <string_view>

namespace {

using mitogen::detail::client_line;
using mitogen::detail::client_verb;
using mitogen::detail::context_choice;
using mitogen::detail::prompt_verb;

client_verb verb_of(std::string_view text) {
    const auto read = client_line::read(text);
    REQUIRE(read);
    return read->verb;
}

TEST_CASE("each command of a second terminal has its word, and some a short one") {
    CHECK(verb_of("") == client_verb::nothing);
    CHECK(verb_of(" \t\r") == client_verb::nothing);
    CHECK(verb_of("list") == client_verb::list);
    CHECK(verb_of("  l \r") == client_verb::list);
    CHECK(verb_of("contexts") == client_verb::contexts);
    CHECK(verb_of("dump") == client_verb::dump);
    for (const char* text : {"help", "h", "?"}) CHECK(verb_of(text) == client_verb::help);
    for (const char* text : {"quit", "q"}) CHECK(verb_of(text) == client_verb::quit);
    for (const char* text : {"continue all", "c all", "continue \t all"}) {
        CHECK(verb_of(text) == client_verb::cast);
        CHECK(client_line::read(text)->command.verb == prompt_verb::go_on);
        CHECK(client_line::read(text)->to.has("local.7"));
    }
}

TEST_CASE("attach takes one number") {
    CHECK(verb_of("attach 1") == client_verb::attach);
    CHECK(client_line::read("attach 1")->number == 1);
    CHECK(client_line::read("a  12 ")->number == 12);
    CHECK(client_line::read("attach 18446744073709551615")->number == UINT64_MAX);
}

TEST_CASE("cast takes a set of contexts, and a command of the prompt") {
    const auto some = client_line::read("cast web[1-3,7],db  print  a b ");
    REQUIRE(some);
    CHECK(some->verb == client_verb::cast);
    CHECK(some->command.verb == prompt_verb::print);
    CHECK(some->command.rest == "a b");
    for (const char* in : {"web1", "web3", "web7", "db", "rack.web2", "local.1.db"})
        CHECK(some->to.has(in));
    for (const char* out : {"web4", "web", "db1", "web1.local", "", "root"})
        CHECK_FALSE(some->to.has(out));
    CHECK(client_line::read("cast rack.web[1-9/4] where")->to.has("rack.web5"));
    CHECK_FALSE(client_line::read("cast rack.web[1-9/4] where")->to.has("web5"));
    CHECK(client_line::read("cast local.web[01-02] bt")->to.has("local.web02"));
    for (const char* command : {"where", "bt", "frames", "threads", "print x", "set x 1", "break",
                                "break add", "delete add", "continue", "c", "next", "quit"}) {
        const std::string line = "cast all " + std::string(command);
        const auto all = client_line::read(line);
        REQUIRE(all);
        CHECK(all->to.has("any.thing"));
        CHECK(all->command.verb == mitogen::detail::prompt_line::read(command).verb);
    }
}

TEST_CASE("what is no command is refused in one line, and nothing of it obeyed") {
    for (const char* wrong :
         {"lists", "List", "list 1", "attach", "attach x", "attach 0", "attach -1", "attach 1 2",
          "attach 1x", "attach 1.5", "attach 18446744073709551616", "continue", "continue 1",
          "continue everything", "cast", "cast all", "cast web1", "cast web[1-3 where",
          "cast web[3-1] where", "cast web1] where", "cast web[1-] where", "cast web[] where",
          "cast web[1-9/0] where", "cast , where", "cast all up", "cast all frame 1",
          "cast all detach", "cast all help", "cast all where 1", "cast all continue now",
          "cast all print", "cast all set", "cast all delete", "cast all fly", "quit now",
          "dump 1", "help attach", "fly away", "\x1b[2J", "where"}) {
        INFO(wrong);
        const auto read = client_line::read(wrong);
        REQUIRE_FALSE(read);
        const std::string said(read.error().message());
        CHECK_FALSE(said.empty());
        CHECK(said.find('\n') == std::string::npos);
        CHECK(said.find('\x1b') == std::string::npos);
    }
}

TEST_CASE("the help names each command") {
    for (const char* word : {"list", "attach", "cast", "continue all", "contexts", "dump", "quit"})
        CHECK(mitogen::detail::client_help.find(word) != std::string_view::npos);
}

} // namespace
