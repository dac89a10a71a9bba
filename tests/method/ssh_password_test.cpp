// SPDX-License-Identifier: BSL-1.0
#include "support/person.hpp"
#include "support/private_users.hpp"
#include "support/refusal.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <mitogen/mitogen.hpp>
#include <mutex>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using Catch::Contains;

int user() { return static_cast<int>(::getuid()); }
int process_id() { return ::getpid(); }
std::size_t length(const std::string& text) { return text.size(); }

void run(const std::string& command) {
    CAPTURE(command);
    REQUIRE(std::system(command.c_str()) == 0);
}

/// A host where mia and the others have accounts: an ssh server without a port, for one connection
/// at a time.
struct host {
    support::private_users users;
    std::mutex mutex;
    std::string log;
    mitogen::broker broker;
    mitogen::router router;

    static bool possible() {
        if (!support::private_users::possible()) return false;
        if (std::filesystem::exists("/usr/sbin/sshd")) return true;
        WARN("left out: no ssh server is installed");
        return false;
    }

    explicit host(mitogen::prompt_callback who = {})
        : router(broker, {.on_prompt = std::move(who)}) {
        run("ssh-keygen -q -t ed25519 -N '' -f " + users.dir() + "/host_key");
        mitogen::log::set_sink([this](const mitogen::log::record& r) {
            const std::lock_guard lock(mutex);
            log.append(r.text).append("\n");
        });
    }
    host(const host&) = delete;
    host& operator=(const host&) = delete;
    ~host() {
        router.close();
        mitogen::log::set_sink({});
        CHECK_THAT(log, !Contains("horse") && !Contains("assword"));
    }

    /// How mia logs in. `ways`: lines of sshd_config(5).
    mitogen::ssh login(const std::string& ways) const {
        const std::string& dir = users.dir();
        std::ofstream(dir + "/sshd_config")
            << "HostKey " << dir << "/host_key\nStrictModes no\nPrintMotd no\nPidFile none\n"
            << ways;
        mitogen::ssh how;
        how.hostname = "private";
        how.username = "mia";
        how.password = support::private_users::password;
        how.check_host_keys = mitogen::host_keys::accept;
        how.ssh_args = {"-F",
                        "none",
                        "-o",
                        "UserKnownHostsFile " + dir + "/known",
                        "-o",
                        "IdentityAgent none",
                        "-o",
                        "IdentityFile none",
                        "-o",
                        "ProxyCommand unshare -m sh " + dir +
                            "/enter root sh -c 'mkdir -p /run/sshd; exec /usr/sbin/sshd -i -f " +
                            dir + "/sshd_config -E " + dir + "/sshd_log'"};
        return how;
    }
};

const std::string by_password = "UsePAM no\nPasswordAuthentication yes\n";
const std::string by_pam =
    "UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication yes\n";

} // namespace

TEST_CASE("ssh is told the password that it asks for") {
    if (!host::possible()) return;
    host h;
    SECTION("by ssh itself") {
        auto there = h.router.connect(h.login(by_password));
        CHECK(there.name() == "ssh.private");
        CHECK(there.call<&user>() == 4001);
        CHECK(there.call<&length>(std::string(3'000'000, 'x')) == 3'000'000);
        const support::same_namespace processes(there.call<&process_id>());
        CHECK(there.shutdown().get().success());
        CHECK(processes.left() == 0);
    }
    SECTION("by the server") { CHECK(h.router.connect(h.login(by_pam)).call<&user>() == 4001); }
    SECTION("for a context further down") {
        auto child = h.router.local();
        CHECK(child.connect(h.login(by_password)).call<&user>() == 4001);
    }
    SECTION("of a host that a configuration calls otherwise") {
        mitogen::ssh how = h.login(GENERATE(as<std::string>{}, by_password, by_pam));
        how.ssh_args.insert(how.ssh_args.end(), {"-o", "HostKeyAlias another.name"});
        CHECK(h.router.connect(how).call<&user>() == 4001);
    }
    SECTION("after the passphrase of a key, which is another matter") {
        run("ssh-keygen -q -t ed25519 -N 'phrase of its own' -f " + h.users.dir() + "/key");
        mitogen::ssh how = h.login(by_password);
        how.identity_file = h.users.dir() + "/key";
        CHECK(h.router.connect(how).call<&user>() == 4001);
    }
}

TEST_CASE("a password that opens no host is a typed error") {
    if (!host::possible()) return;
    host h;
    mitogen::ssh how = h.login(GENERATE(as<std::string>{}, by_password, by_pam));
    SECTION("a wrong one") {
        how.password = "incorrect horse";
        const auto e = support::refusal(h.router, how);
        CHECK(e.reason() == mitogen::reason::auth_incorrect);
        CHECK_THAT(e.what(), Contains("ssh private") && Contains("the password is incorrect") &&
                                 !Contains("horse"));
    }
    SECTION("none") {
        how.password = {};
        CHECK(support::refusal(h.router, how).reason() == mitogen::reason::auth_required);
    }
    SECTION("one that nobody wants") {
        how = h.login("PasswordAuthentication no\nKbdInteractiveAuthentication no\n");
        const auto e = support::refusal(h.router, how);
        CHECK(e.reason() == mitogen::reason::auth_incorrect);
        CHECK_THAT(e.what(), Contains("nobody asked for the password"));
    }
}

