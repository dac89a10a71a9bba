// SPDX-License-Identifier: BSL-1.0
// start_bench.cpp: what it takes until a child is ready, beside a raw fork and a raw posix_spawn of
// this program to their first byte.
//
//   ./start_bench [--rounds=7] [--children=20] [--json[=file]] [--smoke]
//   ./start_bench --count=N fork|local      N children and nothing else, for profilers
//
// Everything on one CPU. This process stays small: fork() copies page tables, and a large heap
// would be measured instead.

#include "support/raw.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <string_view>

#include <spawn.h>

extern char** environ;

int add(int a, int b) { return a + b; }

namespace {

using namespace bench;

constexpr std::string_view first_byte_argument = "--first-byte";

void say_first_byte(int fd) {
    if (::write(fd, "x", 1) != 1) ::_exit(1);
}

template <class Start>
double time_us(Start&& start) {
    const std::uint64_t begin = now();
    start();
    return static_cast<double>(now() - begin) / 1e3;
}

/// Until the first byte of a child that `start(write end)` makes; it is reaped afterwards.
template <class Start>
double raw_start(Start&& start) {
    int link[2];
    if (::pipe2(link, O_CLOEXEC) != 0) die("pipe2");
    ::pid_t pid = -1;
    const double us = time_us([&] {
        pid = start(link[1]);
        ::close(link[1]);
        char byte;
        if (!raw::read_all(link[0], &byte, 1)) die("first byte");
    });
    ::close(link[0]);
    ::waitpid(pid, nullptr, 0);
    return us;
}

::pid_t raw_fork(int fd) {
    const ::pid_t pid = ::fork();
    if (pid < 0) die("fork");
    if (pid == 0) {
        say_first_byte(fd);
        ::_exit(0);
    }
    return pid;
}

::pid_t raw_spawn(int fd) {
    ::posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, fd, 1);
    char name[] = "start_bench";
    char argument[] = "--first-byte";
    char* argv[] = {name, argument, nullptr};
    ::pid_t pid = -1;
    if (::posix_spawn(&pid, "/proc/self/exe", &actions, nullptr, argv, environ) != 0)
        die("posix_spawn");
    ::posix_spawn_file_actions_destroy(&actions);
    return pid;
}

struct started {
    double ready;
    double answered;
    double ended;
};

template <class Make>
started measure(Make&& make) {
    started t;
    mitogen::context child;
    const std::uint64_t begin = now();
    child = make();
    t.ready = static_cast<double>(now() - begin) / 1e3;
    if (child.call<&add>(2, 3) != 5) std::abort();
    t.answered = static_cast<double>(now() - begin) / 1e3;
    const std::uint64_t asked = now();
    if (!child.shutdown().get().success()) std::abort();
    t.ended = static_cast<double>(now() - asked) / 1e3;
    return t;
}

void run(report& out) {
    const std::size_t count = out.count("rounds", 7, 1);
    const std::size_t children = out.count("children", 20, 2);
    mitogen::broker loop;
    mitogen::router root(loop);
    rounds all;
    for (std::size_t r = 0; r < count; ++r) {
        std::map<std::string, std::vector<double>> round;
        for (std::size_t i = 0; i < children; ++i) {
            round["raw fork, first byte"].push_back(raw_start(raw_fork));
            const started f = measure([&] { return root.fork(); });
            round["fork child ready"].push_back(f.ready);
            round["fork child, first call answered"].push_back(f.answered);
            round["fork child, end"].push_back(f.ended);
            round["raw posix_spawn, first byte"].push_back(raw_start(raw_spawn));
            const started l = measure([&] { return root.local(); });
            round["local child ready"].push_back(l.ready);
            round["local child, first call answered"].push_back(l.answered);
            round["local child, end"].push_back(l.ended);
        }
        for (const auto& [name, values] : round) all.add(name, median(values));
    }
    const target wanted = ratio_at_most(5, 1.5);
    out.add(all, "fork child ready", "raw fork, first byte", "us", wanted);
    out.add(all, "fork child, first call answered", "raw fork, first byte", "us", wanted);
    out.add(all, "local child ready", "raw posix_spawn, first byte", "us", wanted);
    out.add(all, "local child, first call answered", "raw posix_spawn, first byte", "us", wanted);
    out.add("fork child, shut down to reaped", all.middle("fork child, end"), "us");
    out.add("local child, shut down to reaped", all.middle("local child, end"), "us");
}

/// Children and nothing else.
int count_only(const report& out) {
    const std::size_t children = out.count("count", 0, 0);
    mitogen::broker loop;
    mitogen::router root(loop);
    for (std::size_t i = 0; i < children; ++i) {
        if (!out.words().empty() && out.words().front() == "fork") {
            measure([&] { return root.fork(); });
        } else {
            measure([&] { return root.local(); });
        }
    }
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 1 && argv[1] == first_byte_argument) {
        say_first_byte(1);
        return 0;
    }
    mitogen::init(argc, argv);
    report out(argc, argv);
    placement().pin(true);
    if (out.has("count")) return count_only(out);
    run(out);
    return out.finish();
}
