// SPDX-License-Identifier: BSL-1.0
#include "../generic/tree.hpp"
#include "support/internals.hpp"

#include <catch2/catch.hpp>
#include <csignal>
#include <fcntl.h>
#include <mitogen/mitogen.hpp>
#include <mutex>
#include <stop_token>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using Catch::Contains;

int add(int a, int b) { return a + b; }
std::size_t length(const std::string& text) { return text.size(); }
int own_number() { return ::getpid(); }
void die() { std::raise(SIGKILL); }
/// Dies, or says who it is, as the turn that it takes says.
int dies_by_turn(int turns) {
    char turn = 0;
    if (::read(turns, &turn, 1) == 1 && turn == 'd') die();
    return ::getpid();
}
void hang() {
    for (;;) ::pause();
}

using mitogen::os::unique_fd;

std::pair<unique_fd, unique_fd> socket_pair() {
    int fds[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
    return {unique_fd(fds[0]), unique_fd(fds[1])};
}

/// A child that somebody else has started, on these.
mitogen::os::kill_on_destroy_process start(const unique_fd& in, const unique_fd& out) {
    mitogen::os::spawn_options options;
    options.executable_fd = mitogen::os::self_executable().get();
    options.argv = {"attached", std::string(mitogen::child_argument)};
    options.in = in.get();
    options.out = out.get();
    options.err = 2;
    return mitogen::os::spawn(options).value();
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

} // namespace

TEST_CASE("a child at the far end of a socket is attached") {
    auto [here, there] = socket_pair();
    auto process = start(there, there);
    there.reset();
    mitogen::broker broker;
    mitogen::router router(broker);
    const int fd = here.release();
    auto child = router.attach(fd, fd, {.name = "board"});
    CHECK_FALSE(is_open(fd));
    CHECK(child.name() == "board");
    CHECK(child.call<&add>(2, 3) == 5);
    CHECK(child.call<&length>(std::string(3'000'000, 'x')) == 3'000'000);
    CHECK(child.call<&own_number>() == process.pid());
    CHECK(child.local().call<&add>(2, 3) == 5);
    SECTION("and ends when it is asked to") { CHECK(child.shutdown().get().success()); }
    SECTION("and ends with the router") { router.close(); }
    SECTION("and ends when its link is cut") { child.disconnect(); }
    CHECK(process.wait().success());
}

TEST_CASE("a child at the far end of two pipes is attached") {
    unique_fd in[2];
    unique_fd out[2];
    REQUIRE(mitogen::os::pipe(in[0], in[1]) >= 0);
    REQUIRE(mitogen::os::pipe(out[0], out[1]) >= 0);
    auto process = start(out[0], in[1]);
    out[0].reset();
    in[1].reset();
    mitogen::broker broker;
    mitogen::router router(broker);
    auto child = router.attach(in[0].release(), out[1].release());
    CHECK(child.name() == "attached." + std::to_string(child.id()));
    CHECK(child.call<&add>(2, 3) == 5);
    router.close();
    CHECK(process.wait().success());
}

TEST_CASE(
    "a stream is opened when its child is wanted, and again at each new run of a nursery's task") {
    const generic::shared_pipe turns;
    REQUIRE(::write(turns.write_end(), "ddl", 3) == 3);
    std::mutex mutex;
    std::vector<mitogen::os::kill_on_destroy_process> processes;
    const mitogen::attach board{
        .open = [&]() -> mitogen::result<std::pair<int, int>> {
            int fds[2]; // on whatever thread: nothing may be asserted here
            if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
                return mitogen::error(mitogen::reason::system, "socketpair");
            const unique_fd there(fds[1]);
            const std::lock_guard lock(mutex);
            processes.push_back(start(there, there));
            return std::pair(fds[0], fds[0]);
        },
        .name = "board"};
    CHECK(processes.empty());
    {
        mitogen::broker broker;
        mitogen::router router(broker);
        mitogen::nursery nursery{router};
        const mitogen::restart_policy at_once{.first_delay = 1ms, .longest_delay = 1ms};
        auto task = nursery.restarting(at_once).start<&dies_by_turn>(board, turns.read_end());
        const int last = task.get();
        nursery.join();
        REQUIRE(processes.size() == 3);
        CHECK(last == processes.back().pid());
    }
    CHECK(processes[0].wait().signal == SIGKILL);
    CHECK(processes[1].wait().signal == SIGKILL);
    CHECK(processes[2].wait().success());
}

TEST_CASE("a stream that can't be opened fails the connection with that error") {
    mitogen::broker broker;
    mitogen::router router(broker);
    const mitogen::attach unplugged{.open = []() -> mitogen::result<std::pair<int, int>> {
        return mitogen::error(mitogen::reason::connect, "no board is plugged in");
    }};
    const auto child = router.try_connect(unplugged);
    REQUIRE_FALSE(child.has_value());
    CHECK(child.error().reason() == mitogen::reason::connect);
    CHECK_THAT(child.error().what(), Contains("no board is plugged in"));
    CHECK(router.try_connect(mitogen::attach{}).error().reason() == mitogen::reason::misuse);
    const auto negative =
        router.try_connect(mitogen::attach{.open = [] { return std::pair(-1, -1); }});
    CHECK(negative.error().reason() == mitogen::reason::misuse);
    CHECK(router.contexts().empty());
}

TEST_CASE("an attached child that is lost fails its calls") {
    auto [here, there] = socket_pair();
    auto process = start(there, there);
    there.reset();
    mitogen::broker broker;
    mitogen::router router(broker);
    const int fd = here.release();
    auto child = router.attach(fd, fd);
    try {
        child.call<&die>();
        FAIL("it returns");
    } catch (const mitogen::channel_error& e) {
        CHECK(e.reason() == mitogen::reason::respondent_lost);
        CHECK(e.status() == nullptr); // nobody here can know
    }
    CHECK_FALSE(child.alive());
    CHECK(process.wait().signal == SIGKILL);
}

TEST_CASE("an attached child that does not end loses its link") {
    auto [here, there] = socket_pair();
    auto process = start(there, there);
    there.reset();
    mitogen::broker broker;
    mitogen::router router(broker, {.timeouts = {.grace = 200'000'000, .after_term = 100'000'000}});
    const int fd = here.release();
    auto child = router.attach(fd, fd);
    child.call_no_reply<&hang>();
    child.ping().get();
    process.signal(SIGSTOP);
    CHECK(child.shutdown().get().success());
    router.close(); // does not wait for it
    process.signal(SIGKILL);
    CHECK(process.wait().signal == SIGKILL);
}

TEST_CASE("what is no child is not attached, and its descriptors are closed") {
    mitogen::broker broker;
    mitogen::router router(broker);
    auto [here, there] = socket_pair();
    const int fd = here.release();
    const auto refused = [&](mitogen::link_options options = {}) {
        const auto child = router.try_attach(fd, fd, std::move(options));
        REQUIRE(!child);
        CHECK_FALSE(is_open(fd));
        return child.error();
    };
    SECTION("the end of the stream") {
        there.reset();
        const mitogen::error e = refused();
        CHECK(e.reason() == mitogen::reason::end_of_file);
        CHECK_THAT(e.what(),
                   Contains("mitogen::init") && Contains(std::string(mitogen::child_argument)));
    }
    SECTION("silence") {
        const mitogen::error e = refused({.connect_timeout = 100ms});
        CHECK(e.reason() == mitogen::reason::connect_timeout);
        CHECK_THAT(e.what(), Contains("no hello within 100 ms"));
        char c = 0;
        CHECK(::read(there.get(), &c, 1) == 0);
    }
    SECTION("something else") {
        REQUIRE(::write(there.get(), "login: ", 7) == 7);
        there.reset();
        CHECK_THAT(refused().what(), Contains("login: "));
    }
    SECTION("descriptors that are none") {
        ::close(fd);
        CHECK(refused().reason() == mitogen::reason::system);
        CHECK(router.try_attach(-1, -1).error().reason() == mitogen::reason::misuse);
    }
    CHECK(router.contexts().empty());
}
