// SPDX-License-Identifier: BSL-1.0
#include "support/internals.hpp"
#include "support/person.hpp"
#include "support/refusal.hpp"
#include "support/scratch.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <deque>
#include <fcntl.h>
#include <filesystem>
#include <mitogen/mitogen.hpp>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <system_error>
#include <thread>
#include <type_traits>
#include <unistd.h>
#include <utility>
#include <vector>

namespace prompting_test {
int add(int a, int b) { return a + b; } // has a name everywhere
} // namespace prompting_test

namespace {

using namespace std::chrono_literals;
using Catch::Contains;
using prompting_test::add;
using support::person;
using support::refusal;
using texts = std::vector<std::string>;

void die() { std::raise(SIGKILL); }

/// Puts a question to the root although that has asked for nothing but this call, under all numbers
/// that the call may have.
std::vector<std::string> ask_uninvited(mitogen::router& here) {
    std::vector<std::string> refusals;
    for (mitogen::handle_id slot = 0; slot < 4; ++slot) {
        for (mitogen::handle_id generation = 1; generation < 8; ++generation) {
            mitogen::outstanding_call& p = here.node().ask(
                {.to = mitogen::root_id,
                 .handle = mitogen::handles::prompt,
                 .how = mitogen::detail::question::manner::wait,
                 .payload = mitogen::encode(generation << 32 | slot, std::string("sudo"),
                                            std::string("Password: "))});
            here.node().await(p, mitogen::never);
            refusals.push_back(p.failure() ? p.failure()->what() : "answered");
            p.release();
        }
    }
    return refusals;
}

/// A directory for tools that ask, and a tree with somebody who answers.
struct tree {
    support::scratch dir;
    std::mutex mutex;
    std::string log;
    std::optional<mitogen::broker> broker{std::in_place};
    std::optional<mitogen::router> router;

    explicit tree(const person& who) : tree(who.callback()) {}
    explicit tree(mitogen::prompt_callback who) {
        mitogen::log::set_sink([this](const mitogen::log::record& r) {
            const std::lock_guard lock(mutex);
            log.append(r.text).append("\n");
        });
        router.emplace(*broker, mitogen::router_options{.on_prompt = std::move(who)});
    }
    tree(const tree&) = delete;
    tree& operator=(const tree&) = delete;
    ~tree() { end(); }

    void end() {
        router.reset();
        broker.reset();
        mitogen::log::set_sink({});
    }

    std::string logged() {
        const std::lock_guard lock(mutex);
        return log;
    }

    /// Something that calls itself sudo, as lines of sh. `ask QUESTION` puts the answer into $word,
    /// $prompt is what sudo asks with; `run` executes the command.
    mitogen::sudo sudo(const std::string& body, std::string password = {}) const {
        mitogen::sudo how;
        how.password = mitogen::secret(password);
        how.sudo_path = support::write_script(
            dir / "sudo",
            "prompt=$2\nask() { printf '%s' \"$1\" >/dev/tty; read -r word </dev/tty; }\n"
            "run() { while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"; }\n" +
                body);
        return how;
    }

    /// The same of ssh.
    mitogen::ssh ssh(const std::string& body) const {
        mitogen::ssh how;
        how.hostname = "web";
        how.interactive = true;
        how.ssh_path = support::write_script(
            dir / "ssh", "ask() { printf '%s' \"$1\" >/dev/tty; read -r word </dev/tty; }\n"
                          "run() { for last; do :; done; exec sh -c \"$last\"; }\n" +
                              body);
        return how;
    }
};

const std::string password_then_code =
    "ask \"$prompt\"; [ \"$word\" = 'correct horse' ] || exit 1\n"
    "ask 'One-time code (6 digits): '; [ \"$word\" = 246810 ] || exit 2\nrun \"$@\"\n";
const std::string asks_thrice =
    "for i in 1 2 3; do\n  ask \"$prompt\"; [ \"$word\" = right ] && run \"$@\"\n"
    "  echo 'Sorry, try again.' >/dev/tty\ndone\n"
    "echo 'sudo: 3 incorrect password attempts' >/dev/tty; exit 1\n";
