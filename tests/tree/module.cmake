# SPDX-License-Identifier: BSL-1.0
# Trees of real processes: a bounded number of them as tests, more of them as the target `tree_long`.

if(CMAKE_SYSTEM_NAME STREQUAL "Linux")
    add_executable(kill_test tree/kill.cpp tree/killed_tree.cpp support/leak_check.cpp)
    target_link_libraries(kill_test PRIVATE mitogen_testing)
    mitogen_use_prepared(kill_test)
    add_test(NAME tree.kill COMMAND kill_test --trees 25 --seed 1)
    set_tests_properties(tree.kill PROPERTIES TIMEOUT 600 COST 40)

    add_custom_target(tree_long COMMAND kill_test --trees 100 --seed 1000 USES_TERMINAL)
endif()
