// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/error.hpp>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace {

using mitogen::error;
using mitogen::error_detail;
using mitogen::kind;
using mitogen::reason;

TEST_CASE("what() holds type, message, place and exit status") {
    CHECK(std::string(error(reason::timeout, "late").what()) == "late");
    error_detail d;
    d.why = reason::remote_exception;
    d.text = "index 9";
    d.type = "std::out_of_range";
    d.place = "web1";
    d.status = {3, 0};
    d.has_status = true;
    CHECK(std::string(error(d).what()) == "std::out_of_range: index 9 [in web1] (exit status 3)");
    d.status = {0, 9};
    CHECK(std::string(error(d).what()) ==
          "std::out_of_range: index 9 [in web1] (signal 9, SIGKILL)");
    d.what = "as the sender says";
    CHECK(std::string(error(d).what()) == "as the sender says");
    CHECK(error(d).message() == "index 9");
}

TEST_CASE("what() names the function, its path, and whom it has passed") {
    error_detail d;
    d.why = reason::timeout;
    d.text = "no answer within 20 ms";
    d.function = "add";
    d.place = "rack3.web7";
    d.context = 7;
    CHECK(std::string(error(d).what()) == "no answer within 20 ms [add in rack3.web7]");
    d.hops = {{7, "rack3.web7", "add"}, {3, "rack3", "sum"}, {9, "", "all"}};
    const error far(d);
    CHECK(std::string(far.what()) == "no answer within 20 ms [add in rack3.web7, passed on by sum "
                                     "in rack3, passed on by all in context 9]");
    CHECK(far.hops().size() == 3);
    CHECK(far.hops().back().text() == "all in context 9");
    CHECK(error(reason::timeout, "late").hops().empty());
}

TEST_CASE("a summary is one line, whatever the text is") {
    error_detail d;
    d.why = reason::respondent_lost;
    d.text = "it is lost\x1B[2J; its last lines on stderr:\n  many\n  words";
    d.function = "add";
    d.place = "web7";
    d.has_status = true;
    d.status = {0, 11};
    CHECK(error(d).summary() ==
          "it is lost [2J; its last lines on stderr: [add in web7] (signal 11, SIGSEGV)");
    std::string accents; // of two bytes each
    for (int i = 0; i < 500; ++i) accents += "\xC3\xA9";
    const std::string cut = error(reason::codec, accents).summary();
    CHECK(cut == accents.substr(0, 160) + "...");
    CHECK(mitogen::group_errors({error(reason::codec, "a\nb"), error(reason::codec, "c")})
              .summary() == "2 errors, the first: a");
}

TEST_CASE("what an error was nested around stands below it") {
    error_detail d;
    d.why = reason::remote_exception;
    d.text = "cannot start";
    d.causes = std::make_shared<std::vector<error>>(
        std::vector<error>{error(reason::remote_exception, "no\nfile")});
    CHECK(std::string(error(d).what()) == "cannot start\n  because: no\n     file");
    CHECK(error(d).causes().size() == 1);
    CHECK(error(reason::codec, "").causes().empty());
}

TEST_CASE("every reason has a name, and one from a newer program its own") {
    CHECK(mitogen::reason_name(reason::timeout) == "timeout");
    CHECK(mitogen::reason_name(reason::deadline) == "deadline");
    CHECK(mitogen::reason_name(reason::restarted) == "restarted");
    CHECK(mitogen::reason_name(static_cast<reason>(60000)).empty());
    error_detail d;
    d.why = static_cast<reason>(60000);
    d.text = "come back tomorrow";
    d.unknown_reason = "quota";
    d.unknown_kind = kind::overloaded;
    CHECK(error(d).kind() == kind::overloaded);
    CHECK(std::string(error(d).what()) == "quota: come back tomorrow");
}

TEST_CASE("an exit status succeeds only with code 0 and no signal") {
    CHECK(mitogen::exit_status{}.success());
    CHECK_FALSE(mitogen::exit_status{1, 0}.success());
    CHECK_FALSE(mitogen::exit_status{0, 15}.success());
}

TEST_CASE("copies of an error are the same error") {
    const error one(reason::no_route, "gone");
    const error other = one;
    CHECK(one.what() == other.what());
    CHECK(&one.detail() == &other.detail());
}

