// SPDX-License-Identifier: BSL-1.0
#include "support/private_users.hpp"
#include "support/refusal.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <mitogen/mitogen.hpp>
#include <string>
#include <unistd.h>

namespace {

using support::refusal;

using namespace std::chrono_literals;
using Catch::Contains;

int user() { return static_cast<int>(::getuid()); }
int process_id() { return ::getpid(); }
std::size_t length(const std::string& text) { return text.size(); }

struct tree {
    support::private_users users;
    mitogen::broker broker;
    mitogen::router router{broker};
    mitogen::context mia;

    tree() {
        mitogen::log::set_sink([](const mitogen::log::record&) {});
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
};

} // namespace

TEMPLATE_TEST_CASE("functions run as another user by su and doas", "", mitogen::su, mitogen::doas) {
    if (!support::private_users::possible()) return;
    tree t;
    TestType how;
    how.password = support::private_users::password;
    mitogen::context root = t.mia.connect(how);
    CHECK(root.name() == "mia." + std::string(TestType::method_name) + ".root");
    CHECK(root.call<&user>() == 0);
    CHECK(root.call<&length>(std::string(3'000'000, 'x')) == 3'000'000);
    CHECK(root.shutdown().get().success());
    how.username = "ole";
    root = t.mia.connect(how);
    CHECK(root.call<&user>() == 4002);
}

TEST_CASE("no password is asked for where none is needed") {
    if (!support::private_users::possible()) return;
    tree t;
    CHECK(t.mia.doas({.username = "eva"}).call<&user>() == 4003);
    CHECK(t.mia.connect(mitogen::doas{.username = "eva", .password = "any"}).call<&user>() == 4003);
    auto root = t.mia.connect(mitogen::su{.password = support::private_users::password});
    CHECK(root.su({.username = "ole"}).call<&user>() == 4002);
    CHECK(root.connect(mitogen::su{.username = "ole", .password = "any"}).call<&user>() == 4002);
}

TEMPLATE_TEST_CASE("what su and doas complain about arrives as a typed error", "", mitogen::su,
                   mitogen::doas) {
    if (!support::private_users::possible()) return;
    tree t;
    TestType how;
    how.password = support::private_users::password;
    SECTION("a wrong password") {
        how.password = "incorrect horse";
        const auto e = refusal(t.mia, how);
        CHECK(e.reason() == mitogen::reason::auth_incorrect);
        CHECK_THAT(e.what(), Contains("the password is incorrect") && !Contains("horse"));
    }
    SECTION("no password") {
        how.password = {};
        CHECK(refusal(t.mia, how).reason() == mitogen::reason::auth_required);
    }
    SECTION("an unknown user") {
        how.username = "nobody-knows";
        const auto e = refusal(t.mia, how);
        CHECK(e.reason() == mitogen::reason::resolve);
        CHECK_THAT(e.what(), Contains("there is no such user") && Contains("it said:"));
        how.username = "-c";
        CHECK(refusal(t.mia, how).reason() == mitogen::reason::misuse);
    }
    SECTION("no such tool") {
        const std::string tool = "/usr/nowhere/" + std::string(TestType::method_name);
        if constexpr (std::is_same_v<TestType, mitogen::su>)
            how.su_path = tool;
        else
            how.doas_path = tool;
        CHECK_THAT(refusal(t.mia, how).what(), Contains(tool));
    }
    SECTION("a question that nobody answers") {
        const std::string tool = t.users.tool(
            "tool", "printf 'Your favourite colour? ' >&2; read -r colour </dev/tty\n");
        if constexpr (std::is_same_v<TestType, mitogen::su>)
            how.su_path = tool;
        else
            how.doas_path = tool;
        how.connect_timeout = 2s; // the question must come first, however busy the machine is
        const auto e = refusal(t.mia, how);
        CHECK(e.reason() == mitogen::reason::connect_timeout);
        CHECK_THAT(e.what(), Contains("Your favourite colour?"));
    }
}

TEST_CASE("a su that asks on its stdout will do") { // as that of busybox
    if (!support::private_users::possible()) return;
    tree t;
    mitogen::su how{.password = support::private_users::password};
    how.su_path = t.users.tool("su", "printf 'Password: '; read -r word; [ \"$word\" = 'correct "
                                     "horse' ] || { echo 'su: incorrect password'; exit 1; }\n"
                                     "shift; exec sh \"$@\"\n");
    mitogen::context child = t.mia.su(how);
    CHECK(child.call<&user>() == 4001);
    how.password = "incorrect horse";
    const auto e = refusal(t.mia, how);
    CHECK(e.reason() == mitogen::reason::auth_incorrect);
    CHECK_THAT(e.what(), !Contains("horse"));
    how.password = {};
    CHECK(refusal(t.mia, how).reason() == mitogen::reason::auth_required);
}

TEST_CASE("doas says who may not") {
    if (!support::private_users::possible()) return;
    tree t;
    auto ole = t.mia.connect(
        mitogen::doas{.username = "ole", .password = support::private_users::password});
    const auto e = refusal(ole, mitogen::doas{.password = support::private_users::password});
    CHECK(e.reason() == mitogen::reason::auth_required);
    CHECK_THAT(e.what(), Contains("may not become"));
}