const std::string colour =
    "ask 'Your favourite colour? '; [ \"$word\" = blue ] || exit 1; run \"$@\"\n";

} // namespace

static_assert(!std::is_copy_constructible_v<mitogen::prompt> &&
              std::is_nothrow_move_constructible_v<mitogen::prompt>);

TEST_CASE("questions that no option answers go to on_prompt") {
    SECTION("behind the password of the options") {
        const person who({"246810"});
        tree t(who);
        CHECK(t.router->sudo(t.sudo(password_then_code, "correct horse")).call<&add>(2, 3) == 5);
        CHECK(who.asked() == texts{"sudo root|One-time code (6 digits): "});
        CHECK_THAT(t.logged(), !Contains("246810") && !Contains("horse"));
    }
    SECTION("and the password, where the options have none") {
        const person who({"correct horse", "246810"});
        tree t(who);
        CHECK(t.router->sudo(t.sudo(password_then_code)).call<&add>(2, 3) == 5);
        CHECK(who.asked().size() == 2);
        CHECK_THAT(who.asked()[0], Contains("asks for the password ("));
    }
    SECTION("on stdout") { // as su of busybox asks
        const person who({"blue"});
        tree t(who);
        mitogen::su how;
        how.su_path = support::write_script(
            t.dir / "su", "printf 'Your favourite colour? '; read -r word\n"
                           "[ \"$word\" = blue ] || exit 1; shift; exec sh \"$@\"\n");
        CHECK(t.router->su(how).call<&add>(2, 3) == 5);
    }
    SECTION("nothing, where nothing is asked") {
        const person who;
        tree t(who);
        CHECK(t.router->sudo(t.sudo("run \"$@\"\n")).call<&add>(2, 3) == 5);
        CHECK(who.asked().empty());
    }
}

TEST_CASE("what was answered is shown nowhere") {
    const person who({"246810"});
    tree t(who);
    SECTION("by a child that comes up") {
        auto child =
            t.router->sudo(t.sudo("ask 'Code: '; echo \"you say $word\" >/dev/tty; run \"$@\"\n"));
        CHECK_THROWS_WITH(child.call<&die>(), Contains("you say ***") && !Contains("246810"));
        CHECK_THAT(t.logged(), Contains("you say ***") && !Contains("246810"));
    }
    SECTION("by one that does not") {
        const auto e =
            refusal(*t.router,
                    t.sudo("ask 'Code: '; echo \"not $word\" >/dev/tty; echo \"$word\"; exit 1\n"));
        CHECK_THAT(e.what(), Contains("not ***") && !Contains("246810"));
    }
    SECTION("in the next question, and in the error") {
        auto coming = t.router->connect_async(
            t.sudo("ask 'Code: '; ask \"$word is wrong. Code:\"\n", "password"));
        mitogen::prompt question = who.next();
        CHECK(question.text() == "*** is wrong. Code:");
        question.decline();
        const auto e = coming.try_get().error();
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("*** is wrong") && !Contains("246810"));
    }
    CHECK_THAT(t.logged(), !Contains("246810"));
}

TEST_CASE("a wrong answer is asked for again, as often as the tool does") {
    SECTION("until it is right") {
        const person who({"wrong", "wrong", "right"});
        tree t(who);
        CHECK(t.router->sudo(t.sudo(asks_thrice)).call<&add>(2, 3) == 5);
        CHECK(who.asked().size() == 3);
    }
    SECTION("until the tool has enough") {
        const person who({"wrong", "wrong", "wrong", "right"});
        tree t(who);
        const auto e = refusal(*t.router, t.sudo(asks_thrice));
        CHECK(e.reason() == mitogen::reason::auth_incorrect);
        CHECK(who.asked().size() == 3);
    }
    SECTION("behind a wrong password of the options") {
        const person who({"right"});
        tree t(who);
        CHECK(t.router->sudo(t.sudo(asks_thrice, "wrong")).call<&add>(2, 3) == 5);
    }
    SECTION("but not without end") {
        const person who(std::deque<std::string>(100, "wrong"));
        tree t(who);
        const auto e =
            refusal(*t.router, t.sudo("while :; do ask \"$prompt\"; echo >/dev/tty; done\n"));
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("without end"));
        CHECK(who.asked().size() == mitogen::detail::prompt_matcher::most_questions);
    }
}

