// SPDX-License-Identifier: BSL-1.0
#include "generic/inject.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <mitogen/boot/prompts/prompt_matcher.hpp>
#include <mitogen/mitogen.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace {

using mitogen::detail::prompt_kind;
using mitogen::detail::prompt_matcher;
using reaction = mitogen::detail::prompt_matcher::reaction;
using outcome = mitogen::detail::prompt_outcome;

prompt_kind recognise(std::string_view line) {
    if (line == "password:") return prompt_kind::password;
    if (line == "phrase:") return prompt_kind::passphrase;
    if (line == "trust?") return prompt_kind::host_key;
    return line.ends_with("?") ? prompt_kind::other : prompt_kind::none;
}

prompt_kind none_at_all(std::string_view) { return prompt_kind::none; }

prompt_matcher with(std::string_view password) {
    return {&recognise, password, prompt_matcher::reads::terminal};
}

std::string before_colon(std::string_view line) {
    const std::size_t at = line.find(": ");
    return std::string(line.substr(0, at == std::string_view::npos ? 0 : at));
}

/// Its questions say who asks: "mia@web: password:". Looked up, it is whoever that prints; with a
/// '+' behind it, others may ask, too.
prompt_matcher for_owner(const std::string& likely, const char* cannot_tell = nullptr) {
    prompt_matcher p(
        [](std::string_view line) {
            return line.ends_with("password:") ? prompt_kind::password : prompt_kind::none;
        },
        "secret", prompt_matcher::reads::terminal);
    mitogen::detail::owner_lookup l;
    l.likely.name = likely;
    l.argv = {"tool", "-G"};
    l.read = [](std::string_view printed) {
        return mitogen::detail::password_owner{std::string(printed.substr(0, printed.find('+'))),
                                               printed.ends_with('+')};
    };
    l.asker = &before_colon;
    l.cannot_tell = cannot_tell;
    p.for_owner(std::move(l));
    return p;
}

} // namespace

TEST_CASE("a password is typed when it is asked for") {
    prompt_matcher p = with("secret");
    CHECK(p.hear("lecture: be good\r\npass") == reaction::nothing);
    CHECK_FALSE(p.answered());
    CHECK(p.hear("word:") == reaction::answer);
    CHECK(p.answered());
    CHECK(p.answer().reveal() == "secret");
    CHECK(p.hear("\r\n") == reaction::nothing);
    CHECK(p.hear("welcome\n") == reaction::nothing);
}

TEST_CASE("a question stands on a line of its own that has not ended") {
    prompt_matcher p = with("secret");
    CHECK(p.hear("password:\n") == reaction::nothing);
    CHECK(p.hear("the password:") == reaction::nothing);
    CHECK(p.hear("\rpassword:") == reaction::answer);
}

TEST_CASE("a second question for the password means that it is wrong") {
    prompt_matcher p = with("secret");
    REQUIRE(p.hear("password:") == reaction::answer);
    REQUIRE(p.hear("\nSorry.\npassword:") == reaction::give_up);
    CHECK(p.why() == mitogen::reason::auth_incorrect);
    CHECK(p.trouble() == "the password is incorrect");
}

TEST_CASE("without a password the first question is the last") {
    prompt_matcher p = with("");
    CHECK(p.hear("password:") == reaction::give_up);
    CHECK(p.why() == mitogen::reason::auth_required);
    CHECK(p.trouble() == "a password is required; set .password or router_options::on_prompt");
    CHECK_FALSE(p.answered());
}

TEST_CASE("an unknown question is taken for the password's, once") {
    prompt_matcher p = with("secret");
    REQUIRE(p.hear("Passwort?") == reaction::answer);
    SECTION("the same again") {
        REQUIRE(p.hear("\nPasswort?") == reaction::give_up);
        CHECK(p.why() == mitogen::reason::auth_incorrect);
    }
    SECTION("another one") {
        REQUIRE(p.hear("\nCode?") == reaction::give_up);
        CHECK(p.why() == mitogen::reason::auth_required);
        CHECK_THAT(p.trouble(), Catch::Contains("Code?"));
    }
}

