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

# The same with the library compiled once, for programs that only call it.
add_library(mitogen_development_core STATIC EXCLUDE_FROM_ALL ${PROJECT_SOURCE_DIR}/src/mitogen.cpp)
target_link_libraries(mitogen_development_core PUBLIC mitogen_development)
target_compile_definitions(mitogen_development_core INTERFACE MITOGEN_SEPARATE)
target_compile_options(mitogen_development_core PRIVATE -ffunction-sections -fdata-sections)
target_link_options(mitogen_development_core INTERFACE ${mitogen_link_options})
option(MITOGEN_EXAMPLES_OVER_CORE "Compile the library once for all examples, and not in each of them" OFF)

set(MITOGEN_TEST_TIMEOUT 600 CACHE STRING "Seconds after which a test executable is taken to hang")

find_package(Python3 COMPONENTS Interpreter)

# mitogen_add_program(SOURCE TARGET PREFIX): one source file, one executable that uses the library as anybody would; it is run by
# CTest, and what it prints is compared with the `// expect:` lines of its source. `// flags:` lines add compiler arguments.
function(mitogen_add_program source target prefix)
    get_filename_component(name ${source} NAME_WE)
    add_executable(${target} ${source})
    file(STRINGS ${source} flags REGEX "^// flags: ")
    file(STRINGS ${source} whole REGEX "^#include <mitogen/simulation.hpp>") # which has no core
    set(library mitogen_development)
    if(MITOGEN_EXAMPLES_OVER_CORE AND prefix STREQUAL "example" AND NOT whole)
        set(library mitogen_development_core)
    elseif(MITOGEN_TEST_OVER_CORE AND prefix STREQUAL "program" AND NOT flags) # with flags: as the headers alone
        set(library mitogen_test_core)
    endif()
    target_link_libraries(${target} PRIVATE ${library})
    set_target_properties(${target} PROPERTIES OUTPUT_NAME ${name})
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

# mitogen_clean_tests(): the tests of this directory find the same variables, whatever CTest has inherited; those that each test has
# set itself stay. Call it last. (Test executables and tools/check_output see to the rest: tests/support/clean_environment.hpp.)
set(MITOGEN_CLEAN_PATH /usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin)
foreach(program ${CMAKE_COMMAND} ${CMAKE_MAKE_PROGRAM})
    get_filename_component(folder ${program} DIRECTORY)
    if(NOT ":${MITOGEN_CLEAN_PATH}:" MATCHES ":${folder}:")
        string(APPEND MITOGEN_CLEAN_PATH :${folder})
    endif()
endforeach()
function(mitogen_clean_tests)
    file(MAKE_DIRECTORY ${PROJECT_BINARY_DIR}/home)
    set(clean PATH=set:${MITOGEN_CLEAN_PATH} HOME=set:${PROJECT_BINARY_DIR}/home LANG=set:C.UTF-8 TERM=set:dumb SHELL=set:/bin/sh)
    foreach(name IN ITEMS LC_ALL LANGUAGE TMPDIR ENV BASH_ENV CDPATH POSIXLY_CORRECT GREP_OPTIONS COLUMNS PYTHONHOME PYTHONPATH
            XDG_CACHE_HOME XDG_RUNTIME_DIR SSH_AUTH_SOCK SSH_ASKPASS SUDO_ASKPASS DISPLAY CPATH CPLUS_INCLUDE_PATH LIBRARY_PATH
            CFLAGS CXXFLAGS LDFLAGS DESTDIR CMAKE_GENERATOR CMAKE_BUILD_TYPE CMAKE_PREFIX_PATH)
        list(APPEND clean ${name}=unset:)
    endforeach()
    get_property(tests DIRECTORY PROPERTY TESTS)
    foreach(test IN LISTS tests)
        set_property(TEST ${test} APPEND PROPERTY ENVIRONMENT_MODIFICATION ${clean})
    endforeach()
endfunction()