TEST_CASE("a passphrase is a person's matter, and can be done without") {
    const std::string body =
        "ask \"Enter passphrase for key 'k': \"; [ \"$word\" = phrase ] && run \"$@\"\n"
        "ask \"mia@web's password: \"; [ \"$word\" = horse ] && run \"$@\"\n"
        "echo 'mia@web: Permission denied (publickey,password).' >/dev/tty; exit 255\n";
    SECTION("it is answered") {
        const person who({"phrase"});
        tree t(who);
        mitogen::ssh how = t.ssh(body);
        how.password = "horse";
        CHECK(t.router->ssh(how).call<&add>(2, 3) == 5);
        CHECK(who.asked() == texts{"ssh web|Enter passphrase for key 'k': "});
    }
    SECTION("it is wrong, and the password of the options is what is typed next") {
        const person who({"wrong phrase"});
        tree t(who);
        mitogen::ssh how = t.ssh(body);
        how.password = "horse";
        CHECK(t.router->ssh(how).call<&add>(2, 3) == 5);
    }
    SECTION("it is declined") {
        tree t([](mitogen::prompt question) {
            if (question.text().starts_with("Enter passphrase"))
                question.decline();
            else
                question.answer("horse");
        });
        CHECK(t.router->ssh(t.ssh(body)).call<&add>(2, 3) == 5);
    }
    SECTION("nobody is there") {
        tree t(mitogen::prompt_callback{});
        const auto e = refusal(*t.router, t.ssh(body));
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(
            e.what(),
            Contains(
                "ssh web: a password is required; set .password or router_options::on_prompt"));
    }
    SECTION("and there was no other way") {
        tree t(mitogen::prompt_callback{});
        const auto e =
            refusal(*t.router,
                    t.ssh("ask \"Enter passphrase for key 'k': \"\n"
                          "echo 'mia@web: Permission denied (publickey).' >/dev/tty; exit 255\n"));
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("Enter passphrase for key 'k':") &&
                                 Contains("router_options::on_prompt"));
    }
    SECTION("what was answered lets nobody in") {
        const person who({"a", "b"});
        tree t(who);
        CHECK(refusal(*t.router, t.ssh(body)).reason() == mitogen::reason::auth_incorrect);
    }
}

TEST_CASE("nobody is asked whether a host is the right one") {
    const person who({"yes"});
    tree t(who);
    const auto e = refusal(*t.router, t.ssh("ask 'Are you sure you want to continue connecting "
                                            "(yes/no/[fingerprint])? '; run \"$@\"\n"));
    CHECK(e.reason() == mitogen::reason::host_key);
    CHECK(who.asked().empty());
}

TEST_CASE("an answer may come later, from any thread") {
    const person who;
    tree t(who);
    auto coming = t.router->connect_async(t.sudo(colour));
    mitogen::prompt question = who.next();
    CHECK(question.what() == "sudo root");
    CHECK(question.place().empty());
    CHECK(question.text() == "Your favourite colour? ");
    std::thread([question = std::move(question)]() mutable { question.answer("blue"); }).join();
    CHECK(coming.get().call<&add>(2, 3) == 5);
}

