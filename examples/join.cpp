// SPDX-License-Identifier: BSL-1.0
// A service that can be asked from outside while it runs: another process joins its tree through a
// socket, and calls.
//
//   ./join                  the service; starts a tool that asks it
//   ./join ask SOCKET       the tool alone; only this user can get at the socket
//
// expect: tool: 42 jobs done, by 1 worker
// expect: tool: the worker says 2 + 3 = 5
// expect: tool: not the service's process: yes
// expect: service: 1 context below, now that the tool has left
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>

static int jobs = 0;
static mitogen::context worker; // the service's

// What the service lets others call is what this program calls anywhere: the tool is the same
// program.
static std::pair<int, int> status() { return {jobs, worker.valid() ? 1 : 0}; }
static mitogen::context a_worker() { return worker; }
static int add(int a, int b) { return a + b; }
static int process_id() { return ::getpid(); }

static int ask(const char* socket) {
    mitogen::joined me = mitogen::join(socket, {.name = "tool"});
    const auto [done, workers] = me.parent().call<&status>();
    std::printf("tool: %d jobs done, by %d worker\n", done, workers);
    mitogen::context theirs = me.parent().call<&a_worker>(); // a context is a value
    std::printf("tool: the worker says 2 + 3 = %d\n", theirs.call<&add>(2, 3));
    std::printf("tool: not the service's process: %s\n",
                me.parent().call<&process_id>() != ::getpid() ? "yes" : "no");
    return 0;
}

int main(int argc, char** argv) {
    if (argc == 3 && std::string_view(argv[1]) == "ask") return ask(argv[2]);
    return mitogen::run(argc, argv, [&](mitogen::router& router) {
        char folder[] = "/tmp/mitogen-join-XXXXXX";
        if (!::mkdtemp(folder)) return 1;
        const std::string socket = std::string(folder) + "/socket";
        worker = router.local();
        jobs = 42;
        mitogen::listener door = router.listen(socket, {.authority = mitogen::authority::parent});
        const int failed = std::system((std::string(argv[0]) + " ask " + socket).c_str());
        door.close();
        ::rmdir(folder);
        for (const mitogen::context& c : router.contexts())
            // its process has ended, and the end of its link is on its way
            if (c.name() == "tool") (void)c.shutdown().try_get();
        std::printf("service: %zu context below, now that the tool has left\n",
                    router.contexts().size());
        return failed ? 1 : 0;
    });
}
