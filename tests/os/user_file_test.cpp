// SPDX-License-Identifier: BSL-1.0
#include <catch2/catch.hpp>
#include <cstdint>
#include <mitogen/os/user/user_file.hpp>
#include <string>
#include <vector>

namespace os = mitogen::os;

namespace {

const std::string passwd = "root:x:0:0:root:/root:/bin/bash\n"
                           "# a comment\n"
                           "\n"
                           "short:x:1:1\n"
                           "large:x:4294967296:1::/:/bin/sh\n"
                           "unchanged:x:4294967295:1::/:/bin/sh\n"
                           "negative:x:-1:1::/:/bin/sh\n"
                           "bare:x:8:9:::\n"
                           "mia:x:4001:4002:Mia, room 7:/mnt/mia:/bin/sh\n"
                           "mia:x:1:1:a second one:/:/bin/false\n"
                           "last:x:5:6::/:/bin/sh";
const std::string group = "root:x:0:\nwheel:x:10:mia\nown:x:4002:mia\nband:x:4003:ole,mia,"
                          "eva\nmiau:x:4004:miau,xmia\nbad:x:x:mia\nend:x:7:eva,mia";

} // namespace

TEST_CASE("a user is found with his directories and groups") {
    const auto mia = os::find_user(passwd, group, "mia");
    REQUIRE(mia);
    CHECK(mia->uid == 4001);
    CHECK(mia->gid == 4002);
    CHECK(mia->home == "/mnt/mia");
    CHECK(mia->shell == "/bin/sh");
    CHECK(mia->groups == std::vector<std::uint32_t>{4002, 10, 4003, 7});
    CHECK(os::find_user(passwd, {}, "mia")->groups == std::vector<std::uint32_t>{4002});
    CHECK(os::find_user(passwd, group, "bare")->shell.empty());
    CHECK(os::find_user(passwd, group, "last")->uid == 5);
    CHECK(os::find_user(passwd, group, "root")->uid == 0);
}

TEST_CASE("a user that is not there, or whose entry makes no sense, is not found") {
    for (const char* name :
         {"", "mi", "miau", "Mia", "short", "large", "unchanged", "negative", "# a comment", "x"}) {
        CAPTURE(name);
        CHECK_FALSE(os::find_user(passwd, group, name));
    }
    CHECK_FALSE(os::find_user({}, group, "mia"));
    CHECK_FALSE(os::find_user("mia:x:1:1::/:/bin/sh:", group, "ole"));
}
