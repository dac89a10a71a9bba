# SPDX-License-Identifier: BSL-1.0
# One file is compiled as if there were no Boost, and shares nothing with the others.
set(file ${CMAKE_CURRENT_SOURCE_DIR}/codec/members_without_boost_test.cpp)
set_source_files_properties(${file} PROPERTIES
    SKIP_PRECOMPILE_HEADERS ON SKIP_UNITY_BUILD_INCLUSION ON)
