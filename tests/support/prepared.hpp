// SPDX-License-Identifier: BSL-1.0
#pragma once
// prepared.hpp: where MITOGEN_TEST_PCH is on, included in front of every test: the library and Catch2, parsed once for all of
// them; and what most of them need under the native policy, and those of the simulation under theirs, instantiated once, in
// prepared.cpp and prepared_simulation.cpp.

#include <mitogen/mitogen.hpp>
#include <mitogen/simulation.hpp>

#include <catch2/catch.hpp>

#define MITOGEN_TEST_PREPARE(instantiate, policy)                                                                              \
    instantiate class mitogen::basic_stream<policy>;                                                                           \
    instantiate class mitogen::basic_link<policy>;                                                                             \
    instantiate class mitogen::basic_router_core<policy>;                                                                      \
    instantiate class mitogen::basic_context<policy>;                                                                          \
    instantiate class mitogen::basic_child<policy>;                                                                            \
    instantiate class mitogen::basic_dispatcher<policy>;                                                                       \
    instantiate void mitogen::detail::serve_as_child<policy>(policy, mitogen::detail::child_ends<policy>);

// Of these, all members are there under the native policy alone.
#define MITOGEN_TEST_PREPARE_NATIVE(instantiate)                                                                               \
    MITOGEN_TEST_PREPARE(instantiate, mitogen::io::native)                                                                     \
    instantiate class mitogen::basic_broker<mitogen::io::native>;                                                              \
    instantiate class mitogen::detail::children<mitogen::io::native>;                                                          \
    instantiate class mitogen::basic_router<mitogen::io::native>;                                                              \
    instantiate void mitogen::init<mitogen::io::native>(int, char**);

MITOGEN_TEST_PREPARE_NATIVE(extern template)
MITOGEN_TEST_PREPARE(extern template, mitogen::io::simulated)