TEST_CASE("a person is asked what the password does not answer") {
    prompt_matcher p = with("secret");
    p.person_there(true);
    REQUIRE(p.hear("password:") == reaction::answer);
    REQUIRE(p.hear("\nlecture\nCode?") == reaction::ask);
    CHECK(p.question() == "Code?");
    CHECK(p.waiting_text() == "nobody has answered its question \"Code?\" yet");
    SECTION("who answers") {
        CHECK(p.settle(outcome::answered, "246810") == reaction::answer);
        CHECK(p.answer().reveal() == "246810");
        CHECK(p.answered_by_person());
        CHECK(p.waiting_text().empty());
        CHECK(p.settle(outcome::answered, "again") == reaction::nothing);
        SECTION("wrongly") {
            CHECK(p.hear("\n246810 is wrong, secret. Code? ") == reaction::ask);
            CHECK(p.question() == "*** is wrong, ***. Code? ");
        }
        SECTION("and is asked for the password, too") {
            CHECK(p.hear("\npassword:") == reaction::ask);
        }
    }
    SECTION("who does not") {
        CHECK(p.settle(outcome::declined, {}) == reaction::give_up);
        CHECK(p.why() == mitogen::reason::auth_required);
        CHECK(p.trouble() == "nobody answered its question \"Code?\"");
    }
    SECTION("who types what cannot be typed") {
        CHECK(p.settle(outcome::answered, "24\x1b") == reaction::give_up);
        CHECK(p.why() == mitogen::reason::misuse);
    }
    SECTION("and is not there") {
        CHECK(p.settle(outcome::nobody, {}) == reaction::give_up);
        CHECK(p.why() == mitogen::reason::auth_required);
        CHECK_THAT(p.trouble(),
                   Catch::Contains("Code?") && Catch::Contains("router_options::on_prompt"));
    }
}

TEST_CASE(
    "a person is not asked for what the options answer, nor whether a host is the right one") {
    prompt_matcher p = with("secret");
    p.person_there(true);
    REQUIRE(p.hear("phrase:") == reaction::ask);
    REQUIRE(p.settle(outcome::answered, "phrase") == reaction::answer);
    CHECK(p.hear("\npassword:") == reaction::answer);
    CHECK(p.answer().reveal() == "secret");
    CHECK(p.hear("\npassword:") == reaction::ask); // it was wrong
    CHECK(p.settle(outcome::declined, {}) == reaction::give_up);
    CHECK(p.why() == mitogen::reason::auth_incorrect);
    CHECK(p.hear("\ntrust?") == reaction::give_up);
    CHECK(p.why() == mitogen::reason::host_key);
}

TEST_CASE("a passphrase that nobody knows is declined") {
    prompt_matcher p = with("");
    p.person_there(true);
    const outcome how = GENERATE(outcome::declined, outcome::nobody);
    REQUIRE(p.hear("phrase:") == reaction::ask);
    CHECK(p.settle(how, {}) == reaction::decline);
    CHECK(p.hear("\nphrase:") == (how == outcome::nobody ? reaction::decline : reaction::ask));
}

TEST_CASE("whatever ends as a question goes to a person, and is withdrawn where it was none") {
    prompt_matcher p(&none_at_all, "secret", prompt_matcher::reads::terminal);
    CHECK(p.hear("Passwort: ") == reaction::nothing); // nobody is there
    p.person_there(true);
    for (const char* text :
         {"\nPasswort: ", "\nMot de passe :", "\n\u5BC6\u7801\uFF1A", "\nWirklich? "}) {
        CHECK(p.hear(text) == reaction::ask);
        CHECK(p.settle(outcome::answered, "x") == reaction::answer);
    }
    CHECK(p.hear("\nWorking: ") == reaction::ask);
    CHECK(p.hear("50 %") == reaction::withdraw);
    CHECK(p.settle(outcome::answered, "x") == reaction::nothing);
    CHECK(p.hear("\rWorking: ") == reaction::ask);
    CHECK(p.hear("50 %: ") == reaction::ask); // in its place
    CHECK(p.hear("\n") == reaction::withdraw);
    CHECK(p.hear("\n") == reaction::nothing);
}

TEST_CASE("a question that a person reads has no control characters") {
    prompt_matcher p = with("");
    p.person_there(true);
    REQUIRE(p.hear("\x1b[31mCode\x7f? ") == reaction::ask);
    CHECK(p.question() == "?[31mCode?? ");
}

TEST_CASE("a person is not asked without end") {
    prompt_matcher p = with("");
    p.person_there(true);
    for (int i = 0; i < prompt_matcher::most_questions; ++i) {
        REQUIRE(p.hear("\nCode?") == reaction::ask);
        REQUIRE(p.settle(outcome::answered, "0") == reaction::answer);
    }
    CHECK(p.hear("\nCode?") == reaction::give_up);
    CHECK(p.why() == mitogen::reason::auth_required);
}

