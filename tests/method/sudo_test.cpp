// SPDX-License-Identifier: BSL-1.0
#include "support/internals.hpp"
#include "support/person.hpp"
#include "support/private_users.hpp"
#include "support/refusal.hpp"
#include "support/scratch.hpp"
#include "support/soon.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <mitogen/mitogen.hpp>
#include <mutex>
#include <poll.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

namespace {

using support::refusal;

using namespace std::chrono_literals;
using Catch::Contains;

// ---- what runs there

int user() { return static_cast<int>(::getuid()); }
int process_id() { return ::getpid(); }
std::size_t length(const std::string& text) { return text.size(); }
std::string text_of(std::size_t size) { return std::string(size, 'y'); }
std::string language() {
    const char* const text = std::getenv("LC_ALL");
    return text ? text : "none";
}
void set_language(const std::string& text) { ::setenv("LC_ALL", text.c_str(), 1); }
void complain() {
    std::fputs("one line\nanother line\n", stderr);
    std::fflush(stderr);
}
void die() { std::raise(SIGKILL); }
/// Detaches, says so to a named pipe, and stays until somebody writes into another one.
void leave(mitogen::router& here, const std::string& says, const std::string& go) {
    here.detach();
    const mitogen::os::unique_fd to(::open(says.c_str(), O_WRONLY | O_CLOEXEC));
    (void)!::write(to.get(), "x", 1);
    const mitogen::os::unique_fd from(::open(go.c_str(), O_RDONLY | O_CLOEXEC));
    char byte = 0;
    (void)!::read(from.get(), &byte, 1);
}
void stop() { std::raise(SIGSTOP); }
/// Says so in its name.
void hang() {
    std::ofstream("/proc/self/comm") << "hanging";
    for (;;) ::pause();
}

/// Descriptors that are a terminal, besides 2.
int terminals() {
    int found = 0;
    for (int fd = 0; fd < 256; ++fd) found += fd != 2 && ::isatty(fd);
    return found;
}

// ---- helpers

/// A tree in which mia has a process, with a log that a test may read.
struct tree {
    support::private_users users;
    std::mutex mutex;
    std::string log;
    mitogen::broker broker;
    mitogen::router router{broker, {.timeouts = {.grace = 300'000'000, .after_term = 100'000'000}}};
    mitogen::context mia;

    tree() {
        mitogen::log::set_sink([this](const mitogen::log::record& r) {
            const std::lock_guard lock(mutex);
            log.append(r.text).append("\n");
        });
        mia = router.connect(users.process_of("mia"));
    }
    tree(const tree&) = delete;
    tree& operator=(const tree&) = delete;
    ~tree() {
        const support::same_namespace there(mia.call<&process_id>());
        mia.shutdown().get();
        CHECK(there.left() == 0);
        router.close();
        mitogen::log::set_sink({});
    }

    std::string logged() {
        const std::lock_guard lock(mutex);
        return log;
    }

    /// With the password.
    static mitogen::sudo with_password() { return {.password = support::private_users::password}; }

    /// A stub in the place of sudo, as lines of sh. $prompt is the text after -p; `run` executes
    /// the command.
    mitogen::sudo stub(const std::string& body) const {
        mitogen::sudo how = with_password();
        how.sudo_path = users.tool(
            "stub",
            "prompt=$2\nrun() { while [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"; }\n" +
                body);
        return how;
    }
};

/// Waits until the first line of /proc/PID/stat has this in it.
bool becomes(int pid, const std::string& sign) {
    return support::soon([&] {
        std::ifstream file("/proc/" + std::to_string(pid) + "/stat");
        std::string text;
        std::getline(file, text);
        return text.find(sign) != std::string::npos;
    });
}

} // namespace

TEST_CASE("functions run as another user by sudo") {
    if (!support::private_users::possible()) return;
    tree t;
    auto root = t.mia.sudo(t.with_password());
    CHECK(root.name() == "mia.sudo.root");
    CHECK(t.mia.call<&user>() == 4001);
    CHECK(root.call<&user>() == 0);
    CHECK(root.call<&length>(std::string(3'000'000, 'x')) == 3'000'000);
    CHECK(root.call<&text_of>(3'000'000).size() == 3'000'000);
    CHECK(root.call<&terminals>() == 0);
    CHECK(t.mia.call<&terminals>() == 2); // both sides of root's

    mitogen::sudo how = t.with_password();
    how.username = "ole";
    auto ole = t.mia.connect(how);
    CHECK(ole.call<&user>() == 4002);
    how.username = "eva"; // no password is asked for
    auto eva = t.mia.connect(how);
    CHECK(eva.call<&user>() == 4003);
    how.password = {};
    auto eva_again = t.mia.connect(how);
    CHECK(eva_again.call<&user>() == 4003);
    CHECK(t.mia.call<&terminals>() == 8);
    for (mitogen::context* c : {&ole, &eva, &eva_again}) c->shutdown().get();
    CHECK(root.shutdown().get().success());
    CHECK(t.mia.call<&terminals>() == 0);
    CHECK_THAT(t.logged(), !Contains("password") && !Contains("horse"));
}

