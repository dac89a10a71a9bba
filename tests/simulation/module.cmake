# SPDX-License-Identifier: BSL-1.0
# Whole trees in simulated worlds: a bounded number of seeds as tests, more of them as the target `simulate_long`. The same seeds
# give the same runs with every compiler (simulation.compilers), so that one stage runs many and the others fewer.

math(EXPR MITOGEN_SIMULATION_FEW "(${MITOGEN_SIMULATION_SEEDS} + 9) / 10")
set(worlds ${MITOGEN_SIMULATION_SEEDS})
if(worlds GREATER 1000) # the test executable is compiled without an optimiser: a thousand take it as long as `simulate` takes for 30,000
    set(worlds 1000)
endif()

set(hostile ${MITOGEN_SIMULATION_FEW})
if(hostile LESS 100)
    set(hostile 100)
endif()

mitogen_add_long_runner(simulate simulation/simulate.cpp simulation/workload.cpp)
mitogen_add_long_runner(simulate_hostile simulation/hostile_world.cpp $<TARGET_OBJECTS:simulate>)
mitogen_add_long_runner(simulate_debugger simulation/debugger_world.cpp $<TARGET_OBJECTS:simulate>)

add_test(NAME simulation.seeds COMMAND simulate --seeds 1..${MITOGEN_SIMULATION_SEEDS})
foreach(profile IN ITEMS none io latency spawn kill freeze clock cut silence+latency)
    string(REPLACE "+" "_" name ${profile})
    add_test(NAME simulation.${name} COMMAND simulate --faults ${profile} --seeds 1..${MITOGEN_SIMULATION_FEW})
endforeach()
add_test(NAME simulation.hostile COMMAND simulate_hostile --hostile --seeds 1..${hostile})
add_test(NAME simulation.debugger COMMAND simulate_debugger --debugger --seeds 1..${MITOGEN_SIMULATION_SEEDS})
add_test(NAME simulation.wide COMMAND simulate --contexts 30 --seeds 1..${MITOGEN_SIMULATION_FEW})
add_test(NAME simulation.replay COMMAND simulate --replay 17 --times 10 --lines 0)
add_test(NAME simulation.usage COMMAND simulate --faults nonsense)
set_tests_properties(simulation.usage PROPERTIES PASS_REGULAR_EXPRESSION "no such fault profile: nonsense")

if(MITOGEN_CHECKS AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    mitogen_add_long_runner(large_tree simulation/large_tree.cpp)
    add_test(NAME simulation.large_tree COMMAND large_tree 100 100000)
    # Every compiler must see the same runs.
    add_test(NAME simulation.compilers COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/simulation/check_compilers $<TARGET_FILE:simulate>)
    set_tests_properties(simulation.compilers PROPERTIES SKIP_RETURN_CODE 77 COST 30)
endif()
get_property(simulation_tests DIRECTORY PROPERTY TESTS)
list(FILTER simulation_tests INCLUDE REGEX "^simulation[.]")
set_tests_properties(${simulation_tests} PROPERTIES TIMEOUT 900 LABELS simulation)
set_tests_properties(${module} PROPERTIES LABELS simulation TIMEOUT 900 COST 30 ENVIRONMENT MITOGEN_SIMULATION_SEEDS=${worlds})

# Bugs that were put in on purpose must be found: three minutes, nearly all of them for compiling.
add_custom_target(simulate_patches COMMAND ${CMAKE_CURRENT_SOURCE_DIR}/simulation/check_patches USES_TERMINAL)

add_custom_target(simulate_long COMMAND simulate --seeds 1..100000000 --seconds 3600
    COMMAND simulate --seeds 1..100000000 --seconds 1800 --contexts 40
    COMMAND simulate_hostile --hostile --seeds 1..100000
    COMMAND simulate_debugger --debugger --seeds 1..1000000
    COMMAND ${CMAKE_COMMAND} -E env MITOGEN_SIMULATION_SEEDS=10000 $<TARGET_FILE:simulation_test> USES_TERMINAL)
add_dependencies(simulate_long simulation_test)
add_custom_target(simulate_debugger_long COMMAND simulate_debugger --debugger --seeds 1..100000 USES_TERMINAL)