TEST_CASE("other questions are answered with nothing, or not at all") {
    prompt_matcher p = with("secret");
    CHECK(p.hear("phrase:") == reaction::decline);
    CHECK(p.hear("\nphrase:") == reaction::decline);
    CHECK_FALSE(p.answered());
    CHECK(p.hear("\npassword:") == reaction::answer);
    CHECK(p.hear("\ntrust?") == reaction::give_up);
    CHECK(p.why() == mitogen::reason::host_key);
}

TEST_CASE("a line without end takes no memory without end") {
    prompt_matcher p = with("secret");
    for (int i = 0; i < 1000; ++i) REQUIRE(p.hear(std::string(1000, 'x')) == reaction::nothing);
    CHECK(p.hear("?") == reaction::nothing); // what comes after a kilobyte is not looked at
    CHECK(p.hear("\npassword:") == reaction::answer);
}

TEST_CASE("the tools' own questions are known") {
    using namespace mitogen::detail;
    CHECK(ask_for_password("Password: ") == prompt_kind::password);
    CHECK(ask_for_password("doas (mia@host) password: ") == prompt_kind::password);
    CHECK(ask_for_password("Password") == prompt_kind::none);
    CHECK(ask_for_password("su: ") == prompt_kind::none);
    CHECK(ask_for_password("   ") == prompt_kind::none);
    CHECK(ask_for_password("") == prompt_kind::none);

    mitogen::sudo sudo;
    const auto plan = sudo.plan();
    auto questions = *plan.value().prompts;
    const std::string& own = plan.value().start.argv.at(2); // behind -p
    CHECK(own.starts_with("mitogen asks for the password ("));
    CHECK(questions.hear("Password: ") == reaction::nothing);
    CHECK(questions.hear("\n" + own) == reaction::give_up);
    CHECK(questions.hear("\n[sudo: " + own + "] Password: ") == reaction::give_up);
    // what a profile prints that knows how this asks
    CHECK(questions.hear("\nmitogen asks for the password:") == reaction::nothing);
    CHECK(questions.hear("\nmitogen asks for the password (1):") == reaction::nothing);

    const auto ssh_says = [](std::string_view line) {
        return mitogen::ssh{.hostname = "web", .password = "secret"}.plan().value().prompts->hear(
            line);
    };
    CHECK(ssh_says("mia@web's password: ") == reaction::answer);
    CHECK(ssh_says("(mia@web) Password: ") == reaction::answer);
    CHECK(ssh_says("(mia@web) Passwort: ") == reaction::answer);
    CHECK(ssh_says("(for your information: ") == reaction::nothing);
    CHECK(ssh_says("Enter passphrase for key '.ssh/id_rsa': ") == reaction::decline);
    CHECK(ssh_says("Are you sure you want to continue connecting (yes/no/[fingerprint])? ") ==
          reaction::give_up);
    CHECK_FALSE(mitogen::ssh{.hostname = "web"}.plan().value().prompts);
    CHECK(mitogen::ssh{.hostname = "web", .interactive = true}.plan().value().prompts);
}

TEST_CASE("a password that cannot be typed is refused") {
    for (const std::string& text : std::vector<std::string>{"two\nlines", "\x03", "rub\x7fout"}) {
        CHECK(mitogen::sudo{.password = text}.plan().error().reason() == mitogen::reason::misuse);
        CHECK(mitogen::su{.password = text}.plan().error().reason() == mitogen::reason::misuse);
        CHECK(mitogen::doas{.password = text}.plan().error().reason() == mitogen::reason::misuse);
        CHECK(mitogen::ssh{.hostname = "web", .password = text}.plan().error().reason() ==
              mitogen::reason::misuse);
    }
    CHECK(mitogen::sudo{.password = "Übung macht den Meister"}.plan().has_value());
}

TEST_CASE("words are masked wherever they stand") {
    const auto masked = [](std::string text, std::string_view word) {
        mitogen::detail::mask(text, word);
        return text;
    };
    CHECK(masked("secret, and secret", "secret") == "***, and ***");
    CHECK(masked("nothing", "secret") == "nothing");
    CHECK(masked("nothing", "") == "nothing");
    CHECK(masked("**", "*") == "******");
}

TEST_CASE("a machine without a free terminal is overloaded, and nothing is left") {
    mitogen::broker broker;
    mitogen::router router{broker};
    const generic::inject fault("posix_openpt", -EMFILE);
    const auto made = router.try_sudo({.sudo_path = "/bin/true"});
    REQUIRE_FALSE(made);
    CHECK(made.error().reason() == mitogen::reason::overloaded);
    CHECK_THAT(made.error().what(), Catch::Contains("terminal"));
}

