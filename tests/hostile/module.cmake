# SPDX-License-Identifier: BSL-1.0
# Attacks by a child that says what it likes, each of which has once succeeded: what must not happen makes the program end with
# "UNSAFE". One executable, and a test for each. Here a flood is a fifth as long as where the program is tried by itself.
add_executable(hostile hostile/hostile.cpp)
target_link_libraries(hostile PRIVATE mitogen_testing)
mitogen_use_prepared(hostile)

file(GLOB attacks CONFIGURE_DEPENDS hostile/trust/*.cpp)
foreach(attack IN LISTS attacks ITEMS fuzz.cpp)
    get_filename_component(name ${attack} NAME_WE)
    add_test(NAME hostile.${name} COMMAND hostile ${name})
    # what AddressSanitizer keeps of freed memory would count as the program's
    set_tests_properties(hostile.${name} PROPERTIES TIMEOUT 120
        ENVIRONMENT "HOSTILE_PART=5;HOSTILE_SECONDS=3;ASAN_OPTIONS=quarantine_size_mb=16")
endforeach()

# Frames of arbitrary ids, handles and payloads, for a minute.
add_custom_target(hostile_long COMMAND ${CMAKE_COMMAND} -E env HOSTILE_SECONDS=60 ASAN_OPTIONS=quarantine_size_mb=16
    $<TARGET_FILE:hostile> fuzz USES_TERMINAL)
add_dependencies(hostile_long hostile)
