// SPDX-License-Identifier: BSL-1.0
// mitogen-debug: a second terminal of a tree that is debugged.
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <cstring>
#include <string>

namespace {

constexpr const char* usage =
    "usage: mitogen-debug [SOCKET]\n"
    "\n"
    "Lists what has stopped in a tree that is debugged, and attends to it: `help` says how.\n"
    "SOCKET is where its root listens: what MITOGEN_DEBUG_SOCKET is there. Without it: the only\n"
    "tree of yours on this host that is debugged (MITOGEN_DEBUG=1).\n";

} // namespace

int main(int argc, char** argv) {
    const char* const first = argc > 1 ? argv[1] : "";
    if (std::strcmp(first, "-h") == 0 || std::strcmp(first, "--help") == 0) {
        std::fputs(usage, stdout);
        return 0;
    }
    if (argc > 2 || *first == '-') {
        std::fputs(usage, stderr);
        return 2;
    }
    const mitogen::result<void> done = mitogen::try_debug_client(std::string(first));
    if (done) return 0;
    std::fprintf(stderr, "mitogen-debug: %s\n", done.error().what());
    return 1;
}