TEST_CASE("a password is typed to its owner, and to nobody on the way") {
    using mitogen::reason;
    prompt_matcher p = for_owner("mia@web");
    SECTION("who asks by the name that was expected") {
        CHECK(p.hear("mia@web: password:") == reaction::answer);
    }
    SECTION("who has another name") {
        REQUIRE(p.hear("mia@alias: password:") == reaction::look_up);
        CHECK(p.lookup().argv == std::vector<std::string>{"tool", "-G"});
        CHECK(p.hear("\nmia@alias: password:") == reaction::nothing); // it is being looked up
        CHECK_FALSE(p.answered());
        CHECK(p.found("mia@alias+") == reaction::answer);
        CHECK(p.answer().reveal() == "secret");
    }
    SECTION("and not to another one") {
        REQUIRE(p.hear("mia@gate: password:") == reaction::look_up);
        REQUIRE(p.found("mia@web+") == reaction::give_up);
        CHECK(p.why() == reason::auth_required);
        CHECK_THAT(p.trouble(), Catch::Contains("it asks \"mia@gate: password:\"") &&
                                    Catch::Contains("the password is for mia@web"));
        CHECK_FALSE(p.answered());
    }
    SECTION("nor to one whose configuration nobody can read") {
        REQUIRE(p.hear("mia@gate: password:") == reaction::look_up);
        REQUIRE(p.found("") == reaction::give_up);
    }
    SECTION("nor to one that says a name behind its own") {
        REQUIRE(p.hear("mia@gate: be welcome\nmia@web: password:") == reaction::look_up);
        CHECK(p.found("mia@web+") == reaction::give_up);
    }
    SECTION("nor to one that says a name before its own") {
        REQUIRE(p.hear("mia@web: be welcome\nmia@gate: password:") == reaction::look_up);
        CHECK(p.found("mia@web+") == reaction::give_up);
    }
    SECTION("another one is a person's, and the owner's is the password's still") {
        p.person_there(true);
        REQUIRE(p.hear("mia@gate: password:") == reaction::look_up);
        REQUIRE(p.found("mia@web+") == reaction::ask);
        CHECK(p.question() == "mia@gate: password:");
        REQUIRE(p.settle(outcome::answered, "of gate") == reaction::answer);
        CHECK(p.answer().reveal() == "of gate");
        CHECK(p.hear("\nmia@web: password:") == reaction::answer);
        CHECK(p.answer().reveal() == "secret");
    }
    SECTION("who says nothing may be another") {
        REQUIRE(p.hear("password:") == reaction::look_up);
        const bool others = GENERATE(true, false);
        CHECK(p.found(others ? "mia@web+" : "mia@web") ==
              (others ? reaction::give_up : reaction::answer));
    }
}

TEST_CASE("whoever asks at the owner's machine is its owner, if no user was named") {
    prompt_matcher p = for_owner("@web");
    CHECK(p.hear("root@gate: password:") == reaction::look_up);
    p = for_owner("@web");
    CHECK(p.hear("@web: password:") == reaction::look_up);
    p = for_owner("@web");
    CHECK(p.hear("root@web: password:") == reaction::answer);
}

TEST_CASE("where names may be lies, the password is typed only if nobody else can ask") {
    prompt_matcher p = for_owner("mia@web", "it is too old");
    REQUIRE(p.hear("mia@web: password:") == reaction::look_up);
    SECTION("somebody can") {
        REQUIRE(p.found("mia@web+") == reaction::give_up);
        CHECK_THAT(p.trouble(), Catch::Contains("it is too old"));
    }
    SECTION("nobody can") { CHECK(p.found("mia@web") == reaction::answer); }
}

TEST_CASE("names are recognised that are longer than a tool shows them") {
    using mitogen::detail::names_owner;
    const std::string user(40, 'u');
    const std::string host(140, 'h');
    CHECK(names_owner(user + "@" + host, user + "@" + host));
    CHECK(names_owner(user.substr(0, 30) + "@" + host.substr(0, 128), user + "@" + host));
    CHECK_FALSE(names_owner(user.substr(0, 29) + "@" + host.substr(0, 128), user + "@" + host));
    CHECK_FALSE(names_owner("", ""));
    CHECK_FALSE(names_owner("mia@web", "mia@web1"));
}
