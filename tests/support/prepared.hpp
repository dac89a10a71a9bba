// SPDX-License-Identifier: BSL-1.0
#pragma once
// prepared.hpp: where MITOGEN_TEST_PCH is on, included in front of every test: the library and Catch2, parsed once for all of
// them; and what most of them need under the native policy, instantiated once, in prepared.cpp.

#include <mitogen/mitogen.hpp>

#include <catch2/catch.hpp>

#define MITOGEN_TEST_PREPARE(instantiate)                                                                                      \
    instantiate class mitogen::basic_broker<mitogen::io::native>;                                                              \
    instantiate class mitogen::basic_stream<mitogen::io::native>;                                                              \
    instantiate class mitogen::basic_link<mitogen::io::native>;                                                                \
    instantiate class mitogen::basic_router_core<mitogen::io::native>;                                                         \
    instantiate class mitogen::basic_router<mitogen::io::native>;                                                              \
    instantiate class mitogen::basic_context<mitogen::io::native>;                                                             \
    instantiate class mitogen::basic_child<mitogen::io::native>;                                                               \
    instantiate class mitogen::basic_dispatcher<mitogen::io::native>;                                                          \
    instantiate class mitogen::detail::children<mitogen::io::native>;                                                          \
    instantiate void mitogen::init<mitogen::io::native>(int, char**);                                                          \
    instantiate void mitogen::detail::serve_as_child<mitogen::io::native>(mitogen::io::native,                                 \
                                                                          mitogen::detail::child_ends<mitogen::io::native>);

MITOGEN_TEST_PREPARE(extern template)