TEST_CASE("sudo's options are options") {
    const mitogen::sudo how{.username = "mia",
                            .preserve_env = true,
                            .set_home = true,
                            .login = true,
                            .selinux_role = "r",
                            .selinux_type = "t",
                            .sudo_args = {"-n"}};
    const auto a = how.arguments();
    REQUIRE(a.size() == 17);
    CHECK(a[0] == "sudo");
    CHECK(std::vector<std::string>(a.begin() + 3, a.end() - 1) ==
          std::vector<std::string>{"-u", "mia", "-E", "-H", "-i", "-r", "r", "-t", "t", "-n", "--",
                                   "sh", "-c"});
    CHECK(mitogen::sudo{.username = ""}.plan().error().reason() == mitogen::reason::misuse);
    CHECK(mitogen::sudo{.username = "-s"}.plan().error().reason() == mitogen::reason::misuse);
}

TEST_CASE("sudo is told the role and the type of SELinux, as explain() says") {
    const support::scratch dir;
    mitogen::broker loop;
    mitogen::router router{loop};
    mitogen::sudo how{.username = "mia",
                      .selinux_role = "staff_r",
                      .selinux_type = "a type_t",
                      .keep_program = false};
    how.sudo_path = dir.script(
        "sudo", "shift 2; for word do [ \"$word\" = -- ] && break; echo \"<$word>\"; done >'" +
                    dir / "told" +
                    "'\nwhile [ \"$1\" != -- ]; do shift; done; shift; exec \"$@\"\n");
    CHECK(router.sudo(how).call<&user>() == user());
    CHECK(dir.text("told") == "<-u>\n<mia>\n<-r>\n<staff_r>\n<-t>\n<a type_t>\n");
    CHECK_THAT(router.explain(how), Contains("-u mia -r staff_r -t 'a type_t' -- sh -c"));
}

TEST_CASE("sudo goes through a login shell where it is told to") {
    if (!support::private_users::possible()) return;
    tree t;
    mitogen::sudo how = t.with_password();
    how.login = true;
    CHECK(t.mia.sudo(how).call<&user>() == 0);
    CHECK(t.router.sudo({.keep_program = false}).call<&user>() == 0); // root is not asked
}

TEST_CASE("what sudo complains about arrives as a typed error") {
    if (!support::private_users::possible()) return;
    tree t;
    mitogen::sudo how = t.with_password();
    SECTION("a wrong password") {
        how.password = "incorrect horse";
        const auto e = refusal(t.mia, how);
        CHECK(e.reason() == mitogen::reason::auth_incorrect);
        CHECK_THAT(e.what(),
                   Contains("sudo root: the password is incorrect") && !Contains("horse"));
    }
    SECTION("no password") {
        how.password = {};
        const auto e = refusal(t.mia, how);
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("set .password"));
    }
    SECTION("a password that sudo may not ask for") {
        how.sudo_args = {"-n"};
        CHECK(refusal(t.mia, how).reason() == mitogen::reason::auth_required);
    }
    SECTION("an unknown user") {
        how.username = "nobody-knows";
        const auto e = refusal(t.mia, how);
        CHECK(e.reason() == mitogen::reason::resolve);
        CHECK_THAT(e.what(), Contains("there is no such user") && Contains("it said:"));
    }
    SECTION("a user who may not") {
        auto ole = t.mia.connect(mitogen::sudo{.username = "ole", .password = t.users.password});
        const auto e = refusal(ole, how);
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("may not use sudo"));
    }
    SECTION("no sudo") {
        how.sudo_path = "/usr/nowhere/sudo";
        const auto e = refusal(t.mia, how);
        CHECK(e.reason() == mitogen::reason::connect);
        CHECK_THAT(e.what(), Contains("/usr/nowhere/sudo"));
    }
    SECTION("a question that nobody answers") {
        how = t.stub("printf 'Your favourite colour? ' >/dev/tty; read -r colour </dev/tty\n");
        how.connect_timeout = 2s; // the question must come first, however busy the machine is
        const auto e = refusal(t.mia, how);
        CHECK(e.reason() == mitogen::reason::connect_timeout);
        CHECK_THAT(e.what(), Contains("2000 ms") && Contains("Your favourite colour?"));
    }
    // mia cannot send it a signal, but can hang up
    SECTION("a root sudo that never gets to the command") {
        how.sudo_args = {"--", "sh", "-c", "read -r never </dev/tty"};
        how.connect_timeout = 2s;
        CHECK(refusal(t.mia, how).reason() == mitogen::reason::connect_timeout);
    }
    CHECK_THAT(t.logged(), !Contains("horse"));
}

