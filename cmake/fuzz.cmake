# SPDX-License-Identifier: BSL-1.0
# tests/fuzz/<name>_fuzz.cpp: one libFuzzer executable each, run by CTest for a while. Seeds: tests/fuzz/corpus/<name>/.
# Included from tests/CMakeLists.txt.
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    message(FATAL_ERROR "The fuzz targets need clang: configure with the preset fuzz.")
endif()
set(MITOGEN_FUZZ_SECONDS 60 CACHE STRING "Seconds to run each fuzz target")
math(EXPR fuzz_timeout "${MITOGEN_FUZZ_SECONDS} * 2 + 60")

file(GLOB sources CONFIGURE_DEPENDS fuzz/*_fuzz.cpp)
foreach(source IN LISTS sources)
    get_filename_component(target ${source} NAME_WE)
    string(REGEX REPLACE "_fuzz$" "" name ${target})
    add_executable(${target} ${source})
    target_include_directories(${target} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR})
    target_link_libraries(${target} PRIVATE mitogen_development)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer)
    target_link_options(${target} PRIVATE -fsanitize=fuzzer)

    set(corpora ${CMAKE_CURRENT_BINARY_DIR}/corpus/${name}) # what is found goes to the first; the seeds are only read
    file(MAKE_DIRECTORY ${corpora})
    if(IS_DIRECTORY ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
        list(APPEND corpora ${CMAKE_CURRENT_SOURCE_DIR}/fuzz/corpus/${name})
    endif()
    add_test(NAME fuzz.${name} COMMAND ${target} -max_total_time=${MITOGEN_FUZZ_SECONDS} -timeout=10 -rss_limit_mb=2048
        -print_final_stats=1 -artifact_prefix=${CMAKE_CURRENT_BINARY_DIR}/${name}- ${corpora})
    set_tests_properties(fuzz.${name} PROPERTIES TIMEOUT ${fuzz_timeout})
endforeach()
