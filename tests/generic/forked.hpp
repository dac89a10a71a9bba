// SPDX-License-Identifier: BSL-1.0
#pragma once
// forked.hpp: runs a piece of a test in a forked child, where descriptors 0 to 2 can be rearranged
// without harm.

#include <exception>

#include <sys/wait.h>
#include <unistd.h>

namespace generic {

/// What `body()` returned in a forked child, 0 to 99; 100 where it threw, 200 plus the signal if it
/// was killed.
template <class Body>
int forked(Body body) {
    const ::pid_t pid = ::fork();
    if (pid == 0) {
        int code = 100;
        try {
            code = body();
        } catch (const std::exception&) {}
        ::_exit(code);
    }
    int status = 0;
    while (::waitpid(pid, &status, 0) < 0) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 200 + WTERMSIG(status);
}

} // namespace generic
