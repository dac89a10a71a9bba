# SPDX-License-Identifier: BSL-1.0
# The programs that come with the library, as targets: mitogen::mitogen-debug. Works with CMake 3.16.

add_executable(mitogen_debug ${PROJECT_SOURCE_DIR}/programs/mitogen_debug.cpp)
add_executable(mitogen::mitogen-debug ALIAS mitogen_debug)
if(MITOGEN_COMPILED)
    target_link_libraries(mitogen_debug PRIVATE mitogen_compiled)
else()
    target_link_libraries(mitogen_debug PRIVATE mitogen)
endif()
set_target_properties(mitogen_debug PROPERTIES OUTPUT_NAME mitogen-debug EXPORT_NAME mitogen-debug CXX_EXTENSIONS OFF)
