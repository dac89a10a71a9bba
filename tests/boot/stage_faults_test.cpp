// SPDX-License-Identifier: BSL-1.0
#include "support/first_stage.hpp"

#include <catch2/catch.hpp>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <mitogen/mitogen.hpp>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

// What may go wrong between the first word of a first stage and the program's: each is a typed
// error, or does no harm.

namespace {

namespace fs = std::filesystem;
using Catch::Contains;
using support::bare_stage;
using support::find_program;
using support::playground;
using support::staged;

int add(int a, int b) { return a + b; }
std::string own_path() {
    std::error_code none;
    return fs::read_symlink("/proc/self/exe", none).string();
}

/// Connects, and says where the program was executed from; or why it was not.
mitogen::result<std::string> attempt(const staged& how) {
    // what they complain of is in the errors
    mitogen::log::set_sink([](const mitogen::log::record&) {});
    mitogen::result<std::string> got = std::string();
    {
        mitogen::broker broker;
        mitogen::router router(broker);
        auto child = router.try_connect(how);
        if (child && child->call<&add>(2, 3) != 5) FAIL("it cannot add");
        if (child)
            got = child->call<&own_path>();
        else
            got = child.error();
    }
    mitogen::log::set_sink({});
    return got;
}

/// A shell in mounts of its own, which `mounts` has changed.
std::string shell_among(playground& place, const std::string& mounts) {
    place.script("private_sh",
                 "exec unshare -m sh -c '" + mounts + " && exec sh \"$@\"' sh \"$@\"\n");
    return place.bin("private_sh");
}

/// Ends the input of a first stage behind the first `heard` bytes of the line that receives a
/// program.
void cut(const playground& place, const std::string& line, std::size_t heard) {
    CAPTURE(heard);
    bare_stage stage(place);
    stage.say(line.substr(0, heard));
    stage.to.reset();
    (void)stage.rest();
    CHECK_FALSE(stage.wait().success());
}

} // namespace

TEST_CASE(
    "the first stage ends at the end of its input, after every byte of what receives the program",
    "[.long]") {
    const std::string shell = GENERATE("dash", "bash", "mksh", "zsh", "busybox");
    const bool keep = GENERATE(false, true);
    const std::string tool = GENERATE("", "gzip");
    CAPTURE(shell, keep, tool);
    const std::string line = mitogen::detail::receiving_stage(
        {std::string(64, '0'), 0, 1000}, {.size = 1000, .tool = tool, .keep = keep});
    playground place;
    place.put("sh", find_program(shell));
    for (std::size_t heard = 0; heard < line.size(); ++heard) cut(place, line, heard);
    CHECK(place.left_behind().empty());
    CHECK(place.programs().empty());
}

TEST_CASE(
    "the first stage ends at the end of its input, after any byte of what receives the program") {
    const bool keep = GENERATE(false, true);
    const std::string line = bare_stage::sending(keep);
    playground place;
    const auto next = [&line](std::size_t heard) {
        return heard < 40 || heard + 40 > line.size() ? 1u : 37u;
    };
    for (std::size_t heard = 0; heard < line.size(); heard += next(heard)) cut(place, line, heard);
    for (const std::size_t bytes : {0u, 1u, 500u, 998u, 999u}) {
        CAPTURE(bytes);
        bare_stage stage(place);
        stage.send(bytes, keep);
        stage.to.reset();
        CHECK_THAT(stage.rest(), Contains(std::string(mitogen::detail::short_program_text)));
        CHECK_FALSE(stage.wait().success());
    }
    CHECK(place.left_behind().empty());
    CHECK(place.programs().empty());
}

