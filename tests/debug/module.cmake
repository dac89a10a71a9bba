# SPDX-License-Identifier: BSL-1.0
# A person at a terminal: terminal_test.py types what one would at the prompts of the program stops.

if(CMAKE_SYSTEM_NAME STREQUAL "Linux" AND Python3_FOUND AND NOT MITOGEN_SINGLE_HEADER)
    add_executable(debug_stops debug/stops.cpp)
    if(MITOGEN_TEST_OVER_CORE)
        target_link_libraries(debug_stops PRIVATE mitogen_test_core)
    else()
        target_link_libraries(debug_stops PRIVATE mitogen_testing)
    endif()
    target_compile_options(debug_stops PRIVATE -g1) # `where` shows lines; so no precompiled header fits
    add_dependencies(debug_tests debug_stops)

    set(ways root local.local)
    if(MITOGEN_TEST_STAGED)
        list(APPEND ways local ssh.sudo.local)
    endif()
    foreach(way IN LISTS ways)
        set(beside "")
        if(way MATCHES "ssh")
            set(beside ${PROJECT_SOURCE_DIR}/tools/with_sshd)
        endif()
        add_test(NAME debug.at_a_terminal.${way} COMMAND ${beside} ${Python3_EXECUTABLE}
            ${CMAKE_CURRENT_SOURCE_DIR}/debug/terminal_test.py $<TARGET_FILE:debug_stops> ${way})
        set_tests_properties(debug.at_a_terminal.${way} PROPERTIES TIMEOUT 600 COST 100 SKIP_RETURN_CODE 77)
    endforeach()
endif()