TEST_CASE("sudos of other kinds will do") {
    if (!support::private_users::possible()) return;
    tree t;
    const std::string ask = "stty -echo </dev/tty; printf '[sudo: %s] Password: ' \"$prompt\" "
                            ">/dev/tty; read -r word </dev/tty\n";
    const std::string check =
        "[ \"$word\" = '" + std::string(support::private_users::password) + "' ] || exit 1\n";
    SECTION("one that asks in its own way") {
        CHECK(t.mia.connect(t.stub(ask + check + "run \"$@\"")).call<&user>() == 4001);
    }
    SECTION("one that drops the terminal") {
        CHECK(t.mia.connect(t.stub(ask + check + "exec 2>/dev/null; run setsid -w \"$@\""))
                  .call<&user>() == 4001);
    }
    SECTION("one that asks in stages") {
        CHECK(t.mia
                  .connect(t.stub("prompt() { printf \"$1\" >/dev/tty; }; stty -echo </dev/tty; "
                                  "printf '%s' \"${prompt%:}\" >/dev/tty\n"
                                  "printf ':' >/dev/tty; read -r word </dev/tty\n" +
                                  check + "run \"$@\""))
                  .call<&user>() == 4001);
    }
    SECTION("one that shows the password and goes on") {
        auto child =
            t.mia.connect(t.stub(ask + check + "echo \"I was told $word\" >&2; run \"$@\""));
        CHECK(child.call<&user>() == 4001);
        CHECK_THROWS_WITH(child.call<&die>(), !Contains("horse"));
        t.mia.shutdown().get();
        CHECK_THAT(t.logged(), Contains("I was told ***") && !Contains("horse"));
        t.mia = t.router.connect(t.users.process_of("mia"));
    }
    SECTION("one that shows the password and fails") {
        const auto e = refusal(
            t.mia, t.stub(ask + check + "echo \"I was told $word\" >&2; echo \"$word\"; exit 3"));
        CHECK(e.reason() == mitogen::reason::end_of_file);
        CHECK_THAT(e.what(), Contains("I was told ***") && !Contains("horse"));
        CHECK_THAT(t.logged(), !Contains("horse"));
    }
}

TEST_CASE("sudo-rs is understood") { // in the words of its version 0.2.5
    if (!support::private_users::possible()) return;
    tree t;
    const std::string ask =
        "stty -echo </dev/tty; while :; do printf '[sudo: %s] Password: ' \"$prompt\" >/dev/tty; "
        "read -r word </dev/tty\n"
        "printf '\\r\\n' >/dev/tty; [ \"$word\" != '" +
        std::string(support::private_users::password) +
        "' ] || break\n"
        "printf 'sudo: Authentication failed, try again.\\r\\n' >/dev/tty; done\n";
    auto how = t.stub(ask + "run \"$@\"");
    SECTION("a right password") { CHECK(t.mia.connect(how).call<&user>() == 4001); }
    SECTION("a wrong one") {
        how.password = "battery staple";
        CHECK(refusal(t.mia, how).reason() == mitogen::reason::auth_incorrect);
    }
    SECTION("a missing one") {
        how.password = {};
        CHECK(refusal(t.mia, how).reason() == mitogen::reason::auth_required);
    }
    SECTION("a user who may not") {
        const auto e = refusal(
            t.mia,
            t.stub("echo \"sudo-rs: I'm sorry mia. I'm afraid I can't do that\" >&2; exit 1"));
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("may not use sudo"));
    }
    SECTION("a user who is not there") {
        const auto e = refusal(t.mia, t.stub("echo \"sudo-rs: user 'nix' not found\" >&2; exit 1"));
        CHECK(e.reason() == mitogen::reason::resolve);
        CHECK_THAT(e.what(), Contains("no such user"));
    }
    SECTION("an option that it does not have yet") {
        const std::string warning = "[sudo.root] warning: `--preserve-env` has not yet been "
                                    "implemented and will be ignored";
        how = t.stub("echo '" + warning + "' >&2\n" + ask + "run \"$@\"");
        how.preserve_env = true;
        CHECK(t.mia.connect(how).call<&user>() == 4001);
    }
}

