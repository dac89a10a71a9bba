// SPDX-License-Identifier: BSL-1.0
#include <mitogen/os/process/process.hpp>

#include "../generic/forked.hpp"
#include "../generic/inject.hpp"

#include <algorithm>
#include <array>
#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <string>

namespace os = mitogen::os;
using mitogen::exit_status;
using os::spawn_options;

namespace {

std::string read_all(int fd) {
    std::string out;
    char block[512];
    for (long n = 0; (n = os::read(fd, block, sizeof block)) > 0;)
        out.append(block, static_cast<std::size_t>(n));
    return out;
}

/// What a program writes to its standard output.
std::string output_of(spawn_options options) {
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    options.out = b.get();
    auto child = os::spawn(options);
    b.reset();
    if (!child) return std::string("failed: ") + child.error().what();
    std::string out = read_all(a.get());
    return child->wait().success() ? out : out + child->wait().text();
}

spawn_options shell(const std::string& script) {
    return {.path = "/bin/sh", .argv = {"sh", "-c", script}};
}

std::string failure_of(const spawn_options& options) {
    const auto child = os::spawn(options);
    return child ? "started" : child.error().what();
}

TEST_CASE("a program's arguments, status and output arrive") {
    CHECK(output_of({.path = "/bin/sh",
                     .argv = {"sh", "-c", "echo \"$0|$1|$#\"", "zero", "a b"}}) == "zero|a b|1\n");
    auto child = os::spawn(shell("exit 9"));
    REQUIRE(child);
    CHECK(child->wait() == exit_status{.code = 9});
}

TEST_CASE(
    "a name without a slash is searched for in PATH, and is its own argument when none is given") {
    CHECK(output_of({.path = "true"}).empty());
    CHECK(output_of({.path = "sh", .argv = {"sh", "-c", "echo found"}}) == "found\n");
}

TEST_CASE("an open file can be executed, wherever its descriptor is") {
    const os::unique_fd sh(static_cast<int>(os::open("/bin/sh", O_RDONLY)));
    REQUIRE(sh);
    CHECK(output_of({.executable_fd = sh.get(), .argv = {"sh", "-c", "echo by descriptor"}}) ==
          "by descriptor\n");
    const int code = generic::forked([] {
        for (int low = 0; low < 3; ++low) {
            for (int i = 0; i < 3; ++i) ::close(i);
            int fd = -1;
            while (fd != low) fd = static_cast<int>(os::open("/bin/sh", O_RDONLY));
            auto child = os::spawn({.executable_fd = fd, .argv = {"sh", "-c", "exit 5"}});
            if (!child || child->wait() != exit_status{.code = 5}) return low + 1;
        }
        return 0;
    });
    CHECK(code == 0);
}

TEST_CASE("variables are added, replaced and removed") {
    REQUIRE(::setenv("MITOGEN_TEST_ONE", "1", 1) == 0);
    REQUIRE(::setenv("MITOGEN_TEST_TWO", "2", 1) == 0);
    const std::string ours =
        "${MITOGEN_TEST_ONE-gone} ${MITOGEN_TEST_TWO-gone} ${MITOGEN_TEST_THREE-gone}";
    spawn_options options = shell("echo \"" + ours + " ${PATH:+path}\"");
    CHECK(output_of(options) == "1 2 gone path\n");
    options.environment = {"MITOGEN_TEST_ONE", "MITOGEN_TEST_TWO=two", "MITOGEN_TEST_THREE=a=b"};
    CHECK(output_of(options) == "gone two a=b path\n");
    ::unsetenv("MITOGEN_TEST_ONE");
    ::unsetenv("MITOGEN_TEST_TWO");
}

TEST_CASE("standard input is empty unless it is given") {
    CHECK(output_of(shell("cat; echo end")) == "end\n");
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    REQUIRE(os::write(b.get(), "hello", 5) == 5);
    b.reset();
    spawn_options options = shell("cat");
    options.in = a.get();
    CHECK(output_of(options) == "hello");
}

/// In a forked child: pipes at 0, 1 and 2 in the order given by `place` (0: what the program reads;
/// 1, 2: what it writes to its output and error), handed over to a program. Returns 0 where each
/// byte came out where it should.
int permuted(const std::array<int, 3>& place) {
    os::unique_fd in_read, in_write, out_read, out_write, err_read, err_write;
    if (os::pipe(in_read, in_write) < 0 || os::pipe(out_read, out_write) < 0 ||
        os::pipe(err_read, err_write) < 0)
        return 1;
    const std::array<int, 3> from{in_read.get(), out_write.get(), err_write.get()};
    for (std::size_t i = 0; i < 3; ++i) { // now above 2, whatever was open
        if (::dup2(from[i], place[i]) < 0) return 2;
    }
    in_read.reset();
    out_write.reset();
    err_write.reset();
    spawn_options options = shell("read x; echo out$x; echo err$x >&2");
    options.in = place[0];
    options.out = place[1];
    options.err = place[2];
    auto child = os::spawn(options);
    for (int i = 0; i < 3; ++i) ::close(i);
    if (!child) return 3;
    if (os::write(in_write.get(), "7\n", 2) != 2) return 4;
    if (read_all(out_read.get()) != "out7\n") return 5;
    if (read_all(err_read.get()) != "err7\n") return 6;
    return child->wait().success() ? 0 : 7;
}

TEST_CASE("descriptors that are 0, 1 and 2 themselves arrive in any order") {
    std::array<int, 3> place{0, 1, 2};
    do {
        INFO(place[0] << place[1] << place[2]);
        CHECK(generic::forked([&] { return permuted(place); }) == 0);
    } while (std::next_permutation(place.begin(), place.end()));
}

TEST_CASE("one descriptor may become both output and error") {
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    spawn_options options = shell("echo one; echo two >&2");
    options.out = options.err = b.get();
    auto child = os::spawn(options);
    b.reset();
    REQUIRE(child);
    CHECK(read_all(a.get()) == "one\ntwo\n");
    CHECK(child->wait().success());
}

#if defined(__linux__)
TEST_CASE("a program that is started with 0, 1 and 2 closed has them all") {
    const int code = generic::forked([] {
        for (int i = 0; i < 3; ++i) ::close(i);
        const std::string test = "[ \"$(readlink /proc/$$/fd/$i)\" = /dev/null ]";
        auto child = os::spawn(shell("for i in 0 1 2; do " + test + " || exit $((i + 1)); done"));
        if (!child) return 10;
        return child->wait().code;
    });
    CHECK(code == 0);
}

TEST_CASE("an inherited output that is close-on-exec arrives all the same") {
    const int code = generic::forked([] {
        os::unique_fd a, b;
        if (os::pipe(a, b) < 0 || ::dup2(b.get(), 1) < 0 || os::set_cloexec(1, true) < 0) return 1;
        b.reset();
        auto child = os::spawn(shell("echo here"));
        ::close(1);
        return child && read_all(a.get()) == "here\n" && child->wait().success() ? 0 : 2;
    });
    CHECK(code == 0);
}

TEST_CASE("nothing of ours but 0, 1 and 2 is open in the program") {
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    spawn_options options = shell("for f in /proc/$$/fd/*; do readlink $f; done");
    const std::string open = output_of(options);
    const std::string ours = "/proc/self/fd/" + std::to_string(a.get());
    char target[64] = {};
    REQUIRE(::readlink(ours.c_str(), target, sizeof target - 1) > 0);
    CHECK(open.find(target) == std::string::npos);
}

TEST_CASE(
    "a program begins with no blocked signal, and with SIGPIPE and SIGCHLD at their defaults") {
    const int code = generic::forked([] {
        ::sigset_t usr1;
        ::sigemptyset(&usr1);
        ::sigaddset(&usr1, SIGUSR1);
        ::pthread_sigmask(SIG_BLOCK, &usr1, nullptr);
        ::signal(SIGPIPE, SIG_IGN);
        ::signal(SIGCHLD, SIG_IGN);
        os::unique_fd a, b;
        if (os::pipe(a, b) < 0) return 1;
        auto child = os::spawn({.path = "grep",
                                .argv = {"grep", "-E", "SigBlk|SigIgn", "/proc/self/status"},
                                .out = b.get()});
        b.reset();
        if (!child) return 2;
        const std::string status = read_all(a.get());
        child->wait();
        if (status.find("SigBlk:\t0000000000000000") == std::string::npos) return 3;
        const auto at = status.find("SigIgn:\t");
        if (at == std::string::npos) return 4;
        const auto ignored = std::stoull(status.substr(at + 8, 16), nullptr, 16);
        return (ignored & ((1ull << (SIGPIPE - 1)) | (1ull << (SIGCHLD - 1)))) == 0 ? 0 : 5;
    });
    CHECK(code == 0);
}
#endif

TEST_CASE("a program leads a process group of its own, unless it is to stay in ours") {
    spawn_options options = shell("read x");
    os::unique_fd a, b;
    REQUIRE(os::pipe(a, b) == 0);
    options.in = a.get();
    for (const bool own : {true, false}) {
        options.new_process_group = own;
        auto child = os::spawn(options);
        REQUIRE(child);
        CHECK(::getpgid(child->pid()) == (own ? child->pid() : ::getpgrp()));
        if (own) {
            CHECK(child->signal_group(SIGTERM) == 0);
            CHECK(child->wait() == exit_status{.code = 0, .signal = SIGTERM});
        }
    }
}

TEST_CASE("a program that can't be started is an error that names it, and leaves no process") {
    CHECK(failure_of({.path = "/no/such/program"}) ==
          "spawn(/no/such/program): No such file or directory (ENOENT)");
    CHECK(failure_of({.path = "no-such-program"}) ==
          "spawn(no-such-program): No such file or directory (ENOENT)");
    CHECK(failure_of({.path = "/"}) == "spawn(/): Permission denied (EACCES)");
    const os::unique_fd text(static_cast<int>(os::open("/etc/passwd", O_RDONLY)));
    const std::string by_descriptor = failure_of({.executable_fd = text.get(), .argv = {"tool"}});
    CHECK(by_descriptor == "spawn(tool): Permission denied (EACCES)");
    CHECK(failure_of({}).rfind("spawn(a descriptor): ", 0) == 0);
}

TEST_CASE("a descriptor that is not open is named by the error") {
    spawn_options options = shell("true");
    options.err = 9999;
    CHECK(failure_of(options) ==
          "spawn(/bin/sh), standard error from descriptor 9999: Bad file descriptor (EBADF)");
}

TEST_CASE("a spawn that runs out of something reports it and leaves nothing") {
    for (const char* name : {"posix_spawn", "descriptor_flags"}) {
        const generic::inject fault(name, -EMFILE, 0, 1);
        spawn_options options = shell("true");
        options.out = 1;
        const auto child = os::spawn(options);
        REQUIRE_FALSE(child);
        CHECK(child.error().kind() == mitogen::kind::overloaded);
        CHECK(std::string(child.error().what()).find("/bin/sh") != std::string::npos);
    }
    const generic::inject fault("dup_above", -EMFILE, 0, 1);
    spawn_options options = shell("true");
    options.out = 1;
    CHECK_FALSE(os::spawn(options));
}

} // namespace
