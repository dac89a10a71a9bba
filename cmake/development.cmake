# SPDX-License-Identifier: BSL-1.0
# What the project's own targets share: warnings, the flavour of the library, optional packages, checked runs.

# Warnings, and the library in the flavour that is asked for.
add_library(mitogen_development INTERFACE)
target_compile_options(mitogen_development INTERFACE -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${MITOGEN_WERROR}>:-Werror>)
if(MITOGEN_SINGLE_HEADER)
    target_include_directories(mitogen_development INTERFACE ${PROJECT_SOURCE_DIR}/single_include)
    target_compile_features(mitogen_development INTERFACE cxx_std_20)
    target_link_libraries(mitogen_development INTERFACE Threads::Threads)
else()
    target_link_libraries(mitogen_development INTERFACE mitogen::mitogen)
endif()

set(CMAKE_CXX_EXTENSIONS OFF)

set(MITOGEN_TEST_TIMEOUT 600 CACHE STRING "Seconds after which a test executable is taken to hang")

find_package(Python3 COMPONENTS Interpreter)

# mitogen_add_program(SOURCE TARGET PREFIX): one source file, one executable that uses the library as anybody would; it is run by
# CTest, and what it prints is compared with the `// expect:` lines of its source. `// flags:` lines add compiler arguments.
function(mitogen_add_program source target prefix)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${target} ${source})
    target_link_libraries(${target} PRIVATE mitogen_development)
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
    file(STRINGS ${source} flags REGEX "^// flags: ")
    list(TRANSFORM flags REPLACE "^// flags: " "")
    foreach(line IN LISTS flags)
        separate_arguments(line UNIX_COMMAND "${line}")
        target_compile_options(${target} PRIVATE ${line})
    endforeach()
    if(MITOGEN_PREPARED_PROGRAMS AND NOT flags AND NOT prefix STREQUAL "foreign")
        mitogen_use_prepared(${target})
    endif()
    if(Python3_FOUND)
        add_test(NAME ${prefix}.${name}
            COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_output ${source} $<TARGET_FILE:${target}>)
    else()
        add_test(NAME ${prefix}.${name} COMMAND ${target})
    endif()
    set_tests_properties(${prefix}.${name} PROPERTIES TIMEOUT 120)
endfunction()