TEST_CASE("a first stage that is killed, whatever it does at the moment, is an error and leaves "
          "nothing outside of its cache") {
    const std::string tool = GENERATE("uname", "mkdir", "chmod", "head", "sha256sum", "mv", "ls");
    CAPTURE(tool);
    playground place;
    place.script(tool, "kill -9 0\n"); // all of its group
    const auto got = attempt({.environment = place.environment()});
    REQUIRE(!got);
    CHECK(got.error().reason() == mitogen::reason::end_of_file);
    CHECK(got.error().detail().has_status);
    CHECK(got.error().detail().status.signal == 9);
    for (const std::string& left : place.left_behind())
        CHECK_THAT(left, Catch::StartsWith(place.cache() + "/."));
}

TEST_CASE("what is no shell is an error") {
    playground place;
    staged how{.environment = place.environment()};
    SECTION("it is another program") {
        how.shell = GENERATE("/bin/cat", "/bin/false", "/bin/echo", "/usr/bin/env");
    }
    SECTION("it does not know this language") {
        const std::string shell =
            GENERATE("/usr/bin/tcsh", "/usr/bin/fish", "/usr/bin/python3", "/bin/true");
        if (!fs::exists(shell)) return;
        place.put("sh", shell);
    }
    SECTION("it says that it has the program, and is gone") {
        place.script("start", "printf '\\365\\246mitogen\\246\\3651 " +
                                  mitogen::os::machine_text() + ";:\\n'\n");
        how.shell = place.bin("start");
    }
    SECTION("it says twice that it waits for the program") {
        place.script("start", "for i in 1 2;do printf '\\365\\246mitogen\\246\\3651 " +
                                  mitogen::os::machine_text() + ";\\n';done;exec cat >/dev/null\n");
        how.shell = place.bin("start");
    }
    SECTION("it does not take the program") {
        place.script("start", "printf '\\365\\246mitogen\\246\\3651 " +
                                  mitogen::os::machine_text() + ";\\n';exec <&-\n");
        how.shell = place.bin("start");
    }
    const auto got = attempt(how);
    REQUIRE(!got);
    CAPTURE(got.error().what());
    CHECK(got.error().reason() != mitogen::reason::connect_timeout);
    // fish makes files of its own
    for (const std::string& left : place.left_behind()) CHECK_THAT(left, !Contains("mitogen"));
}

TEST_CASE("a home that takes no programs is done without") {
    if (::getuid() != 0) {
        WARN("left out: mounts need root");
        return;
    }
    playground place;
    const std::string option = GENERATE("noexec", "ro", "size=64k");
    CAPTURE(option);
    const std::string shell =
        shell_among(place, "mount -t tmpfs -o " + option + " none " + place.home());
    SECTION("for another cache") {
        for (int i = 0; i < 2; ++i)
            CHECK_THAT(attempt({.environment = place.environment(), .shell = shell}).value(),
                       Catch::StartsWith("/var/tmp/" + place.shared_cache() + "/"));
    }
    SECTION("also where nothing is kept") {
        CHECK_THAT(
            attempt({.environment = place.environment(), .shell = shell, .keep_program = false})
                .value(),
            Contains("/mitogen-") && Catch::EndsWith("/m (deleted)"));
    }
    CHECK(place.left_behind().empty());
}

TEST_CASE("a cache whose programs may not be executed any more is passed over") {
    if (::getuid() != 0) {
        WARN("left out: mounts need root");
        return;
    }
    // the last two believe `[ -x ]`
    const std::string shell = GENERATE("/bin/dash", "/usr/bin/zsh", "/bin/busybox");
    if (!fs::exists(shell)) {
        WARN("left out: " << shell << " is not installed");
        return;
    }
    playground place;
    place.put("sh", shell);
    CHECK(attempt({.environment = place.environment()}).has_value());
    REQUIRE(place.programs().size() == 1);
    const std::string home = place.home();
    const std::string there = shell_among(place, "mount --bind " + home + " " + home +
                                                     " && mount -o remount,bind,noexec " + home);
    CHECK_THAT(attempt({.environment = place.environment(), .shell = there}).value(),
               Catch::StartsWith("/var/tmp/"));
    CHECK(place.left_behind().empty());
}

