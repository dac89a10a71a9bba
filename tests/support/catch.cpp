// SPDX-License-Identifier: BSL-1.0
// Catch's own code, in a translation unit that no header of the library makes compile again.
#define CATCH_CONFIG_RUNNER
// its handlers would also report from forked children, which run on with our memory
#define CATCH_CONFIG_NO_POSIX_SIGNALS
#include <catch2/catch.hpp>

int run_tests(int argc, char** argv);
int run_tests(int argc, char** argv) { return Catch::Session().run(argc, argv); }