TEST_CASE("sudo is understood in any language, and the child keeps its own") {
    if (!support::private_users::possible()) return;
    tree t;
    CHECK(t.mia.connect(t.stub("run \"$@\"")).call<&language>() == "none");
    t.mia.call<&set_language>("C.UTF-8");
    CHECK(t.mia.connect(t.stub("run \"$@\"")).call<&language>() == "C.UTF-8");
    CHECK(t.mia.connect(t.with_password()).call<&language>() == "C.UTF-8");
    CHECK_THAT(refusal(t.mia, t.stub("echo \"LC_ALL is $LC_ALL\" >&2; exit 1")).what(),
               Contains("LC_ALL is C\n") || Contains("LC_ALL is C "));
    t.mia.call<&set_language>("x; echo injected");
    CHECK(t.mia.connect(t.stub("run \"$@\"")).call<&language>() == "none");
}

TEST_CASE("what a child at a terminal says on stderr arrives as it is") {
    if (!support::private_users::possible()) return;
    tree t;
    auto root = t.mia.connect(t.with_password());
    root.call<&complain>();
    root.shutdown().get();
    t.mia.shutdown().get(); // what it has to tell is told
    CHECK_THAT(t.logged(), Contains("one line\nanother line\n") && !Contains("?"));
    t.mia = t.router.connect(t.users.process_of("mia"));
}

TEST_CASE("a root child that hangs ends, although its parent cannot send it a signal") {
    if (!support::private_users::possible()) return;
    tree t;
    auto root = t.mia.connect(t.with_password());
    const int pid = root.call<&process_id>();
    const support::same_namespace there(pid);
    auto never = root.call_async<&hang>();
    REQUIRE(becomes(pid, "(hanging)"));
    CHECK_FALSE(root.shutdown().get().success());
    CHECK(there.left(1) == 1); // mia's
    CHECK_FALSE(never.try_get().has_value());
}

TEST_CASE("a stopped child of another user that sudo has become ends when its terminal hangs up") {
    if (!support::private_users::possible()) return;
    tree t;
    auto eva = t.mia.sudo({.username = "eva"});
    const int pid = eva.call<&process_id>();
    auto never = eva.call_async<&stop>();
    REQUIRE(becomes(pid, ") T "));
    CHECK(eva.shutdown().get().signal == SIGHUP); // nothing else reaches it
    CHECK_FALSE(never.try_get().has_value());
}

TEST_CASE("a child that sudo has become can detach from its terminal too") {
    if (!support::private_users::possible()) return;
    tree t;
    const std::string names[2] = {t.users.dir() + "/says", t.users.dir() + "/go"};
    mitogen::os::unique_fd pipes[2];
    for (const int i : {0, 1}) {
        REQUIRE(::mkfifo(names[i].c_str(), 0666) == 0);
        REQUIRE(::chmod(names[i].c_str(), 0666) == 0);
        pipes[i].reset(::open(names[i].c_str(), O_RDWR | O_CLOEXEC));
        REQUIRE(pipes[i]);
    }
    auto eva = t.mia.sudo({.username = "eva", .may_detach = true});
    const int pid = eva.call<&process_id>();
    const support::same_namespace there(pid);
    eva.call_no_reply<&leave>(names[0], names[1]);
    ::pollfd said{pipes[0].get(), POLLIN, 0};
    REQUIRE(::poll(&said, 1, 10'000) == 1);
    t.mia.shutdown().get(); // which closes the terminal
    CHECK(there.left(1) == 1);
    CHECK(::kill(pid, 0) == 0);
    REQUIRE(::write(pipes[1].get(), "x", 1) == 1);
    CHECK(there.left() == 0);
    t.mia = t.router.connect(t.users.process_of("mia"));
}

TEST_CASE("a router that goes while sudo asks leaves nothing") {
    if (!support::private_users::possible()) return;
    tree t;
    mitogen::sudo how = t.stub("printf 'Who goes there? ' >/dev/tty; read -r nothing </dev/tty\n");
    auto coming = t.mia.connect_async(how);
    t.mia.shutdown().get();
    CHECK_FALSE(coming.try_get().has_value());
    t.mia = t.router.connect(t.users.process_of("mia"));
}

TEST_CASE("sudo and doas ask a person for a one-time code") {
    if (!support::private_users::possible()) return;
    const auto& codes = support::private_users::codes;
    const support::person who({codes[0], support::private_users::password, codes[1]});
    const support::private_users users;
    if (!users.ask_for_codes()) return;
    mitogen::broker broker;
    mitogen::router router(broker, {.on_prompt = who.callback()});
    auto mia = router.connect(users.process_of("mia"));
    CHECK(mia.sudo({.password = support::private_users::password}).call<&user>() == 0);
    REQUIRE(who.asked().size() == 1);
    // whatever PAM asks for
    CHECK_THAT(who.asked()[0], Contains("sudo root|mitogen asks for the password ("));
    CHECK(mia.doas({}).call<&user>() == 0);
    REQUIRE(who.asked().size() == 3);
    CHECK_THAT(who.asked()[2], Contains("doas root|One-time password (OATH) for `mia':"));
}
