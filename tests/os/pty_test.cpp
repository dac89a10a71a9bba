// SPDX-License-Identifier: BSL-1.0
#include "generic/inject.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <fcntl.h>
#include <mitogen/os/process/process.hpp>
#include <mitogen/os/pty.hpp>
#include <string>
#include <unistd.h>

namespace {

namespace os = mitogen::os;

/// What is printed at the terminal, up to the last of these characters.
std::string until(const os::pty& p, char end) {
    std::string text;
    char bytes[64];
    while (text.empty() || text.back() != end) {
        const long n = os::read(p.master.get(), bytes, sizeof bytes);
        if (n <= 0) return text + " and no more";
        text.append(bytes, static_cast<std::size_t>(n));
    }
    return text;
}

mitogen::exit_status run_at(const os::pty& p, const std::string& script,
                            const os::unique_fd* out = nullptr) {
    os::spawn_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c", script};
    options.terminal = p.path;
    if (out) options.out = out->get();
    return os::spawn(options).value().wait();
}

} // namespace

TEST_CASE("a pseudo terminal passes on what is printed as it is, and echoes nothing") {
    os::pty p;
    REQUIRE(os::open_pty(p) == 0);
    for (const auto* fd : {&p.master, &p.terminal}) {
        CHECK(fd->get() > 2);
        CHECK(os::descriptor_flags(fd->get()) == FD_CLOEXEC);
        CHECK(::isatty(fd->get()) == 1);
    }
    REQUIRE(os::write(p.master.get(), "typed\n", 6) == 6);
    REQUIRE(os::write(p.terminal.get(), "printed\n", 8) == 8);
    CHECK(until(p, '\n') == "printed\n");
    char bytes[16] = {};
    CHECK(os::read(p.terminal.get(), bytes, sizeof bytes) == 6);
    CHECK(std::string(bytes) == "typed\n");
}

TEST_CASE("a terminal is standard error and the session's own terminal of what is started at it") {
    os::pty p;
    REQUIRE(os::open_pty(p) == 0);
    os::unique_fd from;
    os::unique_fd to;
    REQUIRE(os::pipe(from, to) == 0);
    CHECK(run_at(p, "echo one; echo two >&2; echo three >/dev/tty; tty <&2", &to).success());
    CHECK(until(p, '\n').starts_with("two\n"));
    char bytes[64] = {};
    CHECK(os::read(from.get(), bytes, sizeof bytes) > 0);
    CHECK(std::string(bytes) == "one\n" + p.path + "\n");
    CHECK(run_at(p, "read -r line </proc/self/stat; set -- $line; [ $1 = $6 ] && [ $5 = $6 ] && [ "
                    "$7 != 0 ]")
              .success());
}

TEST_CASE("what is started at a terminal ends when that hangs up") {
    os::pty p;
    REQUIRE(os::open_pty(p) == 0);
    os::spawn_options options;
    options.path = "/bin/sh";
    options.argv = {"sh", "-c", "echo ready >&2; read -r never </dev/tty"};
    options.terminal = p.path;
    auto process = os::spawn(options);
    REQUIRE(process);
    CHECK(until(p, '\n') == "ready\n");
    p.master.reset();
    CHECK_FALSE(process->wait().success());
}

TEST_CASE("a terminal that is not there is an error") {
    os::spawn_options options;
    options.path = "/bin/true";
    options.terminal = "/dev/nowhere";
    CHECK_FALSE(os::spawn(options));
}

TEST_CASE("a pseudo terminal that cannot be had leaves nothing") {
    const std::string call = GENERATE("posix_openpt", "set_cloexec", "grantpt", "unlockpt", "open",
                                      "tcgetattr", "tcsetattr");
    CAPTURE(call);
    os::pty p;
    const generic::inject fault(call.c_str(), -ENOSPC);
    CHECK(os::open_pty(p) == -ENOSPC);
    CHECK_FALSE(p.master);
    CHECK_FALSE(p.terminal);
    CHECK(fault.seen() >= 1);
}
