# SPDX-License-Identifier: BSL-1.0
# Checks that need no running test program: the sources, each header by itself, diagnostics, the single header, the package.
# Included from tests/CMakeLists.txt. Each has the label `check`, and needs nothing but what it builds itself.
get_property(others DIRECTORY PROPERTY TESTS)

# ---- scripts that read the tree --------------------------------------------------------------------------------------------------

if(Python3_FOUND)
    foreach(check check_tree check_levels check_policy_bypass check_cmake)
        add_test(NAME sources.${check} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/${check})
    endforeach()
    add_test(NAME sources.amalgamate COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/amalgamate --check)
    set_tests_properties(sources.amalgamate PROPERTIES ENVIRONMENT "CXX=${CMAKE_CXX_COMPILER}")
    add_test(NAME sources.tools COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/tools/tools_test.py)
    set_tests_properties(sources.tools PROPERTIES ENVIRONMENT "CXX=${CMAKE_CXX_COMPILER}")

    add_test(NAME sources.snippets COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_snippets)
    set_tests_properties(sources.snippets PROPERTIES ENVIRONMENT "CXX=${CMAKE_CXX_COMPILER}" TIMEOUT 600 PROCESSORS 2)

    add_test(NAME sources.reference COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/reference --check)
    set_tests_properties(sources.reference PROPERTIES SKIP_RETURN_CODE 77)

    # The umbrella is parsed once for all that include it. Both compilers look for <name>.gch where <name> is to be included. Where
    # the tests link the core, the umbrella is what a program with that core sees: a quarter, and it has all the diagnostics.
    set(umbrella ${CMAKE_CURRENT_BINARY_DIR}/compile_fail/umbrella.hpp)
    set(front "")
    if(MITOGEN_TEST_OVER_CORE)
        set(front -DMITOGEN_SEPARATE)
    endif()
    file(CONFIGURE OUTPUT ${umbrella} CONTENT "#include <mitogen/mitogen.hpp>\n")
    add_test(NAME compile_fail.umbrella COMMAND ${CMAKE_CXX_COMPILER} -std=c++20 ${front} -I ${PROJECT_SOURCE_DIR}/include
        -x c++-header ${umbrella} -o ${umbrella}.gch)
    set_tests_properties(compile_fail.umbrella PROPERTIES TIMEOUT 300 FIXTURES_SETUP umbrella)
    file(GLOB sources CONFIGURE_DEPENDS compile_fail/*.cpp)
    foreach(source IN LISTS sources)
        get_filename_component(name ${source} NAME_WE)
        file(STRINGS ${source} whole REGEX "^#include <mitogen/mitogen.hpp>")
        file(STRINGS ${source} flags REGEX "^// flags: ")
        set(arguments "")
        if(whole AND NOT flags)
            set(arguments ${front} -include ${umbrella})
        endif()
        add_test(NAME compile_fail.${name} COMMAND Python3::Interpreter ${PROJECT_SOURCE_DIR}/tools/check_compile_fail
            --cxx ${CMAKE_CXX_COMPILER} ${source} ${arguments})
        set_tests_properties(compile_fail.${name} PROPERTIES TIMEOUT 300)
        if(arguments)
            set_tests_properties(compile_fail.${name} PROPERTIES FIXTURES_REQUIRED umbrella)
        endif()
    endforeach()
else()
    message(STATUS "tests: no python3, the scripts that check the sources are left out")
endif()

# ---- each header by itself -------------------------------------------------------------------------------------------------------

# Included twice, in a translation unit of its own. Built by a test and not by `all`, so that one bad header does not hide the other
# results. With one compiler is enough if two use the same standard library.
option(MITOGEN_SELF_CONTAINED "Compile each header by itself" ON)
if(MITOGEN_SELF_CONTAINED)
    set(units "")
    foreach(header IN LISTS mitogen_headers)
        file(RELATIVE_PATH header ${PROJECT_SOURCE_DIR}/include ${header})
        string(REGEX REPLACE "[/.]" "_" unit ${header})
        set(unit ${CMAKE_CURRENT_BINARY_DIR}/self_contained/${unit}.cpp)
        file(CONFIGURE OUTPUT ${unit} CONTENT "#include <${header}>\n#include <${header}>\n" @ONLY)
        list(APPEND units ${unit})
    endforeach()
    add_library(mitogen_self_contained OBJECT EXCLUDE_FROM_ALL ${units})
    target_link_libraries(mitogen_self_contained PRIVATE mitogen_development)
    target_compile_options(mitogen_self_contained PRIVATE -O0 -g0)
    add_test(NAME headers.self_contained
        COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target mitogen_self_contained)
    set_tests_properties(headers.self_contained PROPERTIES TIMEOUT 900 PROCESSORS 2 COST 500)
endif()

# ---- the umbrella in other dialects ----------------------------------------------------------------------------------------------

set(compile ${CMAKE_CXX_COMPILER} -std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror)
set(umbrella -I ${PROJECT_SOURCE_DIR}/include ${CMAKE_CURRENT_SOURCE_DIR}/odr.cpp)
add_test(NAME headers.no_exceptions COMMAND ${compile} -fno-exceptions -fno-rtti ${umbrella})
add_test(NAME headers.no_boost COMMAND ${compile} -DMITOGEN_NO_PFR -DMITOGEN_NO_DESCRIBE ${umbrella})
add_test(NAME headers.no_assertions COMMAND ${compile} -O2 -DNDEBUG ${umbrella})

# ---- what a user's warnings say about the library --------------------------------------------------------------------------------

# -Wuseless-cast, -Wlogical-op and -Wnon-virtual-dtor are not here: casts that one platform does not need another does, and so with
# EAGAIN and EWOULDBLOCK; objects that nobody deletes by their base need no virtual destructor.
set(warnings -std=c++20 -Werror -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wold-style-cast -Woverloaded-virtual
    -Wcast-qual -Wformat=2 -Wundef -Wextra-semi -Wredundant-decls -I ${PROJECT_SOURCE_DIR}/include
    ${CMAKE_CURRENT_SOURCE_DIR}/warnings.cpp)
foreach(dialect "" "-fno-exceptions;-fno-rtti")
    set(name plain)
    if(dialect)
        set(name no_exceptions)
    endif()
    add_test(NAME warnings.${name} COMMAND ${CMAKE_CXX_COMPILER} -fsyntax-only ${dialect} ${warnings})
    # The optimiser has warnings of its own, which come with the code.
    add_test(NAME warnings.${name}.optimized COMMAND ${CMAKE_CXX_COMPILER} -O2 -c -o /dev/null ${dialect} ${warnings})
    set_tests_properties(warnings.${name} warnings.${name}.optimized PROPERTIES TIMEOUT 300)
endforeach()

# The newest clang that is here beside the one that builds the tests: it says first what others will say.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU") # one stage is enough
    set(names "")
    foreach(version RANGE 40 15 -1)
        list(APPEND names clang++-${version})
    endforeach()
    find_program(MITOGEN_NEWEST_CLANG NAMES ${names})
    mark_as_advanced(MITOGEN_NEWEST_CLANG)
    if(MITOGEN_NEWEST_CLANG)
        add_test(NAME warnings.newest_clang COMMAND ${MITOGEN_NEWEST_CLANG} -fsyntax-only ${warnings})
        add_test(NAME warnings.newest_clang.no_exceptions
            COMMAND ${MITOGEN_NEWEST_CLANG} -fsyntax-only -fno-exceptions -fno-rtti ${warnings})
    else()
        message(STATUS "tests: no newer clang here, its warnings are not looked at (Debian: clang-22)")
    endif()
endif()

# ---- the single header in two translation units ----------------------------------------------------------------------------------

if(EXISTS ${PROJECT_SOURCE_DIR}/single_include/mitogen/mitogen.hpp)
    add_executable(single_header_test EXCLUDE_FROM_ALL single_header/one.cpp single_header/two.cpp)
    target_include_directories(single_header_test PRIVATE ${PROJECT_SOURCE_DIR}/single_include)
    target_compile_features(single_header_test PRIVATE cxx_std_20)
    target_compile_options(single_header_test PRIVATE -Wall -Wextra -Wpedantic -Wconversion -Wshadow $<$<BOOL:${MITOGEN_WERROR}>:-Werror>)
    target_link_libraries(single_header_test PRIVATE Threads::Threads)
    add_test(NAME single_header.builds COMMAND ${CMAKE_COMMAND} --build ${PROJECT_BINARY_DIR} --target single_header_test)
    add_test(NAME single_header COMMAND single_header_test)
    set_tests_properties(single_header.builds PROPERTIES FIXTURES_SETUP single_header TIMEOUT 300)
    set_tests_properties(single_header PROPERTIES FIXTURES_REQUIRED single_header)
else()
    message(STATUS "tests: no single header yet, its test is left out (tools/amalgamate writes it)")
endif()

# ---- the modes: headers only, the core in a file of its own, files that only call it ----------------------------------------------

option(MITOGEN_ALL_MODES "Compile each front first in a file, in each mode, and with other options: minutes" ON)
if(Python3_FOUND AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU") # one stage is enough
    set(modes ${CMAKE_CURRENT_BINARY_DIR}/modes)
    set(parts core small method visibility simulation)
    if(MITOGEN_ALL_MODES)
        list(APPEND parts headers separate source options single)
    endif()
    foreach(part IN LISTS parts)
        if(part STREQUAL "single" AND NOT EXISTS ${PROJECT_SOURCE_DIR}/single_include/mitogen/mitogen.hpp)
            continue()
        endif()
        add_test(NAME modes.${part} COMMAND Python3::Interpreter ${CMAKE_CURRENT_SOURCE_DIR}/modes/modes.py ${part}
            --cxx ${CMAKE_CXX_COMPILER} --work ${modes})
        set_tests_properties(modes.${part} PROPERTIES TIMEOUT 600)
        if(part MATCHES "^(headers|separate|source|options)$")
            set_tests_properties(modes.${part} PROPERTIES PROCESSORS 2)
        elseif(part STREQUAL "core")
            set_tests_properties(modes.core PROPERTIES FIXTURES_SETUP modes_core)
        endif()
        if(part MATCHES "^(small|method|options|visibility|simulation)$")
            set_tests_properties(modes.${part} PROPERTIES FIXTURES_REQUIRED modes_core)
        endif()
    endforeach()
endif()

# ---- projects that use the library ------------------------------------------------------------------------------------------------

# Each of the ways that docs/packaging.md names, as a user goes it. Nothing of it needs the other targets to be built.
set(install ${CMAKE_COMMAND} -D library_source=${PROJECT_SOURCE_DIR} -D work=${CMAKE_CURRENT_BINARY_DIR}/install
    -D compiler=${CMAKE_CXX_COMPILER} -D generator=${CMAKE_GENERATOR})
option(MITOGEN_ALL_WAYS "Fetch the library from an archive, go through the steps of vcpkg and conan, build it again in each way: minutes"
    ON)
set(ways package headers_only find_package build_tree pkg_config dependent add_subdirectory fetch_content)
if(MITOGEN_ALL_WAYS)
    list(APPEND ways fetch_url vcpkg)
    list(APPEND install -D all=ON)
    if(Python3_FOUND)
        list(APPEND ways conan)
        list(APPEND install -D python=${Python3_EXECUTABLE})
    endif()
endif()
find_program(MITOGEN_CXX_s390x s390x-linux-gnu-g++)
mark_as_advanced(MITOGEN_CXX_s390x)
if(MITOGEN_CXX_s390x)
    list(APPEND ways payload)
endif()
if(NOT CMAKE_CXX_COMPILER_ID STREQUAL "GNU") # one stage tries them all
    set(ways package find_package)
endif()
foreach(way IN LISTS ways)
    add_test(NAME install.${way} COMMAND ${install} -D way=${way} -P ${CMAKE_CURRENT_SOURCE_DIR}/install/run.cmake)
    set_tests_properties(install.${way} PROPERTIES TIMEOUT 600)
endforeach()
set_tests_properties(install.package PROPERTIES FIXTURES_SETUP package)
foreach(way find_package build_tree pkg_config dependent)
    if(way IN_LIST ways)
        set_tests_properties(install.${way} PROPERTIES FIXTURES_REQUIRED package)
    endif()
endforeach()
find_program(MITOGEN_PKG_CONFIG pkg-config)
mark_as_advanced(MITOGEN_PKG_CONFIG)
if(NOT MITOGEN_PKG_CONFIG)
    message(STATUS "tests: no pkg-config here, its tests are left out")
    foreach(way pkg_config headers_only)
        if(way IN_LIST ways)
            set_tests_properties(install.${way} PROPERTIES DISABLED TRUE)
        endif()
    endforeach()
endif()

get_property(checks DIRECTORY PROPERTY TESTS)
list(REMOVE_ITEM checks "" ${others})
set_tests_properties(${checks} PROPERTIES LABELS check)