TEST_CASE("a question that is not answered ends the attempt") {
    SECTION("dropped") {
        tree t([](const mitogen::prompt&) {});
        const auto e = refusal(*t.router, t.sudo(colour));
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(),
                   Contains("sudo root: nobody answered its question \"Your favourite colour?\""));
    }
    SECTION("declined") {
        tree t([](mitogen::prompt question) {
            question.decline();
            question.answer("blue"); // too late
        });
        CHECK(refusal(*t.router, t.sudo(colour)).reason() == mitogen::reason::auth_required);
    }
    SECTION("another one in its place") {
        const person who;
        tree t(who);
        auto coming = t.router->connect_async(t.sudo(colour));
        mitogen::prompt question = who.next();
        question = mitogen::prompt();
        CHECK(coming.try_get().error().reason() == mitogen::reason::auth_required);
    }
    SECTION("the one for the password, which was wrong") {
        tree t([](const mitogen::prompt&) {});
        const auto e = refusal(*t.router, t.sudo(asks_thrice, "wrong"));
        CHECK(e.reason() == mitogen::reason::auth_incorrect);
    }
    SECTION("by a callable that throws") {
        tree t([](const mitogen::prompt&) { throw std::runtime_error("no idea"); });
        CHECK(refusal(*t.router, t.sudo(colour)).reason() == mitogen::reason::auth_required);
        CHECK_THAT(t.logged(), Contains("no idea"));
    }
    SECTION("what no terminal takes") {
        const person who({"bl\x03ue"});
        tree t(who);
        const auto e = refusal(*t.router, t.sudo(colour));
        CHECK(e.reason() == mitogen::reason::misuse);
        CHECK_THAT(e.what(), Contains("control character") && !Contains("\x03"));
    }
}

TEST_CASE("time goes on while a question is open") {
    const person who;
    tree t(who);
    mitogen::sudo how = t.sudo(colour);
    how.connect_timeout = 2s; // the question must come first, however busy the machine is
    auto coming = t.router->connect_async(how);
    mitogen::prompt question = who.next();
    const auto e = coming.try_get().error();
    CHECK(e.reason() == mitogen::reason::connect_timeout);
    CHECK_THAT(e.what(),
               Contains("nobody has answered its question \"Your favourite colour?\" yet"));
    question.answer("blue");
    CHECK(t.router->sudo(t.sudo("run \"$@\"\n")).call<&add>(2, 3) == 5);
}

TEST_CASE("a question may outlive all that it is about") {
    const person who;
    tree t(who);
    auto coming = t.router->connect_async(t.sudo(colour));
    mitogen::prompt question = who.next();
    SECTION("the future") {
        coming = {};
        CHECK(t.router->sudo(t.sudo("run \"$@\"\n")).call<&add>(2, 3) == 5);
    }
    SECTION("the router") { t.router->close(); }
    SECTION("and the loop") { t.end(); }
    question.answer("blue");
    if (coming.valid()) CHECK_FALSE(coming.try_get().has_value());
}

TEST_CASE("an answer may meet the end of what it is for") {
    const bool further_down = GENERATE(false, true);
    for (int i = 0; i < 10; ++i) {
        const person who;
        tree t(who);
        mitogen::context from = further_down ? t.router->local() : t.router->myself();
        auto coming = from.connect_async(t.sudo(colour));
        std::thread answering([question = who.next()]() mutable { question.answer("blue"); });
        if (i % 2 == 0) coming = {};
        t.end();
        answering.join();
    }
}

TEST_CASE("what looks like a question, and is none, is withdrawn") {
    const person who;
    tree t(who);
    const std::string fifo = t.dir / "go";
    REQUIRE(::mkfifo(fifo.c_str(), 0600) == 0);
    auto coming =
        t.router->connect_async(t.sudo("printf 'Working: ' >/dev/tty; read -r go <'" + fifo +
                                           "'; echo done >/dev/tty\n" + password_then_code,
                                       "correct horse"));
    mitogen::prompt nothing = who.next();
    CHECK(nothing.text() == "Working: ");
    const mitogen::os::unique_fd go(
        static_cast<int>(mitogen::os::open(fifo.c_str(), O_WRONLY | O_CLOEXEC)));
    REQUIRE(mitogen::os::write(go.get(), "x\n", 2) == 2);
    mitogen::prompt code = who.next();
    CHECK(code.text() == "One-time code (6 digits): ");
    nothing.answer("000000");
    code.answer("246810");
    CHECK(coming.get().call<&add>(2, 3) == 5);
}

TEST_CASE("a question's text is harmless and short") {
    tree t([](mitogen::prompt question) {
        question.answer(question.text() == "a?[2Jb: " ? "yes" : "no");
    });
    CHECK(t.router
              ->sudo(t.sudo(
                  "ask \"$(printf 'a\\033[2Jb: ')\"; [ \"$word\" = yes ] || exit 1; run \"$@\"\n"))
              .call<&add>(2, 3) == 5);
}

