// SPDX-License-Identifier: BSL-1.0
// Contexts that a debugger holds, or that are stopped. Linux only: elsewhere the library does not
// know.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <mitogen/mitogen.hpp>
#ifdef MITOGEN_SEPARATE // else the umbrella has it
#include <mitogen/os/process/debugger.hpp>
#endif
#include <stop_token>
#if defined(__linux__)
#include <sys/ptrace.h>
#endif
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace debugger_test {

mitogen::context make_child(mitogen::router& here) { return here.local(); }
void sleep_on(const std::stop_token& stop) {
    while (!stop.stop_requested()) ::usleep(1000);
}

} // namespace debugger_test

namespace {
using namespace debugger_test;
using generic::tree;

#if defined(__linux__)

/// Stops all threads of a process, and holds it as a debugger does, until the end.
class hold {
    int pid_;

public:
    explicit hold(int pid) : pid_(pid) {
        REQUIRE(::ptrace(PTRACE_SEIZE, pid_, nullptr, nullptr) == 0);
        REQUIRE(::kill(pid_, SIGSTOP) == 0);
        // First the main thread is about to take the signal, then it has stopped with all the
        // others.
        int status = 0;
        REQUIRE(::waitpid(pid_, &status, __WALL) == pid_);
        if (WSTOPSIG(status) == SIGSTOP && status >> 16 != PTRACE_EVENT_STOP) {
            REQUIRE(::ptrace(PTRACE_CONT, pid_, nullptr, SIGSTOP) == 0);
            REQUIRE(::waitpid(pid_, &status, __WALL) == pid_);
        }
        REQUIRE(status >> 16 == PTRACE_EVENT_STOP);
    }
    hold(hold&&) = delete;
    ~hold() {
        (void)::ptrace(PTRACE_DETACH, pid_, nullptr, nullptr);
        ::kill(pid_, SIGCONT);
    }
};

/// A tree that takes silence for loss soon.
mitogen::router_options impatient() {
    constexpr mitogen::duration_ns second = 1'000'000'000;
    mitogen::router_options options;
    options.rules.heartbeat = {.interval = second / 5, .limit = second};
    options.timeouts = {.grace = second / 10, .after_term = second / 10};
    return options;
}

/// Until the kernel has stopped it.
void stop_and_wait(int pid) {
    REQUIRE(::kill(pid, SIGSTOP) == 0);
    const auto limit = std::chrono::steady_clock::now() + generic::plenty;
    while (!mitogen::os::is_held(pid, pid) && std::chrono::steady_clock::now() < limit)
        std::this_thread::yield();
    REQUIRE(mitogen::os::is_held(pid, pid));
}

/// For longer than silence would be borne: twice the limit, on this thread.
void outlast_the_limit(mitogen::router& root) {
    const mitogen::context nobody = root.local();
    (void)nobody.within(std::chrono::seconds(3)).try_call<&sleep_on>();
}

TEST_CASE("nobody loses a context that a debugger holds, or that is stopped, on either side") {
    tree t(impatient());
    const mitogen::context held = t.root.local();
    const mitogen::context below = held.call<&make_child>();
    const mitogen::context stopped = t.root.local();
    const mitogen::context further = stopped.call<&make_child>();
    const int pid = held.call<&generic::process_id>();
    const int other = stopped.call<&generic::process_id>();
    {
        const hold now(pid);
        stop_and_wait(other);
        outlast_the_limit(t.root);
        CHECK(stopped.alive());
        ::kill(other, SIGCONT);
    }
    for (const mitogen::context& c : {held, below, stopped, further})
        CHECK(c.call<&generic::add>(1, 2) == 3);
}

TEST_CASE("the program that is stopped finds its children as they were") {
    tree t(impatient());
    const mitogen::context child = t.root.local();
    const mitogen::context below = child.call<&make_child>();
    const mitogen::context copy = t.root.fork();
    // its own parent cannot be: another one stops this process, which sees none of it
    const int self = ::getpid();
    const pid_t helper = ::fork();
    if (helper == 0) {
        ::kill(self, SIGSTOP);
        ::usleep(3'000'000);
        ::kill(self, SIGCONT);
        ::_exit(0);
    }
    while (::waitpid(helper, nullptr, 0) < 0 && errno == EINTR) {}
    for (const mitogen::context& c : {child, below, copy})
        CHECK(c.call<&generic::add>(1, 2) == 3);
}

TEST_CASE("a process is held if it, or one between it and its ancestor, is stopped") {
    const pid_t outer = ::fork();
    if (outer == 0) {
        while (true) ::pause();
    }
    CHECK_FALSE(mitogen::os::is_held(outer, outer));
    CHECK_FALSE(mitogen::os::is_held(outer, ::getpid()));
    stop_and_wait(outer);
    CHECK(mitogen::os::is_held(outer, ::getpid()));
    CHECK(mitogen::os::is_held(outer, 0));
    CHECK_FALSE(mitogen::os::is_held(outer, 1)); // init is no one's starter
    CHECK_FALSE(mitogen::os::is_held(::getpid(), outer)); // not below it
    ::kill(outer, SIGKILL);
    while (::waitpid(outer, nullptr, 0) < 0 && errno == EINTR) {}
}

#endif

} // namespace