TEST_CASE("where no directory takes programs, memory does, if python or perl is there") {
    if (::getuid() != 0 || !fs::exists("/usr/bin/python3") || !fs::exists("/usr/bin/perl")) {
        WARN("left out: it needs root, for mounts, python3 and perl");
        return;
    }
    playground place;
    const std::string option = GENERATE("noexec", "ro", "size=64k");
    CAPTURE(option);
    const std::string mounts =
        "for d in /tmp /var/tmp /dev/shm;do mount -t tmpfs -o " + option + " none $d;done";
    const std::string no_python =
        "p=$(readlink -f \"$(command -v python3)\") && mount --bind /bin/false \"$p\";";
    const std::string no_perl = "mount --bind /bin/false /usr/bin/perl;";
    const std::string no_digest =
        "for p in $(perl -e \"print qq(@INC)\");do "
        "[ ! -f $p/Digest/SHA.pm ] || mount --bind /dev/null $p/Digest/SHA.pm;done;";
    const std::string no_tool = "mount --bind /dev/null \"$(command -v sha256sum)\";";
    staged how{.environment = place.environment(), .keep_program = GENERATE(false, true)};
    how.environment.push_back("HOME=");
    const auto no_memory = [&] {
        const auto got = attempt(how);
        REQUIRE(!got);
        CHECK_THAT(got.error().what(),
                   Contains(option == "size=64k" ? "room for the program" : "no directory"));
    };
    SECTION("python, compressed or not") {
        how.shell = shell_among(place, no_perl + mounts);
        how.compress_program = GENERATE(false, true);
        CHECK_THAT(attempt(how).value(), Contains("memfd:mitogen"));
    }
    SECTION("perl, compressed or not, with its own digest or the tool's") {
        const std::string missing = GENERATE_COPY(no_digest, no_tool);
        how.shell = shell_among(place, no_python + missing + mounts);
        how.compress_program = GENERATE(false, true);
        CHECK_THAT(attempt(how).value(), Contains("memfd:mitogen"));
    }
    SECTION("and else there is an error that says so") {
        how.shell = shell_among(place, no_python + no_perl + mounts);
        no_memory();
    }
    SECTION("also where perl finds no digest") {
        how.shell = shell_among(place, no_python + no_digest + no_tool + mounts);
        no_memory();
    }
}

TEST_CASE("what receives a program into memory does not wait for ever for the rest of it") {
    if (::getuid() != 0 || !fs::exists("/usr/bin/python3") || !fs::exists("/usr/bin/perl")) {
        WARN("left out: it needs root, for mounts, python3 and perl");
        return;
    }
    playground place;
    const std::string language = GENERATE("python", "perl");
    CAPTURE(language);
    const std::string no_python =
        "p=$(readlink -f \"$(command -v python3)\") && mount --bind /bin/false \"$p\";";
    place.script("sh", "exec unshare -m /bin/sh -c '" +
                           (language == "perl" ? no_python : std::string()) +
                           "for d in /tmp /var/tmp /dev/shm;do mount -t tmpfs -o noexec none "
                           "$d;done && exec /bin/sh \"$@\"' sh "
                           "\"$@\"\n");
    const mitogen::detail::program_identity program{std::string(64, '0'), 0, 1000};
    bare_stage stage(place, {"HOME="});
    stage.say(mitogen::detail::receiving_stage(program, {.size = 1000,
                                                         .keep = false,
                                                         .patience_s = 1,
                                                         .machine = mitogen::os::machine_text()}) +
              "xxx");
    const std::string said = stage.rest();
    CHECK_THAT(said, Contains(std::string(mitogen::detail::no_parent_text)));
    CHECK_THAT(said, !Contains(std::string(mitogen::detail::no_place_text)));
    CHECK(stage.wait() == mitogen::exit_status{.code = 1});
}
