// SPDX-License-Identifier: BSL-1.0
// children_bench.cpp: a thousand local children at once: made, called, ended; beside as many raw
// posix_spawns of this program, each of which answers one byte and ends.
//
//   ./children_bench [--rounds=3] [--children=1000] [--json[=file]] [--smoke]
//
// On all CPUs. Memory is this process's own (Private_Dirty and Private_Clean of
// /proc/self/smaps_rollup), descriptors those of /proc/self/fd.

#include "support/holding.hpp"
#include "support/raw.hpp"
#include "support/report.hpp"

#include <mitogen/mitogen.hpp>

#include <string_view>

#include <spawn.h>
#include <sys/resource.h>

extern char** environ;

int add(int a, int b) { return a + b; }

namespace {

using namespace bench;

constexpr std::string_view answer_argument = "--answer-bytes";

void raw_children(rounds& all, std::size_t children) {
    struct child {
        ::pid_t pid;
        raw::ends link;
    };
    std::vector<child> alive(children);
    const std::uint64_t begin = now();
    for (child& c : alive) {
        int to[2];
        int from[2];
        if (::pipe2(to, O_CLOEXEC) != 0 || ::pipe2(from, O_CLOEXEC) != 0) die("pipe2");
        ::posix_spawn_file_actions_t actions;
        ::posix_spawn_file_actions_init(&actions);
        ::posix_spawn_file_actions_adddup2(&actions, to[0], 0);
        ::posix_spawn_file_actions_adddup2(&actions, from[1], 1);
        char name[] = "children_bench";
        char argument[] = "--answer-bytes";
        char* argv[] = {name, argument, nullptr};
        if (::posix_spawn(&c.pid, "/proc/self/exe", &actions, nullptr, argv, environ) != 0)
            die("posix_spawn");
        ::posix_spawn_file_actions_destroy(&actions);
        ::close(to[0]);
        ::close(from[1]);
        c.link = {from[0], to[1]};
    }
    char byte;
    for (const child& c : alive)
        if (!raw::read_all(c.link.in, &byte, 1)) die("first byte");
    all.add("raw, build", ms_since(begin));
    const std::uint64_t called = now();
    for (const child& c : alive)
        if (!raw::write_all(c.link.out, "x", 1) || !raw::read_all(c.link.in, &byte, 1))
            die("answer");
    all.add("raw, call each", ms_since(called));
    const std::uint64_t ending = now();
    for (const child& c : alive) raw::peer::close_all(c.link);
    for (const child& c : alive) ::waitpid(c.pid, nullptr, 0);
    all.add("raw, end", ms_since(ending));
    all.add("raw, all of it", ms_since(begin));
}

void our_children(rounds& all, mitogen::router& root, std::size_t children) {
    const double memory = private_kib(::getpid());
    const double descriptors = open_descriptors();
    const auto each = static_cast<double>(children);
    const std::uint64_t begin = now();
    std::vector<mitogen::future<mitogen::context>> coming;
    for (std::size_t i = 0; i < children; ++i)
        coming.push_back(root.connect_async(mitogen::local{}));
    std::vector<mitogen::context> alive;
    for (auto& c : coming) alive.push_back(c.get());
    all.add("build", ms_since(begin));
    const std::uint64_t called = now();
    for (const auto& c : alive)
        if (c.call<&add>(2, 3) != 5) std::abort();
    all.add("call each", ms_since(called));
    const double before = ms_since(begin);
    all.add("memory", (private_kib(::getpid()) - memory) / each);
    all.add("descriptors", (open_descriptors() - descriptors) / each);
    all.add("memory of one child", private_kib(root.child_pid(alive[alive.size() / 2].id())));
    const std::uint64_t ending = now();
    std::vector<mitogen::future<mitogen::exit_status>> ends;
    for (const auto& c : alive) ends.push_back(c.shutdown());
    for (auto& e : ends)
        if (!e.get().success()) std::abort();
    all.add("end", ms_since(ending));
    all.add("all of it", before + ms_since(ending));
}

int answer_bytes() {
    char byte = 'x';
    do {
        if (::write(1, &byte, 1) != 1) return 1;
    } while (::read(0, &byte, 1) == 1);
    return 0;
}

} // namespace

int main(int argc, char** argv) {
    if (argc > 1 && argv[1] == answer_argument) return answer_bytes();
    mitogen::init(argc, argv);
    report out(argc, argv);
    ::rlimit files;
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    const std::size_t children = out.count("children", 1000, 4);
    rounds all;
    mitogen::broker loop;
    mitogen::router root(loop);
    for (std::size_t r = out.count("rounds", 3, 1); r; --r) {
        raw_children(all, children);
        our_children(all, root, children);
    }
    out.add(all, "all of it", "raw, all of it", "ms", ratio_at_most(0, 2));
    out.add(all, "build", "raw, build", "ms");
    out.add(all, "call each", "raw, call each", "ms");
    out.add(all, "end", "raw, end", "ms");
    out.add("private memory of the parent for each child", all.middle("memory"), "KiB",
            value_at_most(0, 1024));
    out.add("descriptors of the parent for each child", all.middle("descriptors"), "",
            value_at_most(0, 3));
    out.add("private memory of one child", all.middle("memory of one child"), "KiB");
    return out.finish();
}
