// SPDX-License-Identifier: BSL-1.0
// What tests find around them, in whatever environment they were started: CTest runs this also
// beneath support/oddly.
#include "support/clean_environment.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

TEST_CASE("variables are those of the tests, whatever was inherited", "[environment]") {
    CHECK(std::string(std::getenv("PATH")) == support::clean_path);
    CHECK(std::string(std::getenv("LANG")) == "C.UTF-8");
    CHECK(std::string(std::getenv("TERM")) == "dumb");
    CHECK(std::getenv("LC_ALL") == nullptr);
    CHECK(std::getenv("TMPDIR") == nullptr);
    const std::set<std::string> ours = {"PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TERM"};
    for (char** each = environ; *each; ++each) {
        const std::string name = std::string(*each).substr(0, std::string(*each).find('='));
        CAPTURE(name);
        CHECK((ours.count(name) == 1 || support::is_meant_for_tests(name)));
    }
}

TEST_CASE("the home is a private one that can be written", "[environment]") {
    const std::filesystem::path home = std::getenv("HOME");
    CHECK(home.filename().string().starts_with("mitogen_home."));
    CHECK(::access(home.c_str(), W_OK) == 0);
}

TEST_CASE("files are made as usual", "[environment]") {
    const mode_t now = ::umask(022);
    ::umask(now);
    CHECK(now == 022);
}

TEST_CASE("no signal is ignored or blocked", "[environment]") {
    for (int number = 1; number < NSIG; ++number) {
        struct sigaction now {};
        if (::sigaction(number, nullptr, &now) != 0) continue;
        CAPTURE(number);
        CHECK(now.sa_handler != SIG_IGN);
    }
    sigset_t blocked;
    REQUIRE(::sigprocmask(SIG_SETMASK, nullptr, &blocked) == 0);
    CHECK(::sigismember(&blocked, SIGTERM) == 0);
}

TEST_CASE("nothing can be read, and no descriptor is inherited", "[environment]") {
    char byte = 0;
    CHECK(::read(0, &byte, 1) == 0);
    CHECK(::fcntl(1, F_GETFD) >= 0);
    CHECK(::fcntl(2, F_GETFD) >= 0);
    for (int fd = 3; fd < 1024; ++fd) {
        const int flags = ::fcntl(fd, F_GETFD);
        CAPTURE(fd);
        CHECK((flags < 0 || (flags & FD_CLOEXEC) != 0));
    }
}

TEST_CASE("programs that are found are the system's", "[environment]") {
    CHECK(std::system("command -v ssh python3 sudo id sh >/dev/null 2>&1; exec id -u >/dev/null") ==
          0);
}
