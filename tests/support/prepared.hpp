// SPDX-License-Identifier: BSL-1.0
#pragma once
// prepared.hpp: where MITOGEN_TEST_PCH is on, included in front of every test: the library and
// Catch2, parsed once for all of them; and what most of them need under the native policy, and
// those of the simulation under theirs, instantiated once, in prepared.cpp and
// prepared_simulation.cpp.
//
// With g++ the simulation is in a precompiled header of its own (MITOGEN_PREPARE_SIMULATION): it
// instantiates again in each file whatever the inline functions of a precompiled header use.

#include <mitogen/mitogen.hpp>
#if defined(__clang__) && !defined(MITOGEN_PREPARE_SIMULATION)
#define MITOGEN_PREPARE_SIMULATION
#endif
#ifdef MITOGEN_PREPARE_SIMULATION
#include <mitogen/simulation.hpp>
#endif

#define CATCH_CONFIG_EXTERNAL_INTERFACES // for main.cpp
#include <catch2/catch.hpp>

#define MITOGEN_TEST_PREPARE(instantiate, policy)                                                  \
    instantiate class mitogen::detail::basic_transport<policy>;                                    \
    instantiate class mitogen::detail::basic_peer<policy>;                                         \
    instantiate class mitogen::detail::basic_router_core<policy>;                                  \
    instantiate class mitogen::detail::basic_child<policy>;                                        \
    instantiate class mitogen::detail::basic_dispatcher<policy>;                                   \
    instantiate int mitogen::detail::serve_as_child<policy>(                                       \
        policy, mitogen::detail::child_ends<policy>, typename policy::descriptor);

// Of these, all members are there under the native policy alone.
#define MITOGEN_TEST_PREPARE_NATIVE(instantiate)                                                   \
    MITOGEN_TEST_PREPARE(instantiate, mitogen::io::native)                                         \
    instantiate class mitogen::basic_broker<mitogen::io::native>;                                  \
    instantiate class mitogen::detail::children<mitogen::io::native>;                              \
    instantiate class mitogen::detail::router_engine<mitogen::io::native>;                         \
    instantiate void mitogen::init<mitogen::io::native>(int, char**);

MITOGEN_TEST_PREPARE_NATIVE(extern template)
#ifdef MITOGEN_PREPARE_SIMULATION
MITOGEN_TEST_PREPARE(extern template, mitogen::io::simulated)
#endif

// Nothing keeps a compiler from instantiating inline members again in every test, only to drop
// them. What a precompiled header has used is instantiated there already, with clang; g++ would do
// it later, and in every test.
#ifdef __clang__
namespace support {

inline int prepared_function(int n) { return n; }

template <class Method>
void use_router(mitogen::router& root, const Method& method) {
    const mitogen::context child = root.connect(method);
    (void)root.connect_async(method);
    (void)child.call<&prepared_function>(1);
    (void)child.try_call<&prepared_function>(1);
    (void)child.call_async<&prepared_function>(1).get();
    child.call_no_reply<&prepared_function>(1);
    child.ping().get();
    (void)child.shutdown().get();
    root.close();
}

inline void use_most_of_it() { // called by nobody
    mitogen::broker loop;
    mitogen::router root(loop);
    use_router(root, mitogen::local{});
    use_router(root, mitogen::ssh{});
    (void)root.local();
    (void)root.fork();
    mitogen::nursery nursery(root);
    nursery.start<&prepared_function>(nursery.local(), 1);
    nursery.join();
    mitogen::detail::serve_as_child<mitogen::io::native>({}, {});

    mitogen::simulation::broker simulated_loop{mitogen::io::simulated{}};
    mitogen::basic_router<mitogen::io::simulated> simulated_root(simulated_loop);
    use_router(simulated_root, mitogen::simulation::host{});
}

} // namespace support
#endif
