// SPDX-License-Identifier: BSL-1.0
// routes_bench.cpp: what a root holds of a tree of 10,000 contexts: its memory for each child, and
// for each context further down. Another process plays all the children, by the bytes of
// docs/protocol.md: it asks for ids for those below them, and announces these.
//
//   ./routes_bench [--children=100] [--below=99] [--json[=file]] [--smoke]
//
// Memory is the root's own (Private_Dirty and Private_Clean of /proc/self/smaps_rollup), and what
// its allocator has handed out.

#include "../tests/hostile/trust/raw.hpp"
#include "support/holding.hpp"
#include "support/report.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include <malloc.h>
#include <sys/resource.h>
#include <sys/wait.h>

namespace {

using namespace bench;

/// What this process holds, in bytes.
struct memory {
    double own = private_kib(::getpid()) * 1024;
    double allocated = handed_out();

    static double handed_out() {
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
        const struct ::mallinfo2 all = ::mallinfo2();
        return static_cast<double>(all.uordblks) + static_cast<double>(all.hblkhd);
#else
        return 0;
#endif
    }
};

/// The children's process: each says hello; once `go` can be read, each asks for ids, and
/// announces as many contexts as there are to be below it. Ends when `go` is closed.
void play(const std::vector<int>& links, int go, std::size_t below) {
    constexpr handle_id here = 5'000'000'000;
    std::vector<raw> children;
    for (const int fd : links) children.push_back({.fd = fd});
    for (raw& c : children) c.hello();
    char byte;
    if (::read(go, &byte, 1) != 1) return;
    for (raw& c : children) {
        context_id next = 0, end = 0;
        for (std::size_t i = 0; i < below; ++i, ++next) {
            if (next == end) {
                c.put(c.to(0, H::allocate_id, here));
                c.flush();
                raw::frame answer;
                do {
                    if (!c.receive(answer)) return;
                } while (answer.head.handle != here);
                next = mitogen::decode<context_id>(answer.payload).value();
                end = next + 1000;
            }
            c.add_route(next, c.id, "host" + std::to_string(next));
        }
        c.flush();
    }
    (void)!::read(go, &byte, 1);
}

int run(int argc, char** argv) {
    report out(argc, argv);
    const std::size_t count = out.count("children", 100, 4);
    const std::size_t below = out.count("below", 99, 3);
    ::rlimit files;
    ::getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &files);
    std::vector<int> here, there;
    for (std::size_t i = 0; i < count; ++i) {
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) die("socketpair");
        here.push_back(ends[0]);
        there.push_back(ends[1]);
    }
    int go[2];
    if (::pipe(go) != 0) die("pipe");
    const ::pid_t player = ::fork();
    if (player < 0) die("fork");
    if (player == 0) {
        for (const int fd : here) ::close(fd);
        ::close(go[1]);
        play(there, go[0], below);
        ::_exit(0);
    }
    for (const int fd : there) ::close(fd);
    {
        mitogen::broker loop;
        mitogen::router root(loop);
        const memory before;
        for (const int fd : here) root.attach(fd, fd, {.name = "child"});
        const memory with_children;
        if (::write(go[1], "g", 1) != 1) die("write");
        const std::size_t all = count * (below + 1);
        for (std::size_t seen = 0; seen != all; seen = root.contexts().size()) ::usleep(20'000);
        const memory with_all;
        const auto row = [&](const std::string& what, double memory::*kind) {
            const double whole = with_all.*kind - before.*kind;
            out.add(what + ", all", whole / (1 << 20), "MiB");
            out.add(what + ", for each context", whole / static_cast<double>(all), "bytes");
            out.add(what + ", for each child",
                    (with_children.*kind - before.*kind) / static_cast<double>(count), "bytes");
            out.add(what + ", for each context further down",
                    (with_all.*kind - with_children.*kind) / static_cast<double>(all - count),
                    "bytes");
        };
        out.add("contexts below the root", static_cast<double>(all), "");
        row("private memory of the root", &memory::own);
        row("handed out by its allocator", &memory::allocated);
        ::close(go[1]);
    }
    ::waitpid(player, nullptr, 0);
    return out.finish();
}

} // namespace

int main(int argc, char** argv) {
    mitogen::init(argc, argv);
    return run(argc, argv);
}
