// SPDX-License-Identifier: BSL-1.0
#pragma once
// policy_test.hpp: a test case that runs as it is under a native policy, and inside several worlds
// under the simulated one, which is what MITOGEN_TEST_SIMULATED says.
//
//     MITOGEN_POLICY_TEST(": what is promised") { io_type io; … }
#include <catch2/catch.hpp>

#if defined(MITOGEN_TEST_SIMULATED)

#include <mitogen/simulation/world.hpp>

namespace generic {

/// Runs `body` as the first process of a world, for several seeds.
inline void in_worlds(void (*body)()) {
    const std::uint64_t seed = GENERATE(1u, 2u, 3u, 4u, 5u);
    mitogen::simulation::world w({.seed = seed, .faults = {.interrupt = seed % 2 ? 0.1 : 0.4}});
    const mitogen::simulation::outcome o = w.run([body](mitogen::io::simulated) { body(); });
    INFO("seed " << seed << ": " << o.trouble);
    CHECK(o.completed);
}

} // namespace generic

#define MITOGEN_POLICY_TEST_AS(function, name)                                                     \
    static void function();                                                                        \
    TEST_CASE(MITOGEN_TEST_NAME name) { generic::in_worlds(&function); }                           \
    static void function()
#define MITOGEN_POLICY_TEST_AT(line, name) MITOGEN_POLICY_TEST_AS(policy_test_body_##line, name)
#define MITOGEN_POLICY_TEST_IN(line, name) MITOGEN_POLICY_TEST_AT(line, name)
#define MITOGEN_POLICY_TEST(name) MITOGEN_POLICY_TEST_IN(__LINE__, name)

#else

#define MITOGEN_POLICY_TEST(name) TEST_CASE(MITOGEN_TEST_NAME name)

#endif
