// SPDX-License-Identifier: BSL-1.0
// What the body of run() throws leaves run() after the children have ended; what it returns is the
// exit status.
// expect: thrown: by the body; child is gone: yes
// expect: returned: 0 3
#include <mitogen/mitogen.hpp>

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <stdexcept>
#include <unistd.h>

static int process_id() { return ::getpid(); }

int main(int argc, char** argv) {
    int pid = 0;
    try {
        mitogen::run(argc, argv, [&](mitogen::router& router) {
            pid = router.local().call<&process_id>();
            throw std::runtime_error("by the body");
        });
    } catch (const std::runtime_error& e) {
        const bool gone = ::kill(pid, 0) < 0 && errno == ESRCH;
        std::printf("thrown: %s; child is gone: %s\n", e.what(), gone ? "yes" : "no");
    }
    const int nothing = mitogen::run(argc, argv, [](mitogen::router&) {});
    const int three = mitogen::run(argc, argv, [](mitogen::router&) { return 3; });
    std::printf("returned: %d %d\n", nothing, three);
}
