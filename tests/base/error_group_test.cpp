// SPDX-License-Identifier: BSL-1.0
#include <mitogen/base/error.hpp>
#include <mitogen/base/result.hpp>

#include <catch2/catch.hpp>
#include <memory>
#include <string>
#include <vector>

namespace {

using mitogen::error;
using mitogen::group_errors;
using mitogen::reason;

TEST_CASE("one error stays what it is") {
    const error one(reason::timeout, "late");
    CHECK(group_errors({one}).reason() == reason::timeout);
    CHECK(group_errors({one}).members().empty());
    CHECK(group_errors({one, one}).reason() == reason::timeout); // the same object is one error
}

TEST_CASE("several errors become a group in which every one is found") {
    const error group =
        group_errors({error(reason::timeout, "late"), error(reason::codec, "odd\nbytes")});
    CHECK(group.reason() == reason::several);
    REQUIRE(group.members().size() == 2);
    CHECK(group.members()[0].message() == "late");
    CHECK(group.members()[1].reason() == reason::codec);
    CHECK(std::string(group.what()) == "2 errors:\n  1. late\n  2. odd\n     bytes");
}

TEST_CASE("a group among errors becomes flat") {
    const error a(reason::codec, "a");
    const error inner = group_errors({a, error(reason::codec, "b")});
    const error outer = group_errors({inner, error(reason::codec, "c"), a});
    CHECK(outer.members().size() == 3);
    for (const error& one : outer.members()) CHECK(one.members().empty());
    CHECK(group_errors({inner}).members().size() == 2);
}

TEST_CASE("a group is of the kind that all its members have") {
    const error lost(reason::respondent_lost, "gone");
    const error cut(reason::end_of_file, "gone as well");
    CHECK(group_errors({lost, cut}).kind() == mitogen::kind::disconnected);
    CHECK(group_errors({lost, error(reason::codec, "odd")}).kind() == mitogen::kind::failed);
}

TEST_CASE("one error that has ended several calls is one member") {
    const error lost(reason::respondent_lost, "gone");
    std::vector<error> named;
    for (const char* function : {"add", "sum"}) {
        mitogen::error_detail d = lost.detail();
        d.function = function;
        d.what.clear();
        d.original = std::make_shared<const error>(lost);
        named.push_back(error(d));
    }
    CHECK(named[0].same_as(named[1]));
    CHECK(named[0].same_as(lost));
    CHECK_FALSE(named[0].same_as(error(reason::respondent_lost, "gone")));
    CHECK(std::string(group_errors({named[0], named[1], lost}).what()) == "gone [add]");
}

TEST_CASE("a result carries a group, and throws it as what it is") {
    const mitogen::result<int> r =
        group_errors({error(reason::codec, "a"), error(reason::codec, "b")});
    CHECK(r.error().members().size() == 2);
    try {
        static_cast<void>(r.value());
        FAIL("no error");
    } catch (const mitogen::error_group& e) {
        CHECK(e.members().size() == 2);
    }
}

} // namespace
