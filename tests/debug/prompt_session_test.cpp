// SPDX-License-Identifier: BSL-1.0
#include <mitogen/debug/terminal/prompt_session.hpp>

#include <catch2/catch.hpp>
#include <cstddef>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using mitogen::detail::prompt_line;
using mitogen::detail::prompt_session;
using mitogen::detail::prompt_source;
using mitogen::detail::prompt_terminal;
using mitogen::detail::prompt_verb;
using mitogen::detail::session_end;
using mitogen::detail::stop_report;
using event = prompt_terminal::event;

constexpr mitogen::instant second = 1'000'000'000;

TEST_CASE("a line is its first word, and the rest without blanks around it") {
    const auto read = [](std::string_view text) { return prompt_line::read(text); };
    CHECK(read("").verb == prompt_verb::nothing);
    CHECK(read(" \t\r").verb == prompt_verb::nothing);
    CHECK(read("where").verb == prompt_verb::where);
    CHECK(read("  bt\r").verb == prompt_verb::where);
    CHECK(read("c").verb == prompt_verb::go_on);
    CHECK(read("n").verb == prompt_verb::go_on);
    CHECK(read("q").verb == prompt_verb::quit);
    CHECK(read("?").verb == prompt_verb::help);
    CHECK(read("print \t a b ").verb == prompt_verb::print);
    CHECK(read("print \t a b ").rest == "a b");
    CHECK(read("set\tx 5").rest == "x 5");
    for (const char* unknown : {"Where", "wher", "wheres", "continue;", "print(x)"})
        CHECK(read(unknown).verb == prompt_verb::unknown);
}

TEST_CASE("the help names each long word of the prompt that is no other form of one") {
    for (const char* word : {"where", "frames", "up", "down", "frame", "contexts", "threads",
                             "print", "set", "dump", "break", "delete", "continue", "quit"})
        CHECK(mitogen::detail::prompt_help.find(word) != std::string_view::npos);
}

/// Says what it was given, and keeps what it is shown.
class script final : public prompt_terminal {
public:
    std::deque<std::pair<event, std::string>> to_say;
    std::string shown;

    explicit script(std::deque<std::pair<event, std::string>> say) : to_say(std::move(say)) {}
    bool begin() override { return true; }
    void end() override {}
    event read(std::string& line) override {
        REQUIRE_FALSE(to_say.empty());
        auto [what, text] = std::move(to_say.front());
        to_say.pop_front();
        line = std::move(text);
        return what;
    }
    bool write(std::string_view text) override {
        shown += text;
        return true;
    }
    void wake() noexcept override {}
    void interrupt_program() noexcept override {}
    void abandon() noexcept override {}
};

struct ran {
    session_end how;
    std::string shown;
    std::vector<std::string> asked;
    std::size_t unread;
};

stop_report report() {
    stop_report r;
    r.function = "count";
    r.file = "tables.cpp";
    r.line = 12;
    r.thread = 4711;
    return r;
}

struct circumstances {
    std::function<std::optional<std::string>()> gone = [] { return std::nullopt; };
    mitogen::instant step = 0; ///< between two looks at the clock
    stop_report stop = report();
};

ran run(std::deque<std::pair<event, std::string>> say, circumstances in = {}) {
    script terminal(std::move(say));
    std::vector<std::string> asked;
    mitogen::instant now = second;
    prompt_source from{
        [&](std::string_view line) {
            asked.emplace_back(line);
            return "answer to " + std::string(line);
        },
        [] { return std::string("0  root\n"); },
        [] { return std::string("this context\n    waits\n"); },
        [&] { return in.gone(); },
        [&] { return now += in.step; },
    };
    const std::string place = "web1.db";
    const session_end how = prompt_session(terminal, from, in.stop, place).run();
    return {how, terminal.shown, asked, terminal.to_say.size()};
}

ran lines(std::deque<std::string> all) {
    std::deque<std::pair<event, std::string>> say;
    for (std::string& each : all) say.emplace_back(event::line, std::move(each));
    return run(std::move(say));
}

TEST_CASE("a session begins with where it stands, and asks at a prompt that names the context") {
    const ran r = lines({"continue"});
    CHECK(r.how == session_end::go_on);
    CHECK(r.shown == "\nweb1.db: breakpoint in count at tables.cpp:12, thread 4711\n"
                     "(mitogen web1.db) ");
}

TEST_CASE("what is thrown is shown, and nothing that a terminal would obey") {
    stop_report stop;
    stop.cause = static_cast<std::uint8_t>(mitogen::detail::stop_cause::exception);
    stop.text = "bad \x1b[2J thing";
    const ran r = run({{event::line, "c"}}, {.stop = stop});
    CHECK(r.shown.find("an exception left a function: bad ") != std::string::npos);
    CHECK(r.shown.find('\x1b') == std::string::npos);
}

TEST_CASE("continue, quit and the end of the file end a session, and what follows is not read") {
    CHECK(lines({"n", "x"}).unread == 1);
    CHECK(lines({"quit"}).how == session_end::quit);
    const ran end = run({{event::end_of_file, ""}, {event::line, "quit"}});
    CHECK(end.how == session_end::go_on);
    CHECK(end.shown.ends_with("(mitogen web1.db) continue\n"));
    CHECK(run({{event::hung_up, ""}}).how == session_end::go_on);
}

