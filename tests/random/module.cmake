# SPDX-License-Identifier: BSL-1.0
# Random structured programs: a bounded number of seeds as tests, more of them as the target `random_long`.

math(EXPR simulated "(${MITOGEN_SIMULATION_SEEDS} + 4) / 5")
set(real 30)
if(MITOGEN_SIMULATION_SEEDS LESS 1000) # compiled without an optimiser, or with a sanitizer
    set(real 10)
endif()

mitogen_add_long_runner(random_programs random/random_programs.cpp support/leak_check.cpp)
add_test(NAME random.simulated COMMAND random_programs --seeds 1..${simulated})
set_tests_properties(random.simulated PROPERTIES LABELS simulation TIMEOUT 900 COST 30)
if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    add_test(NAME random.real COMMAND random_programs --real --seeds 1..${real})
    set_tests_properties(random.real PROPERTIES TIMEOUT 900 COST 30)
endif()

add_custom_target(random_long COMMAND random_programs --seeds 1..100000
    COMMAND random_programs --real --seeds 1..2000 USES_TERMINAL)
