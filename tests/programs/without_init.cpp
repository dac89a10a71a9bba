// SPDX-License-Identifier: BSL-1.0
// A main() that never calls mitogen::init: refused before anything is started; as a child of
// another program, the error says why.
// expect: logic_error: yes
// expect: logic_error: yes
// expect: payload_error: yes
#include <mitogen/mitogen.hpp>

#include <cstdio>
#include <cstring>
#include <string>

int main(int argc, char** argv) {
    // what a main() without init might make of it
    if (argc > 1 && std::strcmp(argv[1], "--mitogen-child") == 0) return 0;
    mitogen::broker loop;
    mitogen::router router(loop);
    const auto refused = [](auto make) {
        try {
            make();
        } catch (const mitogen::logic_error& e) {
            std::printf("logic_error: %s\n",
                        std::string(e.what()).find("mitogen::init") != std::string::npos ? "yes"
                                                                                         : "no");
        }
    };
    refused([&] { router.local(); });
    refused([&] { router.nsenter({.pid = 1}); });
    try {
        router.local({.executable = argv[0]});
    } catch (const mitogen::payload_error& e) {
        std::printf("payload_error: %s\n",
                    std::string(e.what()).find("mitogen::init") != std::string::npos ? "yes"
                                                                                     : "no");
    }
}