TEST_CASE("the kind says what to do") {
    const std::vector<std::pair<reason, kind>> expected{
        {reason::none, kind::failed},
        {reason::invalid_handle, kind::unimplemented},
        {reason::refused_by_policy, kind::failed},
        {reason::unexpected_reply, kind::failed},
        {reason::message_too_large, kind::overloaded},
        {reason::no_route, kind::disconnected},
        {reason::unidirectional, kind::failed},
        {reason::respondent_lost, kind::disconnected},
        {reason::broker_exited, kind::disconnected},
        {reason::sender_closed, kind::disconnected},
        {reason::unauthorised, kind::failed},
        {reason::bad_arguments, kind::failed},
        {reason::unknown_function, kind::unimplemented},
        {reason::signature_mismatch, kind::unimplemented},
        {reason::overloaded, kind::overloaded},
        {reason::cancelled, kind::failed},
        {reason::remote_exception, kind::failed},
        {reason::link_corrupt, kind::disconnected},
        {reason::timeout, kind::overloaded},
        {reason::deadline, kind::overloaded},
        {reason::restarted, kind::disconnected},
        {reason::connect_timeout, kind::overloaded},
        {reason::connection_refused, kind::disconnected},
        {reason::end_of_file, kind::disconnected},
        {static_cast<reason>(60000), kind::failed}, // from a newer peer
    };
    for (const auto& [why, what] : expected) {
        INFO("reason " << static_cast<int>(why));
        CHECK(error(why, "").kind() == what);
    }
}

template <class Expected>
bool raised_as(reason why) {
    try {
        mitogen::raise(error(why, "text"));
    } catch (const Expected& e) {
        return e.reason() == why && e.message() == "text";
    } catch (...) {
        return false;
    }
}

TEST_CASE("an error is thrown as the class that belongs to its reason") {
    CHECK(raised_as<mitogen::call_error>(reason::remote_exception));
    CHECK(raised_as<mitogen::timeout_error>(reason::timeout));
    CHECK(raised_as<mitogen::timeout_error>(reason::deadline));
    CHECK(raised_as<mitogen::cancelled_error>(reason::cancelled));
    CHECK(raised_as<mitogen::codec_error>(reason::codec));
    CHECK(raised_as<mitogen::codec_error>(reason::bad_arguments));
    CHECK(raised_as<mitogen::signature_error>(reason::signature_mismatch));
    CHECK(raised_as<mitogen::overloaded_error>(reason::overloaded));
    CHECK(raised_as<mitogen::overloaded_error>(reason::message_too_large));
    CHECK(raised_as<mitogen::logic_error>(reason::misuse));
    CHECK(raised_as<mitogen::auth_error>(reason::auth_incorrect));
    CHECK(raised_as<mitogen::host_key_error>(reason::host_key));
    CHECK(raised_as<mitogen::payload_error>(reason::payload));
    CHECK(raised_as<mitogen::payload_error>(reason::no_init));
    CHECK(raised_as<mitogen::eof_error>(reason::end_of_file));
    for (const reason why :
         {reason::connect, reason::connect_timeout, reason::resolve, reason::auth_required,
          reason::host_key, reason::payload, reason::end_of_file})
        CHECK(raised_as<mitogen::connect_error>(why));
    for (const reason why : {reason::invalid_handle, reason::respondent_lost, reason::no_route,
                             static_cast<reason>(60000)})
        CHECK(raised_as<mitogen::channel_error>(why));
    CHECK(raised_as<error>(reason::system));
    CHECK_FALSE(raised_as<mitogen::channel_error>(reason::system));
}

TEST_CASE("classes show what belongs to them") {
    error_detail d;
    d.type = "app::trouble";
    d.backtrace = "#0 main";
    d.context = 7;
    const mitogen::call_error call{error(d)};
    CHECK(call.type() == "app::trouble");
    CHECK(call.backtrace() == "#0 main");
    CHECK(call.context() == 7);
    CHECK(mitogen::channel_error(error(d)).status() == nullptr);
    d.has_status = true;
    d.status = {1, 0};
    const mitogen::channel_error lost{error(d)};
    REQUIRE(lost.status());
    CHECK(lost.status()->code == 1);
}

} // namespace
