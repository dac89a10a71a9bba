// SPDX-License-Identifier: BSL-1.0
// A program that is started with SIGCHLD ignored, as some supervisors do, still learns how its
// children end.
// expect: ignored at the start: yes; after init: no
// expect: exit status 0
// expect: exit status 7: yes
#include <mitogen/mitogen.hpp>

#include <csignal>
#include <cstdio>
#include <string>
#include <unistd.h>

static bool ignored() {
    struct sigaction now {};
    ::sigaction(SIGCHLD, nullptr, &now);
    return now.sa_handler == SIG_IGN;
}

static void leave() { ::_exit(7); }

int main(int argc, char** argv) {
    if (argc == 1) {
        std::signal(SIGCHLD, SIG_IGN);
        char again[] = "again";
        char* arguments[] = {argv[0], again, nullptr};
        ::execv(argv[0], arguments);
        return 1;
    }
    const bool before = ignored();
    mitogen::init(argc, argv);
    std::printf("ignored at the start: %s; after init: %s\n", before ? "yes" : "no",
                ignored() ? "yes" : "no");
    mitogen::broker loop;
    mitogen::router router(loop);
    std::puts(router.local().shutdown().get().text().c_str());
    const auto left = router.local().try_call<&leave>();
    const std::string told = left ? "" : left.error().what();
    std::printf("exit status 7: %s\n",
                told.find("exit status 7") != std::string::npos ? "yes" : "no");
}
