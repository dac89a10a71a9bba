// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/process/output_of.hpp>

#include "../generic/inject.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <string>
#include <utility>

namespace os = mitogen::os;

namespace {

constexpr mitogen::duration_ns long_enough = 60'000'000'000; // machines that run tests are busy

os::spawn_options shell(std::string script) {
    return {.path = "/bin/sh", .argv = {"sh", "-c", std::move(script)}};
}

os::printed output(const char* script, const os::output_limits& most) {
    return os::output_within(shell(script), most).value();
}

TEST_CASE("what a program prints is told with its status, and what it complains of is not") {
    const os::printed said =
        output("cat; echo out; echo err >&2; exit 3", {.patience = long_enough});
    CHECK(said.text == "out\n");
    CHECK(said.status.code == 3);
    CHECK_FALSE(os::output_within({.path = "no-such-program"}, {}));
}

TEST_CASE("a program that prints more than is wanted is ended") {
    for (const char* script : {"yes yes", "while :; do echo yes; done", "yes yes & wait"}) {
        const os::printed said = output(script, {.bytes = 10'001, .patience = long_enough});
        CHECK(said.text.size() == 10'001);
        CHECK(said.text.substr(0, 8) == "yes\nyes\n");
    }
}

TEST_CASE("a program that takes too long is ended, with what it has started") {
    for (const char* script : {"echo yes; sleep 1000", "echo yes; sleep 1000 & wait",
                               "echo yes; exec >&-; sleep 1000"}) {
        const mitogen::instant begin = os::monotonic_now();
        const os::printed said = output(script, {.patience = 500'000'000});
        CHECK(os::monotonic_now() - begin < long_enough);
        CHECK(said.text == "yes\n");
        CHECK(said.status.signal == SIGKILL);
    }
}

TEST_CASE("what a program leaves behind, holding its output, is ended at the limit") {
    const os::printed said = output("echo yes; sleep 1000 &", {.patience = 500'000'000});
    CHECK(said.text == "yes\n");
    CHECK(said.status.success());
}

TEST_CASE("a program is run where the end of a process can't be polled") {
    const generic::inject fault("pidfd_open", -ENOSYS, 0, 100);
    CHECK(output("exec >&-; sleep 0.1; exit 4", {.patience = long_enough}).status.code == 4);
}

TEST_CASE("what is missing to run a program is reported, and nothing is left") {
    for (const char* call : {"pipe", "open", "posix_spawn"}) {
        const generic::inject fault(call, -EMFILE, 0, 1);
        const auto said = os::output_within(shell("true"), {});
        REQUIRE_FALSE(said);
        CHECK(said.error().kind() == mitogen::kind::overloaded);
    }
    for (const char* call : {"poll", "read"}) {
        const generic::inject fault(call, -EIO, 0, 1);
        CHECK(output("echo yes; sleep 1000", {.patience = long_enough}).status.signal == SIGKILL);
    }
}

} // namespace
