// SPDX-License-Identifier: BSL-1.0
// Programs on machines that have no /proc, and perhaps no /dev/zero: a child there, and how it
// finds itself.
#include "../support/internals.hpp"
#include "../support/sanitized.hpp"
#include "../support/scratch.hpp"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

namespace {

namespace fs = std::filesystem;
using Catch::Contains;

int sum(int a, int b) {
    return a + b;
}
bool has_proc() {
    return ::access("/proc/self", F_OK) == 0;
}
/// What the last of so many contexts says, each of which is the child of the one above.
int sum_below(mitogen::router& here, int levels) {
    mitogen::context child = here.local();
    return levels == 1 ? child.call<&sum>(20, 22) : child.call<&sum_below>(levels - 1);
}
int sum_of_copy(mitogen::router& here) {
    return here.fork().call<&sum>(20, 22);
}
int sum_by_a_shell(mitogen::router& here, bool keep) {
    return here.command({.argv = {"env"}, .keep_program = keep}).call<&sum>(20, 22);
}

/// A root directory with busybox, and what this program needs to run, but no /proc.
class bare_root {
    support::scratch dir_;

public:
    explicit bare_root(const std::string& devices) {
        const std::string script =
            "cd " + dir_.path() + "&&mkdir -p bin tmp dev root proc&&chmod 1777 tmp&&"
            "cp \"$(command -v busybox)\" bin/busybox&&"
            "for l in $(ldd bin/busybox /proc/" + std::to_string(::getpid()) +
            "/exe 2>/dev/null|grep -o '/[^ :]*\\.so[^ ]*');do mkdir -p .${l%/*}&&cp -L $l .$l;done;"
            "for a in sh uname mkdir chmod head wc rm cat mv ls env find tail sha256sum gzip;do "
            "ln -s busybox bin/$a;done";
        REQUIRE(std::system(script.c_str()) == 0);
        for (const auto& [name, minor] : {std::pair{"null", 3u}, {"zero", 5u}})
            if (devices.find(name) != std::string::npos)
                ::mknod((dir_ / (std::string("dev/") + name)).c_str(), S_IFCHR | 0666,
                        ::makedev(1, minor));
    }
    const std::string& path() const { return dir_.path(); }
    bool has(const std::string& name) const { return fs::exists(dir_ / name); }
};

bool can_be_made() {
#if defined(MITOGEN_TEST_SANITIZED)
    WARN("left out: sanitizers need /proc");
    return false;
#else
    if (::getuid() == 0 && std::system("command -v busybox ldd chroot >/dev/null") == 0)
        return true;
    WARN("left out: takes root, busybox and ldd");
    return false;
#endif
}

} // namespace

TEST_CASE("a program comes to a system without a /proc, and can make children there") {
    if (!can_be_made()) return;
    const std::string devices = GENERATE("null and zero", "null", "");
    CAPTURE(devices);
    const bare_root root(devices);
    mitogen::broker broker;
    mitogen::router router(broker);
    for (const char* time : {"first", "second"}) {
        CAPTURE(time);
        auto child = router.chroot({.root = root.path()});
        CHECK(child.call<&sum>(20, 22) == 42);
        CHECK_FALSE(child.call<&has_proc>());
        CHECK(child.call<&sum_below>(1) == 42);
        CHECK(child.call<&sum_below>(3) == 42);
        CHECK(child.call<&sum_of_copy>() == 42);
        CHECK(child.call<&sum_by_a_shell>(true) == 42);
        CHECK(child.call<&sum_by_a_shell>(false) == 42);
        CHECK(child.shutdown().get().success());
    }
}

TEST_CASE("a program without a name needs a /proc to be executed again, and that is said") {
    if (!can_be_made()) return;
    const bare_root root("null and zero");
    mitogen::broker broker;
    mitogen::router router(broker);
    auto child = router.chroot({.root = root.path(), .keep_program = false});
    CHECK_FALSE(root.has("root/.cache"));
    CHECK(child.call<&sum_of_copy>() == 42);
    CHECK(child.call<&sum_by_a_shell>(false) == 42);
    const auto refused = child.try_call<&sum_below>(1);
    REQUIRE_FALSE(refused);
    CHECK_THAT(std::string(refused.error().what()), Contains("no /proc") && Contains("mount it") &&
                                                        Contains("keep_program"));
    CHECK(child.shutdown().get().success());
}

#if defined(__linux__)
TEST_CASE("a file is this program's if it begins as that does") {
    using mitogen::os::detail::is_this_program;
    const support::scratch dir;
    CHECK(is_this_program("/proc/self/exe"));
    CHECK_FALSE(is_this_program("/bin/sh"));
    CHECK_FALSE(is_this_program(dir.path().c_str()));
    CHECK_FALSE(is_this_program((dir / "missing").c_str()));
    CHECK_FALSE(is_this_program(dir.script("script", "exit 0\n").c_str()));
    CHECK(fs::equivalent(mitogen::os::detail::executed_name(), "/proc/self/exe"));
}
#endif