// ---- further down

TEST_CASE("a tool that another context runs asks the one that wants the child") {
    SECTION("and is answered") {
        const person who({"246810"});
        tree t(who);
        auto relay = t.router->local().local();
        CHECK(relay.sudo(t.sudo(password_then_code, "correct horse")).call<&add>(2, 3) == 5);
        CHECK(who.asked() == texts{"sudo root|One-time code (6 digits): "});
    }
    SECTION("later, from another thread") {
        const person who;
        tree t(who);
        auto relay = t.router->local();
        auto coming = relay.connect_async(t.ssh(colour));
        mitogen::prompt question = who.next();
        CHECK(question.place() == relay.name()); // as it is called here, not as it says
        std::thread([&question] { question.answer("blue"); }).join();
        CHECK(coming.get().call<&add>(2, 3) == 5);
    }
    SECTION("again, where the answer is wrong") {
        const person who({"wrong", "wrong", "wrong"});
        tree t(who);
        auto relay = t.router->local();
        CHECK(refusal(relay, t.sudo(asks_thrice)).reason() == mitogen::reason::auth_incorrect);
        CHECK(who.asked().size() == 3);
    }
    SECTION("and is not answered") {
        tree t([](const mitogen::prompt&) {});
        auto relay = t.router->local();
        const auto e = refusal(relay, t.sudo(colour));
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("nobody answered its question \"Your favourite colour?\""));
    }
    SECTION("where nobody is") {
        tree t(mitogen::prompt_callback{});
        auto relay = t.router->local();
        const auto e = refusal(relay, t.sudo(asks_thrice));
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("set .password or router_options::on_prompt"));
        CHECK(refusal(relay, t.sudo(asks_thrice, "wrong")).reason() ==
              mitogen::reason::auth_incorrect);
    }
    SECTION("and is answered with what no terminal takes") {
        const person who({"bl\nue"});
        tree t(who);
        auto relay = t.router->local();
        CHECK(refusal(relay, t.sudo(colour)).reason() == mitogen::reason::misuse);
    }
}

TEST_CASE("a program that has joined is asked for the children that it wants") {
    const person nobody;
    const person who({"blue"});
    tree t(nobody);
    auto relay = t.router->local();
    t.router->listen(t.dir / "socket", {.authority = mitogen::authority::parent});
    mitogen::joined me = mitogen::join(t.dir / "socket", {.on_prompt = who.callback()});
    mitogen::context same = me.router().context_by_id(relay.id());
    CHECK(same.sudo(t.sudo(colour)).call<&add>(2, 3) == 5);
    CHECK(who.asked() == texts{"sudo root|Your favourite colour? "});
    CHECK(nobody.asked().empty());
}

TEST_CASE("a question of another context ends with what it is about") {
    const person who;
    tree t(who);
    auto relay = t.router->local();
    auto coming = relay.connect_async(t.sudo(colour));
    mitogen::prompt question = who.next();
    SECTION("nobody wants the child any more") {
        coming.cancel();
        question.answer("blue");
    }
    SECTION("the context dies") {
        CHECK_FALSE(relay.try_call<&die>().has_value());
        CHECK_FALSE(coming.try_get().has_value());
        question.answer("blue");
        relay = t.router->local();
    }
    SECTION("the deadline passes") {
        mitogen::sudo how = t.sudo(colour);
        how.connect_timeout = 2s;
        auto late = relay.connect_async(how);
        mitogen::prompt other = who.next();
        CHECK(late.try_get().error().reason() == mitogen::reason::connect_timeout);
        other.answer("blue");
        question.answer("blue");
        CHECK(coming.get().call<&add>(2, 3) == 5);
    }
    CHECK(relay.call<&add>(2, 3) == 5);
    relay.shutdown().get();
    CHECK(who.asked().size() <= 2);
}

TEST_CASE("a context that was asked for no child may not ask") {
    const person who;
    tree t(who);
    for (const std::string& refusal : t.router->local().call<&ask_uninvited>())
        CHECK_THAT(refusal, Contains("was not asked"));
    CHECK(who.asked().empty());
}
