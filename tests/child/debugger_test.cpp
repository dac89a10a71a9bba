// SPDX-License-Identifier: BSL-1.0
// Contexts that a debugger holds. Linux only: elseif the library does not know.
#include "../generic/context_functions.hpp"
#include "../generic/tree.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <mitogen/mitogen.hpp>
#if defined(__linux__)
#include <sys/ptrace.h>
#endif
#include <sys/wait.h>
#include <unistd.h>

namespace debugger_test {

mitogen::context make_child(mitogen::router& here) { return here.local(); }

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

TEST_CASE("nobody loses a context that a debugger holds, on either side; whoever is only stopped "
          "is lost") {
    constexpr mitogen::duration_ns second = 1'000'000'000;
    mitogen::router_options options;
    options.rules.heartbeat = {.interval = second / 5, .limit = second};
    options.timeouts = {.grace = second / 10, .after_term = second / 10};
    tree t(options);
    const mitogen::context held = t.root.local();
    const mitogen::context below = held.call<&make_child>();
    const mitogen::context stopped[] = {t.root.local(), t.root.local()};
    const int pid = held.call<&generic::process_id>();
    const int others[] = {stopped[0].call<&generic::process_id>(),
                          stopped[1].call<&generic::process_id>()};
    {
        const hold now(pid);
        // the second one is stopped when the limit of the others has passed
        for (int i = 0; i < 2; ++i) {
            ::kill(others[i], SIGSTOP);
            auto answer = stopped[i].try_call<&generic::process_id>();
            // before it has seen the signal
            while (answer) answer = stopped[i].try_call<&generic::process_id>();
            CHECK(answer.error().kind() == mitogen::kind::disconnected);
        }
    }
    CHECK(held.call<&generic::add>(1, 2) == 3);
    CHECK(below.call<&generic::add>(1, 2) == 3);
}

#endif

} // namespace
