// SPDX-License-Identifier: BSL-1.0
#include "support/leak_check.hpp"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace {

/// The differences as they are at once, without waiting for anything to end.
std::string now_different(const support::census& before) {
    std::string out;
    for (const std::string& line : support::differences(before, support::take_census()))
        out += line + "\n";
    return out;
}

} // namespace

TEST_CASE("an unchanged process has no differences") {
    const auto before = support::take_census();
    CHECK(support::settled_differences(before, 0).empty());
    CHECK(before.descriptors.contains(2));
    CHECK(before.threads.contains(::getpid()));
}

TEST_CASE("a descriptor that stays open is named by what it refers to") {
    const auto before = support::take_census();
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    CHECK_THAT(now_different(before),
               Catch::Contains("descriptor " + std::to_string(fd) + " is open: /dev/null"));
    ::close(fd);
    CHECK(now_different(before) == "");
}

TEST_CASE("closing somebody else's descriptor is noticed") {
    const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    const auto before = support::take_census();
    ::close(fd);
    CHECK_THAT(now_different(before), Catch::Contains("is closed, and was /dev/null"));
}

TEST_CASE("a running thread is named, and gone once it is joined") {
    const auto before = support::take_census();
    std::atomic<bool> stop{false};
    std::thread thread([&] { stop.wait(false); });
    CHECK_THAT(now_different(before), Catch::Contains("is running: "));
    stop = true;
    stop.notify_all();
    thread.join();
    CHECK(support::settled_differences(before).empty());
}

TEST_CASE("a running child and a zombie are told apart, and both can be ended") {
    const auto before = support::take_census();
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        for (;;) ::pause();
    }
    CHECK_THAT(now_different(before), Catch::Contains("child process " + std::to_string(child)) &&
                                          Catch::Contains("(running)"));
    ::kill(child, SIGKILL);
    siginfo_t ended{};
    REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &ended, WEXITED | WNOWAIT) == 0);
    CHECK_THAT(now_different(before), Catch::Contains("zombie"));
    support::end_children_since(before);
    CHECK(support::settled_differences(before).empty());
}