TEST_CASE("ssh tells the password to nobody on the way") {
    if (!host::possible()) return;
    const support::person who({"of the gate"});
    const bool person = GENERATE(true, false);
    host h(person ? who.callback() : mitogen::prompt_callback());
    mitogen::ssh how = h.login(by_password);
    // what the ssh of a jump host shows, whatever that host puts behind its name
    const std::string asks = GENERATE(as<std::string>{}, "jim@gate\\047s password: ",
                                      "(jim@gate) Password: ",
                                      "(jim@gate) be welcome\\nmia@private\\047s password: ");
    const std::string heard = h.users.dir() + "/heard";
    std::string& way = how.ssh_args.back();
    REQUIRE_THAT(way, Catch::StartsWith("ProxyCommand "));
    way.insert(std::string("ProxyCommand ").size(), // ssh puts "exec" before it
               "3>/dev/null; printf '" + asks +
                                                        "' >/dev/tty; read -r answer </dev/tty; "
                                                        "printf %%s \"$answer\" >" +
                                                        heard + "; exec ");
    const auto told = [&] {
        std::string text;
        std::getline(std::ifstream(heard), text);
        return text;
    };
    if (person) {
        CHECK(h.router.connect(how).call<&user>() == 4001);
        CHECK(told() == "of the gate");
        CHECK(who.asked().size() == 1);
    } else {
        const auto e = support::refusal(h.router, how);
        CHECK(e.reason() == mitogen::reason::auth_required);
        CHECK_THAT(e.what(), Contains("the password is for mia@private") && Contains("on_prompt"));
        CHECK(told() == "");
    }
}

TEST_CASE("ssh asks a person for what no option answers") {
    if (!host::possible()) return;
    const auto& codes = support::private_users::codes;
    const std::string password = support::private_users::password;
    SECTION("a one-time code") {
        const support::person who({codes[0], codes[1], codes[2]});
        host h(who.callback());
        if (!h.users.ask_for_codes()) return;
        mitogen::ssh how = h.login(by_pam);
        how.interactive = true;
        CHECK(h.router.connect(how).call<&user>() == 4001);
        REQUIRE(who.asked().size() == 1);
        CHECK_THAT(who.asked()[0],
                   Contains("ssh private|(mia@private) One-time password (OATH) for `mia':"));
        auto child = h.router.local();
        CHECK(child.connect(how).call<&user>() == 4001);
        CHECK(who.asked().size() == 2);
    }
    SECTION("both once more, where the code was wrong") {
        const support::person who({"000000", password, codes[0]});
        host h(who.callback());
        if (!h.users.ask_for_codes()) return;
        mitogen::ssh how = h.login(by_pam);
        how.interactive = true;
        CHECK(h.router.connect(how).call<&user>() == 4001);
        CHECK(who.asked().size() == 3);
    }
    SECTION("the password, three times") {
        const support::person who({"wrong horse", "wrong horse", "wrong horse"});
        host h(who.callback());
        mitogen::ssh how = h.login(GENERATE(as<std::string>{}, by_password, by_pam));
        how.password = {};
        how.interactive = true;
        const auto e = support::refusal(h.router, how);
        CHECK(e.reason() == mitogen::reason::auth_incorrect);
        CHECK_THAT(e.what(), Contains("what was answered is incorrect") && !Contains("horse"));
        CHECK(who.asked().size() == 3);
    }
    SECTION("the passphrase of a key") {
        const support::person who({"wrong phrase", "phrase of its own"});
        host h(who.callback());
        const std::string key = h.users.dir() + "/key";
        run("ssh-keygen -q -t ed25519 -N 'phrase of its own' -f " + key);
        mitogen::ssh how =
            h.login("UsePAM no\nPasswordAuthentication no\nAuthorizedKeysFile " + key + ".pub\n");
        how.password = {};
        how.interactive = true;
        how.identity_file = key;
        CHECK(h.router.connect(how).call<&user>() == 4001);
        CHECK(who.asked() ==
              std::vector<std::string>(2, "ssh private|Enter passphrase for key '" + key + "': "));
    }
    SECTION("and says so where there is nobody") {
        host h;
        mitogen::ssh how = h.login(by_pam);
        how.interactive = true;
        if (!h.users.ask_for_codes()) return;
        const auto e = support::refusal(h.router, how);
        CHECK(e.reason() == mitogen::reason::auth_incorrect);
        CHECK_THAT(e.what(), Contains("or another one is wanted") &&
                                 Contains("One-time password") && Contains("on_prompt"));
        how.password = {};
        const auto none = support::refusal(h.router, how);
        CHECK(none.reason() == mitogen::reason::auth_required);
        CHECK_THAT(none.what(), Contains("router_options::on_prompt"));
    }
}
