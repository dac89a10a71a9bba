// SPDX-License-Identifier: BSL-1.0
#pragma once
// companion.hpp: programs that run beside a test.

#include "support/internals.hpp"

#include <catch2/catch.hpp>
#include <cerrno>
#include <csignal>
#include <fstream>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

namespace support {

/// A program that runs beside the test, from when it has printed `word` until this object goes.
class companion {
    mitogen::os::kill_on_destroy_process process_;

public:
    companion(std::vector<std::string> argv, const std::string& word) {
        mitogen::os::unique_fd in;
        mitogen::os::unique_fd out;
        REQUIRE(mitogen::os::pipe(in, out) >= 0);
        mitogen::os::spawn_options options;
        options.path = argv[0];
        options.argv = std::move(argv);
        options.out = out.get();
        options.err = 2;
        process_ = mitogen::os::spawn(options).value();
        out.reset();
        std::string said;
        for (char c = 0; said.find(word) == std::string::npos && ::read(in.get(), &c, 1) == 1;)
            said += c;
        if (said.find(word) != std::string::npos) return;
        process_.signal(SIGKILL);
        process_.wait();
        FAIL("it does not start: " << said);
    }
    companion(const companion&) = delete;
    companion& operator=(const companion&) = delete;
    ~companion() {
        process_.signal(SIGKILL);
        process_.wait();
    }
    int pid() const { return static_cast<int>(process_.pid()); }

    /// The process that it has started, if that is one.
    int child() const {
        int found = 0;
        const std::string own = std::to_string(pid());
        std::ifstream("/proc/" + own + "/task/" + own + "/children") >> found;
        REQUIRE(found > 0);
        return found;
    }
};

} // namespace support