TEST_CASE("what needs the thread is asked of it, with blanks as they were typed in between") {
    const ran r = lines({"p  x.y ", "set x  a  b", "tasks", "print", "set", "c"});
    CHECK(r.asked == std::vector<std::string>{"print x.y", "set x  a  b", "threads"});
    CHECK(r.shown.find("answer to print x.y\n(mitogen") != std::string::npos);
    CHECK(r.shown.find("print NAME\n") != std::string::npos);
    CHECK(r.shown.find("set NAME VALUE\n") != std::string::npos);
}

TEST_CASE("contexts, help, an empty line and nonsense are answered here") {
    const ran r = lines({"contexts", "dump", "help", "", "fly away\x1b", "c"});
    CHECK(r.asked.empty());
    CHECK(r.shown.find("0  root\n") != std::string::npos);
    CHECK(r.shown.find("this context\n    waits\n") != std::string::npos);
    CHECK(r.shown.find(mitogen::detail::prompt_help) != std::string::npos);
    CHECK(r.shown.find("is no command; `help` lists them\n") != std::string::npos);
    CHECK(r.shown.find('\x1b') == std::string::npos);
    // the empty one
    CHECK(r.shown.find("(mitogen web1.db) (mitogen web1.db) ") != std::string::npos);
}

TEST_CASE("without a stack there is still the function that has stopped, and no frame beyond it") {
    const ran r = lines({"where", "up", "down", "frame 0", "frame 1", "frame x", "frame", "c"});
    std::size_t shown = 0;
    for (std::size_t at = 0; (at = r.shown.find("#0", at)) != std::string::npos; ++at) ++shown;
    CHECK(shown == 5);
    CHECK(r.shown.find("no frame \"1\": there are 1\n") != std::string::npos);
    CHECK(r.shown.find("no frame \"x\": there are 1\n") != std::string::npos);
    CHECK(r.asked.empty());
}

TEST_CASE("nothing at all is known of it, and that is said") {
    const ran r = run({{event::line, "where"}, {event::line, "up"}, {event::line, "c"}},
                      {.stop = stop_report{}});
    std::size_t said = 0;
    for (std::size_t at = 0; (at = r.shown.find("no stack is known\n", at)) != std::string::npos;
         ++at)
        ++said;
    CHECK(said == 2);
}

TEST_CASE("Ctrl-C twice within two seconds is the end, and a new prompt else") {
    CHECK(run({{event::interrupt, ""}, {event::interrupt, ""}}, {.step = second}).how ==
          session_end::broken);
    const ran slow = run({{event::interrupt, ""}, {event::interrupt, ""}, {event::line, "c"}},
                         {.step = 3 * second});
    CHECK(slow.how == session_end::go_on);
    CHECK(slow.unread == 0);
}

TEST_CASE("a session of one that is gone ends, and says why") {
    const ran before = run({}, {.gone = [] { return std::optional<std::string>("it is lost"); }});
    CHECK(before.how == session_end::gone);
    CHECK(before.shown.ends_with("it is lost\n"));
    int looks = 0;
    const ran later = run({{event::woken, ""}}, {.gone = [&]() -> std::optional<std::string> {
                              if (++looks == 1) return std::nullopt;
                              return "it is lost";
                          }});
    CHECK(later.how == session_end::gone);
    CHECK(later.shown.ends_with("(mitogen web1.db) \nit is lost\n"));
}

TEST_CASE("a second terminal can leave, and what it was shown last is remembered") {
    std::string screen;
    const auto at_second = [&screen](std::deque<std::pair<event, std::string>> say) {
        script terminal(std::move(say));
        prompt_source from{
            [](std::string_view line) { return "answer to " + std::string(line); },
            [] { return std::string(); },
            [] { return std::string(); },
            []() -> std::optional<std::string> { return std::nullopt; },
            [] { return second; },
            true,
            [&screen](const std::string& shown) { screen = shown; },
        };
        const stop_report stop = report();
        const std::string place = "web1";
        const std::string last = screen;
        const session_end how = prompt_session(terminal, from, stop, place).run(last);
        return ran{how, terminal.shown, {}, terminal.to_say.size()};
    };
    const ran first =
        at_second({{event::line, "p x"}, {event::line, "p y"}, {event::line, ""},
                   {event::line, "detach"}});
    CHECK(first.how == session_end::detached);
    CHECK(screen == "\nweb1: breakpoint in count at tables.cpp:12, thread 4711\n"
                    "(mitogen web1) p y\nanswer to print y\n");
    const ran later = at_second({{event::end_of_file, ""}});
    CHECK(later.how == session_end::detached);
    CHECK(later.shown.starts_with(screen + "(mitogen web1) "));
    CHECK(at_second({{event::hung_up, ""}}).how == session_end::detached);
    const ran own = lines({"detach", "c"});
    CHECK(own.how == session_end::go_on);
    CHECK(own.shown.find("only a second terminal can be left") != std::string::npos);
}

TEST_CASE("being woken for nothing, or going on after a stop, is only a new prompt") {
    const ran r = run({{event::woken, ""}, {event::went_on, ""}, {event::line, "q"}});
    CHECK(r.how == session_end::quit);
    CHECK(r.asked.empty());
}

} // namespace
